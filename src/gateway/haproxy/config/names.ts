/** Names in HAProxy's configuration, the same on every replica of the gateway. */
import { serviceKey } from '../../../model/store.ts';
import type { DistributedService } from '../../../model/types.ts';
import { sha256 } from './escape.ts';

/** Identifies a service in names of sections and files, and in variables. @param key namespace/name */
export const serviceId = (key: string): string => sha256(key).slice(0, 16);

/** The section with a service's servers. @param key namespace/name */
export const backendName = (key: string): string => `be-${serviceId(key)}`;

export const backendOf = (service: DistributedService): string => backendName(serviceKey(service));

/** The section that requests for a service pass first (failover.ts). @param id serviceId */
export const entranceName = (id: string): string => `svc-${id}`;

/** HAProxy's numbers of servers are 31 bits and not 0. */
const numbers = 0x7fffffff;

/**
 * HAProxy's numeric ids of the servers of a backend, by name. The id places a server on the ring of consistent hashing
 * (lb_chash.c uses puid × 4096 in 32 bits, so that 20 bits of it count), so it comes from the name alone, but where two names
 * come to one number: the later one in the order of names then takes the next that is free.
 * @param names without duplicates
 */
export function serverNumbers(names: readonly string[]): ReadonlyMap<string, number> {
  const taken = new Set<number>();
  const found = new Map<string, number>();
  for (const name of [...names].sort()) {
    let number = Number.parseInt(sha256(name).slice(0, 8), 16) % numbers;
    while (taken.has(number)) number = (number + 1) % numbers;
    taken.add(number);
    found.set(name, number + 1);
  }
  return found;
}

/** Names that are whitelisted although the agent chose them: what else comes is hashed. */
export const safeName = (name: string): string => (/^[A-Za-z0-9_-]{1,64}$/.test(name) ? name : `x-${sha256(name).slice(0, 16)}`);
