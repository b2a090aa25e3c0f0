/**
 * The state of the members in the form of frps' own API (frp server/http, GET /api/proxy/tcp), so that the controller asks
 * a gateway as it asks a plain frp server. The verdict is HAProxy's: whether requests go there.
 */
import { timingSafeEqual, createHash } from 'node:crypto';
import { basicAuthorization, type Credentials } from '../../frp/server-api.ts';
import { namedPorts, portKey } from '../../model/ports.ts';
import type { DistributedServiceSpec } from '../../model/types.ts';
import { backendName } from '../haproxy/config/names.ts';
import { serverName } from '../ir/server-name.ts';
import type { Member } from '../members/members.ts';
import { reasonOf, type CheckedServer } from './check-reasons.ts';

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
}

/** backend/server of members, which are hashes of what they are. */
const servers = new WeakMap<Member, string>();

function serverOf(member: Member): string {
  let path = servers.get(member);
  if (path === undefined) {
    const key = portKey(member.service, member.portName);
    servers.set(member, (path = `${backendName(key)}/${serverName(key, member.backendId)}`));
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
    const verdict = byServer.get(serverOf(member));
    const spec = specOf(service);
    if (spec && !isAskedFor(spec, portName)) return [];
    const reason = verdict && spec && reasonOf(verdict, spec);
    return [
      {
        name,
        status: verdict?.status === 'up' ? 'online' : 'offline',
        ...(identity.cluster === '' ? {} : { elsewhere: `${identity.cluster}/${identity.pod}` }),
        ...(reason === undefined ? {} : { reason: portName === undefined ? reason : `port ${portName}: ${reason}` }),
      },
    ];
  });
}

/** Whether the service still has the port that a tunnel is for: a Pod keeps its tunnels until it restarts. */
function isAskedFor(spec: DistributedServiceSpec, portName: string | undefined): boolean {
  const ports = namedPorts(spec);
  return portName === undefined ? ports === undefined : (ports?.some(({ name }) => name === portName) ?? false);
}

/** @param wanted undefined while nobody can be let in */
export function isAuthorized(authorization: string | undefined, wanted: Credentials | undefined): boolean {
  if (authorization === undefined || !wanted || wanted.user === '' || wanted.password === '') return false;
  const digest = (value: string) => createHash('sha256').update(value).digest();
  return timingSafeEqual(digest(authorization), digest(basicAuthorization(wanted)));
}
