/** What a cluster is told of what it wants: its own proxies and services, and of others' no more than that they are in the way. */
import type { Item } from '../../link/protocol.ts';
import { describeExposure } from '../../model/exposure.ts';
import type { Conflict } from '../../model/claims.ts';
import { partKey } from '../../model/pools.ts';
import { serviceKey } from '../../model/store.ts';
import type { DistributedService, DistributedServiceSpec } from '../../model/types.ts';
import { equalJson, isObject } from '../../model/json.ts';
import type { TunnelRefusal } from '../admission/recent-refusals.ts';
import type { Listing, ProxyStatus } from '../api/proxy-status.ts';
import type { Refusal } from '../haproxy/index.ts';
import type { Sources } from '../sources/sources.ts';
import { describeGrant } from './grant.ts';
import type { LinkSource } from './link-source.ts';
import type { ClusterRecord } from './link-store.ts';

export interface Known {
  /** the cluster's own proxies (ofClusters), and the pools of all services */
  listing: Listing;
  refusals: readonly Refusal[];
  /** of the cluster's own Pods */
  refusedTunnels: readonly TunnelRefusal[];
  conflictsOf?: ((service: DistributedService) => readonly Conflict[]) | undefined;
  sources: Pick<Sources, 'decidingCluster' | 'services'>;
}

/** Proxies of clusters that have joined, by the cluster. */
export function ofClusters(statuses: readonly ProxyStatus[]): Map<string, ProxyStatus[]> {
  const found = new Map<string, ProxyStatus[]>();
  for (const status of statuses) {
    if (status.elsewhere === undefined) continue;
    const cluster = status.elsewhere.slice(0, status.elsewhere.indexOf('/'));
    const own = found.get(cluster);
    if (own) own.push(status);
    else found.set(cluster, [status]);
  }
  return found;
}

/** @param gateway as the answer to joining says it (joining.ts) */
export const gatewayItem = (
  { name, grant }: ClusterRecord,
  gateway: { addresses: readonly string[]; isReplicated: boolean; authority: string },
): Item => ({
  kind: 'gateway',
  key: 'gateway',
  value: { cluster: name, ...gateway, addresses: [...gateway.addresses], grant: describeGrant(grant) },
});

/** Items by kind (link/items.ts). */
export function itemsFor(
  source: LinkSource,
  known: Known,
): Record<'proxy' | 'pool' | 'refused' | 'refusedTunnels' | 'differs' | 'unknown', Item[]> {
  const proxy = known.listing.proxies.map(({ name, status, isRefused, reason, isPrimary }): Item => ({
    kind: 'proxy',
    key: name,
    value: { status, ...(isRefused && { isRefused }), ...(reason !== undefined && { reason }), ...(isPrimary && { isPrimary }) },
  }));
  // The cluster's service, whoever else has backends in it.
  const pool = known.listing.pools.flatMap(({ service, pool: name, up }): Item[] =>
    source.services.byKey(service) ? [{ kind: 'pool', key: partKey(service, name), value: { up } }] : [],
  );
  const refused = [...source.refused].map(([id, problem]): Item => ({ kind: 'refused', key: nameOf(id), value: { ...problem } }));
  const refusedTunnels = known.refusedTunnels.map(({ service, reason, message }): Item => ({
    kind: 'refusedTunnels',
    key: service,
    value: { reason, message },
  }));
  const messages = new Map(known.refusals.map(({ service, message }) => [service, message]));
  const differs: Item[] = [];
  for (const service of source.services.all()) {
    const key = serviceKey(service);
    const cluster = known.sources.decidingCluster(key);
    if (cluster !== source.cluster) {
      const deciding = known.sources.services.byKey(key);
      const fields = deciding ? differingFields(service.spec, deciding.spec) : [];
      if (fields.length > 0) differs.push({ kind: 'differs', key, value: { fields, ...(cluster && { cluster }) } });
      continue;
    }
    const conflict = known.conflictsOf?.(service)[0];
    const message = messages.get(key);
    if (conflict) refused.push({ kind: 'refused', key, value: { reason: 'HostConflict', message: conflictText(conflict, source) } });
    else if (message !== undefined) refused.push({ kind: 'refused', key, value: { reason: 'GatewayRefused', message } });
  }
  const unknown = [...source.unknown].map((what): Item => ({ kind: 'unknown', key: what, value: {} }));
  return { proxy, pool, refused, refusedTunnels, differs, unknown };
}

/** Who is in the way is told where it is one of the cluster's own. */
function conflictText(conflict: Conflict, { services }: LinkSource): string {
  const what = describeExposure(conflict.exposure);
  if ('other' in conflict && services.byKey(conflict.other)) return `${what} is taken by ${conflict.other}`;
  return `${what} belongs to another at the gateway`;
}

/** Of a service its namespace/name alone; of other items kind and key. */
const nameOf = (id: string): string => id.replace(/^service /, '');

const mostFields = 50;

/** Paths of what two specs say differently, such as `expose.host`; no values: they are the other cluster's. */
export function differingFields(one: DistributedServiceSpec, other: DistributedServiceSpec): string[] {
  const fields: string[] = [];
  const compare = (a: unknown, b: unknown, path: string): void => {
    if (fields.length >= mostFields || equalJson(a, b)) return;
    if (!isObject(a) || !isObject(b)) return void fields.push(path);
    for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) compare(a[key], b[key], path === '' ? key : `${path}.${key}`);
  };
  compare(one, other, '');
  return fields.map((field) => field.slice(0, 300));
}
