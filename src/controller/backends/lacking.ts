/** Addresses of a service that not every backend serves which users have: each port, or host, counts for itself. */
import type { ServedPart } from '../../frp/parts.ts';
import { isServing, type JudgedBackend, type PartState, type ProxyCounts } from './health.ts';

/** An address, and who does not serve it. */
export interface Lack extends ServedPart {
  /** whether another one does */
  isServed: boolean;
  /** those that are to have it, in the order of their names; none where each is older than the address */
  backends: readonly Lacking[];
}

export interface Lacking {
  backend: JudgedBackend;
  reason?: string | undefined;
  /** the server does not know that the backend has it at all */
  isUnregistered: boolean;
}

/**
 * @param parts of the service, by what is in the names of proxies
 * @param countsOf what the frp server has of a backend
 * @param isUdp one backend is enough for a port
 */
export function lacksOf(
  parts: ReadonlyMap<string, ServedPart>,
  backends: readonly JudgedBackend[],
  { countsOf, isUdp }: { countsOf: (id: string, backend: JudgedBackend) => ProxyCounts | undefined; isUdp: boolean },
): Lack[] {
  if (parts.size < 2) return [];
  const serving = backends.filter(isServing).map((backend) => ({ backend, states: statesOf(backend, countsOf) }));
  return [...parts].flatMap(([part, served]): Lack[] => {
    const isServed = serving.some(({ states }) => states.get(part)?.isOnline);
    if (isServed && isUdp) return [];
    const lacking = serving.flatMap(({ backend, states }): Lacking[] => {
      const state = states.get(part);
      const isExpected = state !== undefined || backend.parts?.includes(part) === true;
      if (!isExpected || state?.isOnline) return [];
      return [{ backend, reason: withoutPort(state?.reason, served), isUnregistered: state === undefined }];
    });
    return isServed && lacking.length === 0 ? [] : [{ ...served, isServed, backends: lacking }];
  });
}

/** Of all clients that serve the backend: one of them is enough. */
function statesOf(
  backend: JudgedBackend,
  countsOf: (id: string, backend: JudgedBackend) => ProxyCounts | undefined,
): Map<string, PartState> {
  const found = new Map<string, PartState>();
  for (const id of [backend.id, ...(backend.also ?? [])])
    for (const [part, state] of Object.entries(countsOf(id, backend)?.parts ?? {})) if (!found.get(part)?.isOnline) found.set(part, state);
  return found;
}

/** The gateway says of which port it is. */
const withoutPort = (reason: string | undefined, { port }: ServedPart): string | undefined =>
  port !== undefined && reason?.startsWith(`port ${port}: `) ? reason.slice(`port ${port}: `.length) : reason;

/** Who does not serve an address, and why, as far as that is known: `mail-0: its port takes no connections, and 2 more`. */
export function failing(lack: Pick<Lack, 'backends'> | undefined): string | undefined {
  const [first] = lack?.backends ?? [];
  if (!lack || !first) return undefined;
  const known = lack.backends.find(({ reason }) => reason !== undefined) ?? first;
  const others = lack.backends.length - 1;
  return `${known.backend.name}${known.reason === undefined ? '' : `: ${known.reason}`}${others > 0 ? `, and ${others} more` : ''}`;
}
