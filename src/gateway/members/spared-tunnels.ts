/**
 * Open tunnels that outlast the certificate that they were opened with: of a Pod in several groups it may be that of a
 * service which is deleted, while others go on (webhooks/pods/projected-files.ts).
 */
import type { Member } from './members.ts';
import { portOf } from './tunnel-address.ts';

/** The ports from which HAProxy has handed tunnels on to frps (tunnel-address.ts), by namespace. */
export type SparedTunnels = ReadonlyMap<string, ReadonlySet<number>>;

/** @param isServed whether a service (namespace/name) may have members */
export function sparedTunnels(members: Iterable<Member>, isServed: (service: string) => boolean): SparedTunnels {
  const spared = new Map<string, Set<number>>();
  for (const { identity, service, tunnel } of members) {
    const { namespace } = identity;
    if (tunnel === undefined || !isServed(service)) continue;
    const known = spared.get(namespace);
    if (known) known.add(portOf(tunnel));
    else spared.set(namespace, new Set([portOf(tunnel)]));
  }
  return spared;
}
