/** What the webhooks know when they decide about a Pod, from what was read; and annotations of Pod templates. */
import type { PodContext } from '../../webhooks/pods/decide.ts';
import { namespaceDefaults } from '../../webhooks/pods/namespace-defaults.ts';
import { defaultConfig } from '../config/schema.ts';
import { annotation, label } from '../model/names.ts';
import { ServiceStore } from '../model/store.ts';
import { itemsOf, valueOf } from './read.ts';
import type { Workload } from './shapes.ts';
import { patchOf } from './shell.ts';
import type { Around } from './snapshot.ts';

type Known = Pick<Around, 'services' | 'namespaces' | 'config'>;

export const templateOf = ({ spec }: Workload) => spec?.template ?? {};
export const groupOf = (annotations: Record<string, string> = {}): string | undefined => annotations[annotation.group];

const made = new WeakMap<Known, (namespace: string) => PodContext>();

/** Made once for a snapshot. */
export function podContexts(snapshot: Known): (namespace: string) => PodContext {
  const known = made.get(snapshot) ?? makeContexts(snapshot);
  made.set(snapshot, known);
  return known;
}

function makeContexts(snapshot: Known): (namespace: string) => PodContext {
  const services = new ServiceStore();
  services.replace([...itemsOf(snapshot.services)]);
  const config = valueOf(snapshot.config) ?? defaultConfig;
  const all = itemsOf(snapshot.namespaces);
  const defaults = new Map(all.map(({ metadata: { name, annotations } }) => [name, namespaceDefaults(name, annotations)]));
  const enabled = new Set(all.flatMap(({ metadata }) => (metadata.labels?.[label.injection] === 'enabled' ? [metadata.name] : [])));
  return (namespace) => ({ namespace, services, config, namespaces: defaults, selectorMode: enabled.has(namespace) });
}

/** The command that sets annotations of a Pod template; null takes one off. */
export function annotate({ kind, metadata }: Workload, annotations: Record<string, string | null>): string {
  const patch = patchOf({ spec: { template: { metadata: { annotations } } } });
  return `kubectl -n ${metadata.namespace} patch ${kind.toLowerCase()} ${metadata.name} --type=merge ${patch}`;
}
