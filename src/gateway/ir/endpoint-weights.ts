/** What a connector's members are to their service: which of its endpoints they stand for, and with how much of its weight. Pure. */
import { originOf, targetsOf } from '../../frp/origins.ts';
import type { DistributedService } from '../../model/types.ts';
import type { Member } from '../members/members.ts';

export interface Part {
  weight: number;
  /** host and port as the user wrote them */
  address: string;
}

/**
 * A weight is that of the host that the user named, however many addresses it has and connector Pods dial them: its members
 * share it, those that drain left out. An address that several endpoints lead to has a part of each.
 * @param members of the service. Which endpoints they are of they say themselves, so only those that the service has count
 */
export function endpointParts(
  service: DistributedService,
  members: readonly Member[],
  isDraining: (member: Member) => boolean,
): ReadonlyMap<Member, Part> {
  const parts = new Map<Member, Part>();
  const ofConnectors = members.filter(({ backendId, identity }) => backendId !== identity.uid);
  const claims = ofConnectors.flatMap((member) => member.origins.map((origin) => ({ origin, member })));
  const byOrigin = Map.groupBy(claims, ({ origin }) => origin);
  for (const target of targetsOf(service)) {
    const found = (byOrigin.get(originOf(target)) ?? []).map(({ member }) => member);
    const weight = (target.weight ?? 1) / Math.max(1, found.filter((member) => !isDraining(member)).length);
    for (const member of found) {
      const { weight: others, address } = parts.get(member) ?? { weight: 0, address: `${target.host}:${target.port}` };
      parts.set(member, { weight: others + weight, address });
    }
  }
  return parts;
}
