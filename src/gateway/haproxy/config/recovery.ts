/**
 * A request that no server here took and no other replica can be handed to is sent here again, every half second for eight:
 * frps is started again within a second, and its sidecars come back within a few. That its servers are gone HAProxy may not
 * even know, where the agent has ended with frps: each is there and refuses. Where a service has had no server for longer,
 * or never, its requests are answered at once.
 *
 * As with the other replicas, the next attempt of `svc-…` has to be one at another server: a backup, which is used when no
 * replica is up. Behind it `frp-later` repeats what comes back with 425, by way of `frp-again`, which waits.
 *
 * When the tunnels end, what is in them is closed without an answer, as by a backend that fails; that its server is gone
 * is known a moment later. So a request that nobody has answered at any attempt waits for that moment, and gets 503 and
 * not 502 where the service has no server left.
 */
import { quote } from './escape.ts';
import { isHanded, isStopping, others, replicasBackend } from './other-replicas.ts';
import type { UsersSettings } from './rendered.ts';
import { requestLog } from './request-log.ts';
import { ownLimit } from './user-connections.ts';
import { isFinal, oneRequest } from './unserved.ts';
import type { ServiceConfig } from './service-config.ts';

export const recoveryFile = 'recovery.lua';

/** What a user reads with 503. */
export const noBackendText = 'no backend of the service is available';

/** Milliseconds that a request is sent here again, and between two times; seconds since the last server went in which it is. */
const patienceMs = 8000;
const pauseMs = 500;
const recentSeconds = 10;
/** Milliseconds within which it is known that a tunnel has ended: on a machine that is very busy it took 700. */
const verdictMs = 2000;

/**
 * Lua 5.3, with HAProxy's API (lua.txt): the action `lua.frp-recovery` waits before an attempt at the backend in `txn.pool`,
 * and sets `txn.final` where it is the last one; `lua.frp-verdict BACKEND` waits until the backend has no server, and then
 * sets `txn.nobody`.
 */
export const recoveryLua = `-- written by frp-k8s: waits for the servers of a backend that has just lost all of them
local function milliseconds()
  local now = core.now()
  return now.sec * 1000 + now.usec // 1000
end
local function isOver(name)
  local backend = core.backends[name]
  if not backend then return true end
  local stats = backend:get_stats()
  return stats.chkdown == 0 or stats.lastchg > ${recentSeconds}
end
core.register_action('frp-recovery', { 'http-req' }, function(txn)
  local name = txn:get_var('txn.pool')
  local hasServers = txn.f:nbsrv(name) > 0
  local ms = milliseconds()
  local began = txn:get_var('txn.began')
  if (not began and not hasServers and isOver(name)) or txn.f:date(0, 'ms') >= tonumber(txn:get_var('txn.until')) then
    txn:set_var('txn.final', true)
    return act.CONTINUE
  end
  if not began then
    txn:set_var('txn.began', ms)
    began = ms
  end
  if hasServers and ms - began >= ${pauseMs} then return act.CONTINUE end
  act.wake_time(50)
  return act.YIELD
end)
core.register_action('frp-verdict', { 'http-res' }, function(txn, name)
  if txn.f:nbsrv(name) == 0 then
    txn:set_var('txn.nobody', true)
    return act.CONTINUE
  end
  local ms = milliseconds()
  local began = txn:get_var('txn.verdict')
  if not began then
    txn:set_var('txn.verdict', ms)
    began = ms
  end
  if ms - began > ${verdictMs} then return act.CONTINUE end
  act.wake_time(20)
  return act.YIELD
end, 1)
`;

const laterSocket = 'later.sock';
const againSocket = 'again.sock';

/** Of `svc-…`: a request whose service has no server waits before its first attempt. */
export const recoveryLines = ({ pool }: ServiceConfig, settings: UsersSettings): string[] => {
  const nobodyElse = others(settings).length === 0 ? '' : ` { nbsrv(${replicasBackend}) eq 0 }`;
  return [`use-server again if { nbsrv(${pool}) eq 0 }${nobodyElse} !${isHanded} !${isStopping}`];
};

/** Of `svc-…`: where further attempts go when no replica is up. @param protocol of its servers */
export const recoveryServer = ({ directory }: UsersSettings, protocol: string): string =>
  `server again unix@${directory}/${laterSocket} send-proxy-v2 backup${protocol}`;

/**
 * What is behind it. No more requests at a time than HAProxy has connections for beside those of users; others wait.
 * @param poolLines of a frontend before the servers, with these rules among its own @param longest that a request takes, milliseconds
 */
export const recoverySections = (
  poolLines: (rules: readonly string[]) => readonly string[],
  longest: number,
  settings: UsersSettings,
): string[][] => {
  const { directory } = settings;
  const frontend = (name: string, socket: string, lines: readonly string[]) => [
    `frontend ${name}`,
    ...['mode http', `bind ${directory}/${socket} mode 600 accept-proxy`, ...ownLimit, `timeout client ${longest}ms`, ...lines].map(
      (line) => `  ${line}`,
    ),
  ];
  const server = `unix@${directory}/${againSocket} send-proxy-v2`;
  return [
    frontend('frp-later', laterSocket, [
      oneRequest,
      `http-request set-header X-Frp-Until %[date(${patienceMs},ms)]`,
      'no log',
      'default_backend frp-later',
    ]),
    [
      'backend frp-later',
      ...[
        'mode http',
        `timeout server ${longest}ms`,
        'http-reuse never',
        `retries ${2 * Math.ceil(patienceMs / pauseMs)}`,
        'retry-on conn-failure empty-response 425',
        'use-server grpc if { req.hdr(content-type) -m beg application/grpc }',
        'use-server http if TRUE',
        `server http ${server}`,
        `server grpc ${server} proto h2`,
      ].map((line) => `  ${line}`),
    ],
    frontend('frp-again', againSocket, [
      ...requestLog(settings),
      ...poolLines([
        'http-request set-var(txn.again) bool(true)',
        'http-request set-var(txn.until) req.hdr(x-frp-until)',
        `http-request set-var(txn.final) bool(true) if ${isStopping}`,
        'http-request disable-l7-retry if { req.hdr(x-frp-tried) -m found }',
        `http-request lua.frp-recovery if !${isFinal}`,
      ]),
    ]),
  ];
};

/** Of `svc-…`, where nobody is known to have answered. @param condition of its answers after every attempt */
export const nobodyLines = ({ pool }: ServiceConfig, condition: string): string[] => [
  `http-response lua.frp-verdict ${pool} if ${condition}`,
  `http-response return status 503 content-type text/plain hdr Retry-After 1 string ${quote(noBackendText)} if { var(txn.nobody) -m bool }`,
];
