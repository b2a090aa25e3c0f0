/**
 * What HAProxy remembers of users (stick tables), over a reload. The old process sends them to the new one, as a peer, within
 * milliseconds of its start; two things are left to do.
 *
 * A process that has not yet finished its own first peer sync sends none (2.6.12, peers.c `process_peer_sync`: it
 * leaves its tables to nobody). With no replica to sync with, that is so for the first 5 s of its life, after a reload
 * that got no tables for 10 s. So a reload waits for it, where there is something to lose.
 *
 * And the new process serves before the sync is complete. So a user whose place or count is in a table waits in it.
 */

export const tablesFile = 'tables.lua';

/** Milliseconds that the new process waits for a peer that begins to sync, and for the sync to end. */
const patience = { start: 500, end: 2000 };

/**
 * Lua 5.3, with HAProxy's API (lua.txt): the action `lua.frp-tables` goes on when the tables hold what they will.
 * @param socket of the runtime API
 */
export const tablesLua = (socket: string) => `-- written by frp-k8s: waits for what the process before, or another replica, knows of users
local isKnown = false

-- nil while the process before still has the socket
local function progress()
  local socket = core.tcp()
  socket:settimeout(1)
  local said
  if socket:connect(${JSON.stringify(`unix@${socket}`)}) and socket:send('show info;show peers\\n') then
    said = socket:receive('*a')
  end
  socket:close()
  if not said or tonumber(said:match('\\nPid: (%d+)')) ~= core.get_info().Pid then return nil end
  return tonumber(said:match('flags=0x(%x+)') or '3', 16)
end

core.register_task(function()
  local start = core.now()
  while not isKnown do
    local isSaid, flags = pcall(progress)
    if not isSaid then flags = nil end
    local now = core.now()
    local waited = (now.sec - start.sec) * 1000 + (now.usec - start.usec) / 1000
    if flags then
      -- peers.c: 1 and 2, nothing more to come from the process before and from replicas; 4, a peer has been found
      isKnown = flags & 3 == 3 or waited > (flags & 4 == 4 and ${patience.end} or ${patience.start})
    else
      isKnown = waited > ${patience.end}
    end
    core.msleep(5)
  end
end)

core.register_action('frp-tables', { 'tcp-req', 'http-req' }, function(txn)
  if not isKnown then
    -- not core.msleep: its end can be missed in tcp-request rules (2.6.12, hlua_ctx_resume sets the clock)
    act.wake_time(5)
    return act.YIELD
  end
  txn:set_var('proc.frp_tables', true)
  -- said, because 2.6.12 takes the answer before for one that is not
  return act.CONTINUE
end)
`;

const gate = 'lua.frp-tables if !{ var(proc.frp_tables) -m bool }';

/** Rules of a backend that a user waits at until the tables are known. */
export const waitForTables = (mode: 'http' | 'tcp'): string[] =>
  mode === 'http' ? [`http-request ${gate}`] : [`tcp-request inspect-delay ${patience.end}ms`, `tcp-request content ${gate}`];
