import { splitPartKey } from '../../model/pools.ts';
import { serviceKey } from '../../model/store.ts';
import type { DistributedService } from '../../model/types.ts';

const keys = new WeakMap<DistributedService, string>();

/** namespace/name of a service: the same string each time, which is found in a map without reading it anew. */
export function keyOf(service: DistributedService): string {
  let key = keys.get(service);
  if (key === undefined) keys.set(service, (key = serviceKey(service)));
  return key;
}

/** namespace/name of the service that a pool is of. */
export const ownerKey = (pool: DistributedService): string => splitPartKey(keyOf(pool))[0];
