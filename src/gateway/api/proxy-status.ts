/**
 * The state of the members in the form of frps' own API (frp server/http, GET /api/proxy/tcp), so that the controller asks
 * a gateway as it asks a plain frp server. The verdict is HAProxy's: whether requests go there.
 */
import { timingSafeEqual, createHash } from 'node:crypto';
import { basicAuthorization, type Credentials } from '../../frp/server-api.ts';
import { backendName } from '../haproxy/config/names.ts';
import { serverName } from '../ir/server-name.ts';
import type { Member } from '../members/members.ts';

/** What HAProxy says of a server. */
export interface ServerVerdict {
  backend: string;
  server: string;
  status: 'up' | 'down' | 'drain' | 'maint';
}

export interface ProxyStatus {
  name: string;
  status: 'online' | 'offline';
  /** cluster/Pod of a member of another cluster, whose Pods the controller does not see */
  elsewhere?: string;
}

export function proxyStatuses(members: Iterable<Member>, verdicts: readonly ServerVerdict[]): ProxyStatus[] {
  const up = new Set(verdicts.filter(({ status }) => status === 'up').map(({ backend, server }) => `${backend}/${server}`));
  return [...members].map(({ name, service, backendId, identity: { cluster, pod } }) => ({
    name,
    status: up.has(`${backendName(service)}/${serverName(service, backendId)}`) ? 'online' : 'offline',
    ...(cluster === '' ? {} : { elsewhere: `${cluster}/${pod}` }),
  }));
}

/** @param wanted undefined while nobody can be let in */
export function isAuthorized(authorization: string | undefined, wanted: Credentials | undefined): boolean {
  if (authorization === undefined || !wanted || wanted.user === '' || wanted.password === '') return false;
  const digest = (value: string) => createHash('sha256').update(value).digest();
  return timingSafeEqual(digest(authorization), digest(basicAuthorization(wanted)));
}
