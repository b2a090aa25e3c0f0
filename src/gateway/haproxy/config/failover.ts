/**
 * What a replica cannot serve, another one does. Every sidecar joins every replica, so when frps crashes here its backends
 * are still there at the others: but HAProxy tries servers of one backend only, and each of them refuses within a
 * millisecond. So http requests pass two sections: `svc-…`, where access is checked, and `be-…` with the servers, reached
 * by a socket of this process. Where the second one could not serve a request that may be sent again, it answers 425
 * (unserved.ts), and the first one sends it to another replica, for the last attempt. Streams have no second attempt: they go
 * to another replica from the start where there is no server here.
 *
 * Both go to one port (handover.ts), where replicas know each other by certificate. Whoever came from a replica is not
 * handed on again.
 */
import { requestTargetRules } from './request-target.ts';
import { lookupRules } from './route-rules.ts';
import { handedSocket, handoverSections, overBackend } from './handover.ts';
import { repeatHeader, replicaSections, replicaServers } from './over-requests.ts';
import { isHanded, isStopping, others, replicasBackend } from './other-replicas.ts';
import { isStuck } from './replica-state.ts';
import { nobodyLines, recoveryLines, recoverySections, recoveryServer } from './recovery.ts';
import { requestLog } from './request-log.ts';
import { servedReading } from './request-lines.ts';
import { always, attemptsOf, oneRequest, unservedLines } from './unserved.ts';
import { idleTime, maxTimer, type ServiceConfig } from './service-config.ts';
import type { UsersSettings } from './rendered.ts';

const innerSocket = 'inner.sock';
const onceSocket = 'once.sock';

/** The rates and numbers of what another replica hands over were counted there. */
export const notCounted = '!{ var(txn.counted) -m bool }';

/** Where other replicas and `svc-…` come in, and the way to the others. @param choices rules of every service's routes (choiceRules) */
export function failoverSections(services: readonly ServiceConfig[], choices: readonly string[], settings: UsersSettings): string[][] {
  const longest = services.reduce((most, service) => (service.mode === 'http' ? Math.max(most, patience(service)) : most), 60_000);
  const inner = (name: string, socket: string, more: readonly string[]) => [
    `frontend ${name}`,
    '  mode http',
    `  bind ${settings.directory}/${socket} mode 600 accept-proxy`,
    `  timeout client ${longest}ms`,
    ...[...more, ...requestLog(settings), ...poolLines([])].map((line) => `  ${line}`),
  ];
  return [
    inner('frp-inner', innerSocket, []),
    inner('frp-once', onceSocket, [oneRequest]),
    ...recoverySections(poolLines, longest, settings),
    // A process that is being replaced may ask for a service that its successor does not have any more.
    ['backend frp-unserved', '  mode http', ...unservedLines('').map((line) => `  ${line}`)],
    ...handedSections(choices, longest, settings),
  ];
}

/** Of a frontend before the servers. @param rules more of it */
const poolLines = (rules: readonly string[]): string[] => [
  'http-request set-var(txn.pool) req.hdr(x-frp-pool)',
  'http-request disable-l7-retry if { req.hdr(x-frp-last) -m found }',
  ...rules,
  ...['pool', 'site', 'source', 'tried', 'last', 'until', 'repeat'].map((name) => `http-request del-header x-frp-${name}`),
  'use_backend %[var(txn.pool)]',
  'default_backend frp-unserved',
];

/** Requests of other replicas pass every rule again, as those of the users that they came from. */
function handedSections(choices: readonly string[], longest: number, settings: UsersSettings): string[][] {
  if (others(settings).length === 0) return [];
  return [
    [
      'frontend frp-handed',
      ...[
        'mode http',
        `bind ${handedSocket(settings)} mode 600`,
        'tcp-request connection set-var(sess.handed) bool(true)',
        `timeout client ${longest}ms`,
        'http-request set-src req.hdr_ip(x-frp-source)',
        ...requestTargetRules,
        'http-request set-var(txn.counted) bool(true)',
        ...lookupRules(['http-request set-var(txn.site) req.hdr(x-frp-site)']),
        ...choices,
        'use_backend %[var(txn.target)]',
        'default_backend frp-none',
      ].map((line) => `  ${line}`),
    ],
    ...handoverSections(settings),
    ...replicaSections(longest, settings),
  ];
}

/** The end of `svc-…`: to the servers here, and what nobody took to another replica. */
export function failoverLines(service: ServiceConfig, settings: UsersSettings): string[] {
  const protocol = service.isGrpc ? ' proto h2' : '';
  const servers = replicaServers(settings, protocol);
  const { repeatable, repeatableElsewhere } = attemptsOf(service);
  // What may not be sent again needs an answer; over HTTP/2 every request has one.
  const isOnce = !service.isGrpc && repeatable !== always;
  const firsts = servers.length === 0 ? ['TRUE'] : ['{ var(txn.here) -m bool }', isHanded];
  const server = (name: string, socket: string) => `server ${name} unix@${settings.directory}/${socket} send-proxy-v2 weight 0${protocol}`;
  const isHere = [
    `{ nbsrv(${service.pool}) gt 0 } !${isStuck}`,
    isStopping,
    // A replica that cannot be reached is none to hand over to.
    `{ nbsrv(${replicasBackend}) eq 0 }`,
  ];
  return [
    `http-request set-header X-Frp-Pool ${service.pool}`,
    // A service with a port for itself has no host to be known by.
    'http-request set-header X-Frp-Site %[var(txn.site)]',
    'http-request set-header X-Frp-Source %[src]',
    // Of a request that was tried there, the attempt here is the last one.
    `http-request set-header X-Frp-Last 1 if ${isHanded} { req.hdr(x-frp-tried) -m found }`,
    ...(servers.length === 0 ? [] : isHere.map((condition) => `http-request set-var(txn.here) bool(true) if ${condition} !${isHanded}`)),
    'http-request set-header X-Frp-Tried 1 if { var(txn.here) -m bool }',
    ...(servers.length === 0 || repeatableElsewhere === ''
      ? []
      : [`http-request set-header ${repeatHeader} 1${repeatableElsewhere === always ? '' : ` if ${repeatableElsewhere}`}`]),
    `timeout server ${patience(service)}ms`,
    'http-reuse never',
    ...recoveryLines(service, settings),
    // The first attempt is bound to `here`, which has no weight: every further one goes to another replica.
    ...(isOnce ? firsts.map((first) => `use-server once if ${first} !${repeatable}`) : []),
    ...firsts.map((first) => `use-server here if ${first}`),
    server('here', innerSocket),
    ...(isOnce ? [server('once', onceSocket)] : []),
    `retries ${Math.max(1, servers.length)}`,
    'option redispatch 1',
    'retry-on conn-failure empty-response 425',
    `http-request disable-l7-retry if ${isHanded}`,
    ...servers,
    recoveryServer(settings, protocol),
    ...servedReading(settings),
    ...nobodyLines(service, `{ res.hdr(x-frp-unserved) 502 } !${isHanded}`),
    ...['502', '503', '504'].map(
      (status) => `http-response set-status ${status} if { status 425 } { res.hdr(x-frp-unserved) ${status} } !${isHanded}`,
    ),
    `http-response del-header x-frp-unserved if !${isHanded}`,
  ];
}

/**
 * Of a frontend in mode tcp: where a backend has no server here, or the way to it is stuck.
 * @param id of what is handed over (streamId, decryptedId) @param pools variables with the backends that it may come to
 */
export const handStreams = (id: string, settings: UsersSettings, pools = ['txn.target']): string[] =>
  others(settings).length === 0
    ? []
    : [
        `unique-id-format ${id}`,
        ...[...pools.map((pool) => `{ var(${pool}),nbsrv eq 0 }`), `${isStuck} { nbsrv(${replicasBackend}) gt 0 }`].map(
          (condition) => `use_backend ${overBackend} if ${condition} !${isHanded} !${isStopping}`,
        ),
      ];

/** Milliseconds that all attempts of a request may take: `be-…` gives up first, and says why. */
function patience(service: ServiceConfig): number {
  const attempts = service.spec.advanced?.retry?.maxAttempts ?? 3;
  return Math.min(maxTimer, (idleTime(service) + 10_000) * attempts);
}
