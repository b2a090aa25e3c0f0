/** The Secrets, made by others, that services depend on. */

import type { Config } from '../config/schema.ts';
import { referencesOf } from '../kube/secret-references.ts';
import type { Metadata } from '../kube/types.ts';
import type { ServiceReader } from '../model/store.ts';
import type { DistributedService } from '../model/types.ts';
import { frpsSecretsOf } from './identity/frps-material.ts';

/** Names of the Secrets, made by others in its own namespace, that the service depends on. */
function userSecretsOf(service: DistributedService): string[] {
  const { enabled, mode = 'auto', certSecret } = service.spec.security?.mtls ?? {};
  const own = enabled && mode === 'manual' && certSecret !== undefined ? [certSecret] : [];
  return [...referencesOf(service).map(({ secret }) => secret), ...own];
}

/** Services that depend on a Secret of a user, of cert-manager or of the administrator: its labels say nothing of them. */
export function servicesWith({ namespace = '', name }: Metadata, services: ServiceReader, config: Config): DistributedService[] {
  const ofAll = [...frpsSecretsOf(config), config.gateway.proxySecret];
  if (namespace === config.namespace && ofAll.includes(name)) return [...services.all()];
  const own = services.names(namespace).map((named) => services.get(namespace, named)!);
  return own.filter((service) => userSecretsOf(service).includes(name));
}
