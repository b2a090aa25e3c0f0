/**
 * How many backends each pool of a service has in use, where it has several, or where routes lead to it or away from it: what its
 * backends say one by one does not tell it.
 */
import { partKey, poolsOf } from '../../model/pools.ts';
import { serviceKey } from '../../model/store.ts';
import type { DistributedService } from '../../model/types.ts';
import { backendName } from '../haproxy/config/names.ts';
import type { ServerVerdict } from './proxy-status.ts';

export interface PoolStatus {
  /** namespace/name */
  service: string;
  /** among the pools of the service (poolsOf); absent: the one that goes by the service's name */
  pool?: string;
  /** backends that get users */
  up: number;
}

/** @param isServed whether HAProxy has a service (namespace/name) */
export function poolStatuses(
  services: Iterable<DistributedService>,
  verdicts: readonly Pick<ServerVerdict, 'backend' | 'status'>[],
  isServed: (key: string) => boolean,
): PoolStatus[] {
  const all = [...services];
  const routed = new Set(all.flatMap(routedBy));
  const up = new Map<string, number>();
  for (const { backend, status } of verdicts) if (status === 'up') up.set(backend, (up.get(backend) ?? 0) + 1);
  return all.flatMap((service): PoolStatus[] => {
    const key = serviceKey(service);
    const pools = poolsOf(service.spec);
    if (pools.length < 2 && !(routed.has(key) && isServed(key))) return [];
    return pools.map(({ name }) => ({
      service: key,
      ...(name !== undefined && { pool: name }),
      up: up.get(backendName(partKey(key, name))) ?? 0,
    }));
  });
}

/** A service with routes, and those that they lead to (namespace/name). */
function routedBy({ metadata, spec }: DistributedService): string[] {
  const groups = (spec.routes ?? []).flatMap((route) => (route.groups ?? []).map(({ name }) => name));
  return groups.length === 0 ? [] : [metadata.name, ...groups].map((name) => `${metadata.namespace}/${name}`);
}
