/**
 * What a replica has of one service at a moment: its pools, the tunnels of its backends, and HAProxy's numbers. A service with
 * several ports, or with roles, has several pools, and a backend a tunnel for each port.
 */
import { partKey, splitPartKey } from '../../model/pools.ts';
import { rolePortName } from '../../model/ports.ts';
import { backendName } from '../haproxy/config/names.ts';
import type { ServerStats } from '../haproxy/index.ts';
import type { BackendServer, ServedService } from '../ir/ir.ts';
import { serverName } from '../ir/server-name.ts';
import { keyOf } from '../ir/service-key.ts';
import type { Member } from '../members/members.ts';
import type { Unserved } from './report-types.ts';

/** @param servers backend/server */
export interface TrafficReader {
  perSecond: (servers: readonly string[]) => number;
  /** seconds, by quantile; none where there was no request of late */
  quantiles: (servers: readonly string[], wanted: readonly number[]) => ReadonlyMap<number, number>;
}

export interface Observed {
  /** its pools; none where this replica does not serve it */
  pools: readonly ServedService[];
  members: readonly Member[];
  /** by backend/server */
  stats: ReadonlyMap<string, ServerStats>;
  traffic: TrafficReader;
  unserved: Unserved | undefined;
  /** backends of another service (namespace/name) that get users; undefined where this replica does not serve it */
  upOf?: (key: string) => number | undefined;
}

/** A tunnel in one of the pools that it takes users for. */
export interface Place {
  /** backend/server */
  path: string;
  /** undefined: HAProxy does not have it yet */
  stats: ServerStats | undefined;
  pool: ServedService;
  server: BackendServer | undefined;
}

/** Those that take users: not the tunnel at which a backend tells its role. */
export const servingMembers = (members: Iterable<Member>): Member[] => [...members].filter(({ portName }) => portName !== rolePortName);

/** One in each pool that the tunnel is for. */
export function placesOf(member: Member, { pools, stats }: Pick<Observed, 'pools' | 'stats'>): Place[] {
  return pools.flatMap((pool): Place[] => {
    const key = keyOf(pool.service);
    // Pools of roles lead to the same port; those of ports are called as the port is.
    const port = pool.role === undefined ? splitPartKey(key)[1] : undefined;
    if (member.portName !== port) return [];
    const name = serverName(key, member.backendId);
    const path = `${backendName(key)}/${name}`;
    return [{ path, stats: stats.get(path), pool, server: pool.backends.find((each) => each.name === name) }];
  });
}

/** Backends of a replica, each of which may have several ports. */
export interface BackendCounts {
  /** those that get users, at one of their ports at least */
  up: number;
  /** those of them that do not at each of their ports; absent: none */
  partial?: number;
  registered: number;
}

export function countsOf(members: Iterable<Member>, observed: (service: string) => Pick<Observed, 'pools' | 'stats'>): BackendCounts {
  const backends = [...Map.groupBy(servingMembers(members), ({ service, backendId }) => partKey(service, backendId)).values()];
  // In one role at least.
  const isUp = (member: Member) => placesOf(member, observed(member.service)).some(({ stats }) => stats?.status === 'up');
  const up = backends.map((own) => own.map(isUp)).filter((ports) => ports.includes(true));
  const partial = up.filter((ports) => ports.includes(false)).length;
  return { up: up.length, ...(partial > 0 && { partial }), registered: backends.length };
}
