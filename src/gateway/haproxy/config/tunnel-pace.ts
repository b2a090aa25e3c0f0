/**
 * What a client may ask of frps in a second. frps answers every ping with a goroutine of its own, opens every stream that it
 * is asked for, and answers some messages of the control connection in goroutines that wait until the client reads. So a few
 * megabytes of such frames take all its memory and time from everybody. HAProxy passes them on at these rates, and what is
 * beyond waits in the client's own connection; the table of sessions counts how often one had to wait.
 *
 * A client that says nothing has its tunnel ended: frpc hangs, or nothing of it arrives. The connection alone does not tell,
 * because the kernel acknowledges for a process that hangs.
 */
export const paceFile = 'pace.lua';

/**
 * By one tunnel: at once, and each second. A stream takes some 70 KB of frps, for ten seconds if no whole message comes in it.
 * frpc sends a ping every few seconds, opens a stream for each connection of a user, and says at once what it is for.
 */
const budgets = {
  pings: { burst: 50, perSecond: 10 },
  streams: { burst: 500, perSecond: 200 },
  /** streams while there are maxIdle that are no work connections */
  idle: { burst: 10, perSecond: 10 },
  /** frames that bring nothing, or next to it: two for each stream, and acknowledgements */
  small: { burst: 20_000, perSecond: 40_000 },
  /** bytes of streams that are no work connections: logins and control connections. A proxy that is opened takes some 500 */
  control: { burst: 131_072, perSecond: 65_536 },
};

/**
 * Milliseconds from one look to the next at whether a client has said anything, and looks without a word after which its tunnel
 * ends. frps asks each peer every second, and frpc speaks by itself every second, also while an upload keeps frps' questions
 * waiting. A look that comes late is one look: HAProxy itself may have been held up.
 */
const lookMs = 1200;
const silentLooks = 2;

/** Streams that are remembered of one tunnel; a sidecar has one for each connection of a user. */
const maxStreams = 65_536;
/** Of those, streams that are no work connections (yet). A sidecar has one, and for moments those whose first frame is on its way. */
const maxIdle = 256;
/** Of a message, bytes (frp pkg/msg). */
const maxMessage = 10_240;

const row = (of: 'burst' | 'perSecond') =>
  `{${Object.entries(budgets)
    .map(([name, budget]) => `${name} = ${budget[of]}`)
    .join(', ')}}`;

/**
 * Lua 5.3, with HAProxy's API (lua.txt): a filter of the client's bytes. A frame (yamux spec.md) begins with version, type,
 * flags, stream and length; only type 0 brings so many bytes after it. In frp's first protocol, which frpc speaks unless it is
 * told otherwise, a work connection begins with a frame that has its whole first message, `w` and length and text (frp pkg/msg);
 * every other stream is paced as a control connection.
 */
export const paceScript = `local bursts, rates = ${row('burst')}, ${row('perSecond')}
local new, control, work = 1, 2, 3
local function seconds()
  local now = core.now()
  return now.sec + now.usec / 1000000
end

local Pace = {id = "frp-pace", flags = 0}
Pace.__index = Pace

function Pace:new()
  local left, at = {}, {}
  for name, burst in pairs(bursts) do left[name], at[name] = burst, 0 end
  return setmetatable({head = "", payload = 0, isControl = false, left = left, at = at, streams = {}, known = 0, idle = 0, looked = seconds(), silent = 0}, Pace)
end

function Pace:start_analyze(txn, channel)
  if not channel:is_resp() then filter.register_data_filter(self, channel) end
end

-- How much of what is asked for may be, at least 1 or nothing.
function Pace:take(name, wanted)
  local left = self.left[name]
  if left < wanted then
    local at = seconds()
    left = math.min(bursts[name], left + (at - self.at[name]) * rates[name])
    self.at[name] = at
  end
  local taken = math.min(wanted, math.floor(left))
  self.left[name] = left - taken
  return taken
end

-- Where a stream stands, nil where it has ended: new until something is said in it.
function Pace:stream(id, state)
  local before = self.streams[id]
  if before == state then return end
  self.known = self.known + (state and 1 or 0) - (before and 1 or 0)
  self.idle = self.idle + ((state == new or state == control) and 1 or 0) - ((before == new or before == control) and 1 or 0)
  self.streams[id] = state
  if self.known > ${maxStreams} then self.streams, self.known, self.idle = {}, 0, 0 end
end

-- What a stream is by its first frame, which begins after so many bytes; nil until enough of it is there.
local function whatFor(channel, at, size, length)
  if length < 9 then return control end
  if size - at < 9 then return nil end
  local what, bytes = string.unpack(">c1i8", channel:data(at, 9))
  return what == "w" and bytes >= 0 and bytes <= ${maxMessage} and length >= 9 + bytes and work or control
end

local function wait(txn, passed)
  txn.f:sc0_inc_gpc0()
  filter.wake_time(20)
  return passed
end

function Pace:budget(kind, isSyn, length)
  if isSyn then return kind == 2 and "pings" or self.idle < ${maxIdle} and "streams" or "idle" end
  if kind ~= 0 or length < 64 then return "small" end
end

-- Called with nothing too: when it is time to look, and whenever something has been passed on.
function Pace:isSilent(size)
  local now = seconds()
  if size > 0 then
    self.looked, self.silent = now, 0
  elseif now - self.looked >= ${(lookMs - 100) / 1000} then
    self.looked, self.silent = now, self.silent + 1
  end
  return self.silent >= ${silentLooks}
end

function Pace:tcp_payload(txn, channel)
  local size = channel:input()
  if self:isSilent(size) then
    txn:done()
    return 0
  end
  filter.wake_time(${lookMs})
  local passed = 0
  while true do
    local bytes = math.min(self.payload, size - passed)
    if bytes > 0 then
      local taken = self.isControl and self:take("control", bytes) or bytes
      self.payload = self.payload - taken
      passed = passed + taken
      if taken < bytes then return wait(txn, passed) end
    end
    -- The header's beginning goes on as it comes: frps does nothing before it has the whole, and who waits for an end is told.
    local rest = 12 - #self.head
    if size - passed < rest then
      if size > passed then self.head = self.head .. channel:data(passed) end
      return size
    end
    local version, kind, flags, id, length = string.unpack(">BBxBI4I4", self.head .. channel:data(passed, rest))
    -- Of no version that there is: frps ends the connection, whatever follows.
    if version ~= 0 then return size end
    local isSyn = flags % 2 == 1
    local state = kind < 2 and (isSyn and new or self.streams[id]) or nil
    local brings = kind == 0 and length > 0
    if brings and state == new then
      state = whatFor(channel, passed + rest, size, length)
      if not state then return passed end
    end
    local name = self:budget(kind, isSyn, length)
    if name and self:take(name, 1) < 1 then return wait(txn, passed) end
    passed, self.head = passed + rest, ""
    -- With FIN or RST nothing follows from this side.
    if kind < 2 then self:stream(id, flags < 4 and state or nil) end
    if brings then self.payload, self.isControl = length, state ~= work end
  end
end

core.register_filter("frp-pace", Pace, function(pace) return pace end)
`;
