/** The offline side of the corpus: its configuration, and the services that stand before each case. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parse } from 'yaml';
import { configSchema } from '../../src/config/schema.ts';
import { Claims } from '../../src/model/claims.ts';
import { ServiceStore } from '../../src/model/store.ts';
import type { DistributedService } from '../../src/model/types.ts';
import type { OfflineContext } from '../../webhooks/distributedservices/offline.ts';

const file = resolve(import.meta.dirname, '../../manifests/install/config.yaml');

/** The configuration that the installation has, as the cluster suite installs it. */
export const installedConfig = configSchema.parse(parse(readFileSync(file, 'utf8')));

export function contextWith(services: readonly unknown[], config = installedConfig): OfflineContext & { store: ServiceStore } {
  const store = new ServiceStore();
  for (const service of services) store.set(service as DistributedService);
  return { config, claims: new Claims(store, config), store };
}
