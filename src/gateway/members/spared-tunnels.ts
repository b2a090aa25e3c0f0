/**
 * Open tunnels that outlast the certificate that they were opened with: of a Pod in several groups it may be that of a
 * service which is deleted, while others go on (webhooks/pods/projected-files.ts).
 */
import type { Member } from './members.ts';

/** HAProxy's ends of tunnels to frps (tunnel-address.ts), by namespace. */
export type SparedTunnels = ReadonlyMap<string, ReadonlySet<string>>;

/** @param isServed whether a service may have members, by namespace and name */
export function sparedTunnels(members: Iterable<Member>, isServed: (namespace: string, name: string) => boolean): SparedTunnels {
  const spared = new Map<string, Set<string>>();
  for (const { identity, service, tunnel } of members) {
    const { namespace } = identity;
    if (tunnel === undefined || !isServed(namespace, service.slice(namespace.length + 1))) continue;
    const known = spared.get(namespace);
    if (known) known.add(tunnel);
    else spared.set(namespace, new Set([tunnel]));
  }
  return spared;
}
