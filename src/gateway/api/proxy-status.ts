/**
 * The state of the members in the form of frps' own API (frp server/http, GET /api/proxy/tcp), so that the controller asks
 * a gateway as it asks a plain frp server. The verdict is HAProxy's: whether requests go there.
 */
import { timingSafeEqual, createHash } from 'node:crypto';
import { basicAuthorization, type Credentials } from '../../frp/server-api.ts';
import { partKey, poolsOf, type Pool } from '../../model/pools.ts';
import type { DistributedServiceSpec } from '../../model/types.ts';
import { backendName } from '../haproxy/config/names.ts';
import { serverName } from '../ir/server-name.ts';
import type { Member } from '../members/members.ts';
import { reasonOf, type CheckedServer } from './check-reasons.ts';
import type { PoolStatus } from './pool-status.ts';

/** What HAProxy says of a server. */
export interface ServerVerdict extends CheckedServer {
  backend: string;
  server: string;
}

export interface ProxyStatus {
  name: string;
  status: 'online' | 'offline';
  /** cluster/Pod of a member of another cluster, whose Pods the controller does not see */
  elsewhere?: string;
  /** the Pod is turned away: this is no proxy of frps */
  isRefused?: true;
  /** why it is offline, where that is known: `GET /health answered 404` */
  reason?: string;
  /** it says that it is the primary */
  isPrimary?: true;
}

/** What a replica of the gateway tells of its members. */
export interface Listing {
  proxies: readonly ProxyStatus[];
  pools: readonly PoolStatus[];
}

/** backend/server of members by pool, which are hashes of what they are. */
const servers = new WeakMap<Member, Map<string | undefined, string>>();

function serverIn(pool: string | undefined, member: Member): string {
  const paths = servers.get(member) ?? new Map<string | undefined, string>();
  servers.set(member, paths);
  let path = paths.get(pool);
  if (path === undefined) {
    const key = partKey(member.service, pool);
    paths.set(pool, (path = `${backendName(key)}/${serverName(key, member.backendId)}`));
  }
  return path;
}

/** @param specOf of a service, namespace/name; undefined where there is none */
export function proxyStatuses(
  members: Iterable<Member>,
  verdicts: readonly ServerVerdict[],
  specOf: (service: string) => DistributedServiceSpec | undefined,
): ProxyStatus[] {
  const byServer = new Map(verdicts.map((verdict) => [`${verdict.backend}/${verdict.server}`, verdict]));
  return [...members].flatMap((member): ProxyStatus[] => {
    const { name, service, identity, portName } = member;
    const spec = specOf(service);
    const pools: readonly Pick<Pool, 'name' | 'role'>[] = spec
      ? poolsOf(spec).filter(({ backendPort }) => backendPort === portName)
      : [{ name: portName }];
    // It takes no users: of where it tells its role, or of a port that the service has no more, which it keeps until it restarts.
    if (pools.length === 0) return [];
    const found = pools.flatMap(({ name: pool, role }) => {
      const verdict = byServer.get(serverIn(pool, member));
      return verdict ? [{ verdict, role }] : [];
    });
    // One role is enough.
    const { verdict, role } = found.find((each) => each.verdict.status === 'up') ?? found[0] ?? {};
    const reason = verdict && spec && reasonOf(verdict, spec);
    return [
      {
        name,
        status: verdict?.status === 'up' ? 'online' : 'offline',
        ...(identity.cluster === '' ? {} : { elsewhere: `${identity.cluster}/${identity.pod}` }),
        ...(reason === undefined ? {} : { reason: portName === undefined ? reason : `port ${portName}: ${reason}` }),
        ...(role === 'primary' && verdict?.status === 'up' && { isPrimary: true }),
      },
    ];
  });
}

/** @param wanted undefined while nobody can be let in */
export function isAuthorized(authorization: string | undefined, wanted: Credentials | undefined): boolean {
  if (authorization === undefined || !wanted || wanted.user === '' || wanted.password === '') return false;
  const digest = (value: string) => createHash('sha256').update(value).digest();
  return timingSafeEqual(digest(authorization), digest(basicAuthorization(wanted)));
}
