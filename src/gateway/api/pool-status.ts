/** How many backends each pool of a service has in use, where it has several: what its backends say one by one does not tell it. */
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

export function poolStatuses(
  services: Iterable<DistributedService>,
  verdicts: readonly Pick<ServerVerdict, 'backend' | 'status'>[],
): PoolStatus[] {
  const up = new Map<string, number>();
  for (const { backend, status } of verdicts) if (status === 'up') up.set(backend, (up.get(backend) ?? 0) + 1);
  return [...services].flatMap((service): PoolStatus[] => {
    const key = serviceKey(service);
    const pools = poolsOf(service.spec);
    if (pools.length < 2) return [];
    return pools.map(({ name }) => ({
      service: key,
      ...(name !== undefined && { pool: name }),
      up: up.get(backendName(partKey(key, name))) ?? 0,
    }));
  });
}
