/** What an explanation in a cluster starts from, read with the rights of the caller. */
import type { Config } from '../config/schema.ts';
import { defaultConfig } from '../config/schema.ts';
import { read, unread, valueOf, type Read } from '../diagnose/read.ts';
import type { Around } from '../diagnose/snapshot.ts';
import { readConfig, readUsers } from '../diagnose/take.ts';
import type { KubeClient } from '../kube/client.ts';
import { distributedServices, namespaces, type KubeObject } from '../kube/types.ts';
import { defaulted } from '../model/defaults.ts';
import { label } from '../model/names.ts';
import { ServiceStore } from '../model/store.ts';
import type { DistributedService } from '../model/types.ts';
import { namespaceDefaults, type NamespaceDefaults } from '../../webhooks/pods/namespace-defaults.ts';
import type { DecisionContext } from './decision-lines.ts';
import { unknown, type Line } from './explanation.ts';
import { reachCluster, type Reach } from './reach.ts';

export interface World {
  client: KubeClient;
  config: Config;
  /** what could not be read, and what was taken in its place */
  gaps: Line[];
  /** whether `config` is that of the installation, and not the defaults in its place */
  isConfigKnown: boolean;
  /** whether there is one, which could not be understood */
  isConfigInvalid: boolean;
  /** namespace of the installation */
  installation: string;
  /** whether the webhooks' Deployment is not there at all */
  isInstallationMissing: boolean;
  reach: Reach;
  /** milliseconds since the epoch */
  now: number;
}

/** @param given configuration of the caller's; absent: that of the installation */
export async function worldOf(client: KubeClient, installation: string | undefined, given?: Config): Promise<World> {
  const config: Read<Config> = given ? { ok: given } : await readConfig(client, installation);
  const isInstallationMissing = 'absent' in config;
  const gaps =
    'ok' in config || isInstallationMissing ? [] : [unknown(`the configuration of the installation is not known (${unread(config)})`)];
  const isConfigKnown = 'ok' in config;
  return {
    client,
    config: valueOf(config) ?? defaultConfig,
    gaps,
    isConfigKnown,
    isConfigInvalid: 'failed' in config,
    installation: installation ?? defaultConfig.namespace,
    isInstallationMissing,
    reach: await reachCluster(client, config),
    now: Date.now(),
  };
}

/** What the webhook knows when it decides about a Pod of the namespace. */
export async function contextOf({ client, config }: World, namespace: string): Promise<{ context: DecisionContext; gaps: Line[] }> {
  const [own, found] = await Promise.all([
    read(`get Namespace ${namespace}`, () => client.get<KubeObject>(namespaces, undefined, namespace)),
    read(`list distributedservices in namespace ${namespace}`, () => client.list<DistributedService>(distributedServices, { namespace })),
  ]);
  const services = new ServiceStore();
  services.replace(
    (valueOf(found)?.items ?? []).map(
      (service) => defaulted(service as unknown as Record<string, unknown>) as unknown as DistributedService,
    ),
  );
  const { labels = {}, annotations } = valueOf(own)?.metadata ?? {};
  const defaults = new Map<string, NamespaceDefaults | undefined>([[namespace, namespaceDefaults(namespace, annotations)]]);
  const mode = labels[label.injection];
  const gaps = [own, found].flatMap((answer) => {
    const why = unread(answer);
    return why === undefined ? [] : [unknown(why)];
  });
  const context = {
    namespace,
    services,
    config,
    namespaces: defaults,
    selectorMode: mode === 'enabled',
    disabled: mode === 'disabled',
  };
  return { context, gaps };
}

/** What is around a workload or a service: what could not be read is said. */
export async function aroundOf({ client, config }: World, namespace: string): Promise<{ around: Around; gaps: Line[] }> {
  const users = await readUsers(client, namespace);
  const { services, namespaces: known, workloads, events, quotas } = users;
  const gaps = [services, known, workloads, events, quotas].flatMap((answer) => {
    const why = unread(answer);
    return why === undefined ? [] : [unknown(why)];
  });
  return { around: { ...users, config: { ok: config }, installation: { name: config.namespace } }, gaps };
}
