/**
 * A request waits where its service has lost all of its servers a moment ago and no other replica can be reached: frps is
 * started again within a second, and its sidecars come back within a few. One whose service has had none for longer is
 * answered at once.
 */
import { isHanded, isStopping, others, replicasBackend } from './other-replicas.ts';
import type { UsersSettings } from './rendered.ts';
import type { ServiceConfig } from './service-config.ts';

export const recoveryFile = 'recovery.lua';

/** Milliseconds that a request waits, and seconds since the last server went in which it does. */
const patienceMs = 8000;
const recentSeconds = 10;

/** Lua 5.3, with HAProxy's API (lua.txt): the action `lua.frp-recovery BACKEND` goes on when the backend has a server. */
export const recoveryLua = `-- written by frp-k8s: waits for the servers of a backend that has just lost all of them
core.register_action('frp-recovery', { 'http-req' }, function(txn, name)
  local backend = core.backends[name]
  if not backend or txn.f:nbsrv(name) > 0 then return act.CONTINUE end
  local now = core.now()
  local ms = now.sec * 1000 + now.usec // 1000
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
`;

/** Of `svc-…`. */
export const waitForServers = ({ pool }: ServiceConfig, settings: UsersSettings): string[] => {
  const nobodyElse = others(settings).length === 0 ? '' : ` { nbsrv(${replicasBackend}) eq 0 }`;
  return [`http-request lua.frp-recovery ${pool} if { nbsrv(${pool}) eq 0 }${nobodyElse} !${isHanded} !${isStopping}`];
};
