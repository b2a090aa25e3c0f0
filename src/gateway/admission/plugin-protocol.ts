/**
 * frps' admission webhook (frp pkg/plugin/server): who may join which group, as values. The content of an answer is
 * written wholly anew, so nothing that a client sent survives unless it is named here: its user, groups and run id are not,
 * and of its metas only the origins of a connector's member, and the name of the service's port.
 */
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { originMetadata, originsIn } from '../../frp/origins.ts';
import { tunnelMetadata } from '../members/tunnel-address.ts';
import { bandwidthLimit } from '../../frp/units.ts';
import { portIn, portMetadata } from '../../model/ports.ts';
import type { DistributedService } from '../../model/types.ts';
import { type Identity, identityIn, parseProxyName, userOf, type ProxyName } from '../pod-identity.ts';
import { refused, type Refusal } from './refusals.ts';
import type { Load } from '../members/members.ts';

export interface LoginContent {
  version?: string;
  hostname?: string;
  os?: string;
  arch?: string;
  privilege_key?: string;
  timestamp?: number;
  run_id?: string;
  pool_count?: number;
  /** frps' own word: the other end of the connection, which is HAProxy's */
  client_address?: string;
}

export interface UserInfo {
  user?: string;
  metas?: Record<string, string> | null;
  run_id?: string;
}

export interface NewProxyContent {
  user?: UserInfo;
  proxy_name?: string;
  proxy_type?: string;
  use_encryption?: boolean;
  use_compression?: boolean;
  group?: string;
  metas?: Record<string, string> | null;
}

export interface CloseProxyContent {
  user?: UserInfo;
  proxy_name?: string;
}

/** What the agent may know of a service. */
export type Eligibility = { ok: true; service: DistributedService } | Refusal;

/**
 * Proxies: a cluster that has joined leaves a quarter of the ports to others, however many namespaces it has. A connector of 256 endpoints has as many as a Pod may have; the ports of a gateway are some 22,000. Characters:
 * a token of Kubernetes has some 1,200, and the name of a proxy at most 470. `pool` is maxPoolCount of frps.toml.
 */
export const limits = { pod: 512, namespace: 11_000, cluster: 16_500, pool: 100, token: 10_240, proxyName: 512, text: 253 };

/** What frps would act on before anybody has looked at it: frps 0.70.1 ended with a pool count below -10. */
export function loginProblem({ pool_count: pool = 0, privilege_key: token = '' }: LoginContent): Refusal | undefined {
  if (!Number.isSafeInteger(pool) || pool < 0)
    return refused('Malformed', `the pool count is ${String(pool).slice(0, 40)}; transport.poolCount must be 0 to ${limits.pool}`);
  if (token.length > limits.token)
    return refused('Malformed', `the token has ${token.length} characters, and ${limits.token} is the limit`);
  return undefined;
}

/**
 * A session of its own for each login: it tells a proxy that was closed from one of the same name that replaced it.
 * The run id is a secret that brings work connections in, and a login with the run id of another would end that other's
 * session (frp server/service.go), so it is unguessable and belongs to one Pod.
 */
export function loginContent(login: LoginContent, identity: Identity) {
  const { version = '', os = '', arch = '', privilege_key = '', timestamp = 0, pool_count = 0 } = login;
  return {
    version: shown(version),
    // frps gives it back for each session that is open, and no more of what belongs to it.
    hostname: tunnelMetadata(login.client_address).tunnel ?? '',
    os: shown(os),
    arch: shown(arch),
    user: userOf(identity),
    privilege_key,
    timestamp: Number.isSafeInteger(timestamp) ? timestamp : 0,
    run_id: runIdOf(identity, login.run_id ?? ''),
    metas: { session: randomUUID(), ...tunnelMetadata(login.client_address) },
    pool_count: Math.min(pool_count, limits.pool),
  };
}

/** For frps' log and API: one short line of ASCII. */
const shown = (text: string): string => text.slice(0, limits.text).replace(/[^ -~]/g, '?');

function runIdOf(identity: Identity, wanted: string): string {
  const own = createHash('sha256').update(userOf(identity)).digest('hex').slice(0, 16);
  const isOwn = wanted.startsWith(own) && /^[0-9a-f]{32}$/.test(wanted.slice(own.length));
  return isOwn ? wanted : own + randomBytes(16).toString('hex');
}

/** Whose session it is, as it was verified at its login. */
export const identityOf = (user: UserInfo | undefined): Identity | undefined => identityIn(user?.user ?? '');
export const sessionOf = (user: UserInfo | undefined): string | undefined => user?.metas?.session;

export type Wanted = ({ ok: true; identity: Identity; session: string } & ProxyName) | Refusal;

/** What a session wants to open, where its form is right. Domains, locations, headers and all else of other types go no further. */
export function wantedProxy({ user, proxy_name: name = '', proxy_type: type = '', group = '' }: NewProxyContent): Wanted {
  const identity = identityOf(user);
  const session = sessionOf(user);
  if (!identity || session === undefined)
    return refused('NotLoggedIn', 'this session was not opened by the gateway; frpc must log in again');
  if (type !== 'tcp')
    return refused(
      'WrongType',
      `proxies of type ${JSON.stringify(shown(type))} are not for the gateway: every one is tcp, and HAProxy does the rest`,
    );
  if (group !== '') return refused('Grouped', 'the gateway has no frp groups: HAProxy balances');
  const parsed = name.length > limits.proxyName ? undefined : parseProxyName(name, identity);
  if (!parsed)
    return refused(
      'WrongName',
      `the proxy name is not one of Pod ${identity.namespace}/${identity.pod}; it would be ${identity.namespace}.<service>.<hash>.${identity.pod}.${identity.uid}`,
    );
  return { ok: true, identity, session, ...parsed };
}

/** Whether one more may be. */
export function withinLimits({ ofPod, ofNamespace, ofCluster }: Load, { cluster }: Identity): { ok: true } | Refusal {
  if (ofPod >= limits.pod) return refused('TooManyProxies', `the Pod has ${limits.pod} proxies, and that is the limit`);
  if (ofNamespace >= limits.namespace)
    return refused('TooManyProxies', `the namespace has ${limits.namespace} proxies, and that is the limit`);
  if (cluster !== '' && ofCluster >= limits.cluster)
    return refused('TooManyProxies', `cluster ${cluster} has ${limits.cluster} proxies at the gateway, and that is the limit`);
  return { ok: true };
}

/** What frps opens: the client chooses neither port nor bandwidth. Which endpoint it is of, and which port, it says; ir/ takes what the service has. */
export function newProxyContent(content: NewProxyContent, service: DistributedService, port: number): object {
  const { bandwidth } = service.spec.advanced ?? {};
  const { metas: given, user } = content;
  const metas = { ...originMetadata(originsIn(given)), ...portMetadata(portIn(given)), ...tunnelMetadata(user?.metas?.tunnel) };
  return {
    user: content.user,
    proxy_name: content.proxy_name,
    proxy_type: 'tcp',
    // Both ends must agree on these, and they touch nothing but the client's own traffic.
    use_encryption: content.use_encryption === true,
    use_compression: content.use_compression === true,
    ...(bandwidth?.limit === undefined
      ? {}
      : { bandwidth_limit: bandwidthLimit(bandwidth.limit), bandwidth_limit_mode: bandwidth.mode ?? 'client' }),
    ...(Object.keys(metas).length > 0 && { metas }),
    remote_port: port,
  };
}
