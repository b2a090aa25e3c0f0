/**
 * A request waits where its service has lost all of its servers a moment ago and no other replica can be reached: frps is
 * started again within a second, and its sidecars come back within a few. One whose service has had none for longer is
 * answered at once.
 *
 * When the tunnels end, what is in them is closed without an answer, as by a backend that fails; that its server is gone
 * is known a moment later. So a request that nobody has answered at any attempt waits for that moment, and gets 503 and
 * not 502 where the service has no server left.
 */
import { quote } from './escape.ts';
import { isHanded, isStopping, others, replicasBackend } from './other-replicas.ts';
import type { UsersSettings } from './rendered.ts';
import type { ServiceConfig } from './service-config.ts';

export const recoveryFile = 'recovery.lua';

/** What a user reads with 503. */
export const noBackendText = 'no backend of the service is available';

/** Milliseconds that a request waits, and seconds since the last server went in which it does. */
const patienceMs = 8000;
const recentSeconds = 10;
/** Milliseconds within which it is known that a tunnel has ended: on a machine that is very busy it took 700. */
const verdictMs = 2000;

/**
 * Lua 5.3, with HAProxy's API (lua.txt): the action `lua.frp-recovery BACKEND` goes on when the backend has a server,
 * `lua.frp-verdict BACKEND` when it has none, and then sets `txn.nobody`.
 */
export const recoveryLua = `-- written by frp-k8s: waits for the servers of a backend that has just lost all of them
local function milliseconds()
  local now = core.now()
  return now.sec * 1000 + now.usec // 1000
end
core.register_action('frp-recovery', { 'http-req' }, function(txn, name)
  local backend = core.backends[name]
  if not backend or txn.f:nbsrv(name) > 0 then return act.CONTINUE end
  local ms = milliseconds()
  local began = txn:get_var('txn.recovery')
  if not began then
    local stats = backend:get_stats()
    if stats.chkdown == 0 or stats.lastchg > ${recentSeconds} then return act.CONTINUE end
    txn:set_var('txn.recovery', ms)
    began = ms
  end
  if ms - began > ${patienceMs} then return act.CONTINUE end
  act.wake_time(50)
  return act.YIELD
end, 1)
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

/** Of `svc-…`. */
export const waitForServers = ({ pool }: ServiceConfig, settings: UsersSettings): string[] => {
  const nobodyElse = others(settings).length === 0 ? '' : ` { nbsrv(${replicasBackend}) eq 0 }`;
  return [`http-request lua.frp-recovery ${pool} if { nbsrv(${pool}) eq 0 }${nobodyElse} !${isHanded} !${isStopping}`];
};

/** Of `svc-…`, where nobody is known to have answered. @param condition of its answers after every attempt */
export const nobodyLines = ({ pool }: ServiceConfig, condition: string): string[] => [
  `http-response lua.frp-verdict ${pool} if ${condition}`,
  `http-response return status 503 content-type text/plain hdr Retry-After 1 string ${quote(noBackendText)} if { var(txn.nobody) -m bool }`,
];
