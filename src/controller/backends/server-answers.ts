/** What servers say of their proxies, by service and backend, and how the answers of several are one. */
import { ownerOf } from '../../frp/proxy-names.ts';
import { reasonOfOthers } from '../../model/reasons/text.ts';
import type { Problem } from '../problem.ts';
import type { ProxyCounts } from './health.ts';

export interface ListedProxy extends Pick<ProxyCounts, 'elsewhere' | 'isRefused' | 'reason' | 'isPrimary'> {
  name: string;
  status: string;
}

/** What a server says, asked by HTTP or told over a link. */
export interface Listed {
  proxies?: ListedProxy[] | null;
  /** the gateway's alone: backends in use of each pool, of services that have several */
  pools?: { service: string; pool?: string; up: number }[];
  /** the gateway's alone; with a reason, which is one word, what is refused are tunnels of the service's Pods */
  refused?: { service: string; message: string; reason?: string }[];
}

/** What one of several gateways says. */
export interface Told extends Listed {
  gateway: string;
}

/** characters of a reason that are kept */
const reasonLimit = 300;
const refusalLimit = 1000;

type Proxies = Map<string, Map<string, ProxyCounts>>;

/** What servers say. */
export interface Answer {
  services: Proxies;
  /** backends in use, by service and pool */
  pools: Map<string, ReadonlyMap<string | undefined, number>>;
  /** why the gateway's HAProxy does not take a service's configuration, by service (namespace/name) */
  refused: Map<string, string>;
  /** why the gateway refuses tunnels of its Pods, by service */
  refusedTunnels: Map<string, Problem>;
}

export const nothing = { services: new Map(), pools: new Map(), refused: new Map(), refusedTunnels: new Map() } satisfies Answer;

export function answerIn(lists: readonly Listed[], user?: string): Answer {
  const services: Proxies = new Map();
  const refused: Answer['refused'] = new Map();
  const refusedTunnels: Answer['refusedTunnels'] = new Map();
  for (const { service, message, reason } of lists.flatMap((list) => list.refused ?? [])) {
    const text = message.slice(0, refusalLimit);
    if (reason === undefined) refused.set(service, text);
    else refusedTunnels.set(service, { reason: reasonOfOthers(reason), message: text });
  }
  for (const { name, status, elsewhere, isRefused, reason, isPrimary } of lists.flatMap((list) => list.proxies ?? [])) {
    const owner = ownerOf(name, user);
    if (!owner) continue;
    const backends = services.get(owner.service) ?? new Map<string, ProxyCounts>();
    services.set(owner.service, backends);
    const counts = backends.get(owner.id) ?? { online: 0, offline: 0, ...(elsewhere !== undefined && { elsewhere }) };
    const isOnline = status === 'online';
    const why = reason?.slice(0, reasonLimit);
    if (isRefused) counts.isRefused = true;
    else {
      counts[isOnline ? 'online' : 'offline']++;
      counts.parts = { ...counts.parts, [owner.part]: { isOnline, ...(why !== undefined && { reason: why }) } };
    }
    if (why !== undefined) counts.reason = why;
    if (isPrimary) counts.isPrimary = true;
    backends.set(owner.id, counts);
  }
  return {
    services,
    pools: poolsIn(lists.flatMap(({ pools = [] }) => pools.map(({ service, pool, up }) => [service, pool, up] as const))),
    refused,
    refusedTunnels,
  };
}

/** Of several replicas the one that has most in use: who has not been dialled yet knows of none. */
function poolsIn(said: Iterable<readonly [service: string, pool: string | undefined, up: number]>): Answer['pools'] {
  const all = new Map<string, Map<string | undefined, number>>();
  for (const [service, pool, up] of said) {
    const known = all.get(service) ?? new Map<string | undefined, number>();
    all.set(service, known.set(pool, Math.max(up, known.get(pool) ?? 0)));
  }
  return all;
}

/** A backend that has not been online since it came has not failed: its first check is still to come, or to succeed. */
export function rememberServed(before: Proxies, next: Proxies): void {
  for (const [service, backends] of next)
    for (const [id, counts] of backends) counts.hasServed = counts.online > 0 || (before.get(service)?.get(id)?.hasServed ?? false);
}

/** Of each backend the answer of the replica that has most of it online; one replica that refuses a service is enough. */
export function merged(answers: readonly Answer[]): Answer {
  const [first, ...others] = answers;
  if (others.length === 0) return first!;
  const all: Proxies = new Map();
  for (const [service, backends] of answers.flatMap(({ services }) => [...services])) {
    const best = all.get(service) ?? new Map<string, ProxyCounts>();
    all.set(service, best);
    for (const [id, counts] of backends) if (isBetter(counts, best.get(id))) best.set(id, counts);
  }
  return {
    services: all,
    pools: poolsIn(
      answers.flatMap(({ pools }) => [...pools].flatMap(([service, ups]) => [...ups].map(([pool, up]) => [service, pool, up] as const))),
    ),
    refused: new Map(answers.flatMap(({ refused }) => [...refused])),
    refusedTunnels: new Map(answers.flatMap(({ refusedTunnels }) => [...refusedTunnels])),
  };
}

/** Where none has it online, why one turns it away says more than that another one does not have it. */
const isBetter = (one: ProxyCounts, other: ProxyCounts | undefined): boolean =>
  !other || one.online > other.online || (one.online === other.online && !other.isRefused);

/** A service that one gateway refuses and another one takes is served. */
export function mergedOfGateways(answers: readonly Answer[]): Answer {
  const { refused, ...rest } = merged(answers);
  return { ...rest, refused: new Map([...refused].filter(([service]) => answers.every((answer) => answer.refused.has(service)))) };
}

/** Of one gateway the sum says it. */
export const differingOfGateways = (before: ReadonlyMap<string, Answer>, after: ReadonlyMap<string, Answer>): string[] =>
  [...(Math.max(before.size, after.size) < 2 ? [] : new Set([...before.keys(), ...after.keys()]))].flatMap((gateway) => [
    ...differing(before.get(gateway) ?? nothing, after.get(gateway) ?? nothing),
  ]);

export function differing(before: Answer, after: Answer): Set<string> {
  const changed = new Set<string>();
  const text = (backends?: Map<string, ProxyCounts>) =>
    JSON.stringify(inOrder(backends ?? []).map(([id, { parts = {}, ...counts }]) => [id, counts, inOrder(Object.entries(parts))]));
  for (const service of new Set([...before.services.keys(), ...after.services.keys()]))
    if (text(before.services.get(service)) !== text(after.services.get(service))) changed.add(service);
  const ups = (pools?: ReadonlyMap<string | undefined, number>) => JSON.stringify([...(pools ?? [])]);
  for (const service of new Set([...before.pools.keys(), ...after.pools.keys()]))
    if (ups(before.pools.get(service)) !== ups(after.pools.get(service))) changed.add(service);
  for (const service of new Set([...before.refused.keys(), ...after.refused.keys()]))
    if (before.refused.get(service) !== after.refused.get(service)) changed.add(service);
  for (const service of new Set([...before.refusedTunnels.keys(), ...after.refusedTunnels.keys()]))
    if (JSON.stringify(before.refusedTunnels.get(service)) !== JSON.stringify(after.refusedTunnels.get(service))) changed.add(service);
  return changed;
}

const inOrder = <T>(entries: Iterable<[string, T]>): [string, T][] => [...entries].sort(([a], [b]) => (a < b ? -1 : 1));
