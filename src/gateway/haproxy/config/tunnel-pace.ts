/**
 * What a client's multiplexer may ask of frps in a second. frps answers every ping with a goroutine of its own and opens
 * every stream that it is asked for, so a few megabytes of such frames take all its memory and time from everybody. HAProxy
 * passes frames on at these rates, and what is beyond waits in the client's own connection.
 */
export const paceFile = 'pace.lua';

/** By one tunnel: at once, and each second. A stream takes some 70 KB of frps, for ten seconds if nothing is said in it. frpc sends a ping every few seconds, and opens a stream for each connection of a user. */
const rates = {
  pings: { burst: 50, perSecond: 10 },
  streams: { burst: 500, perSecond: 200 },
  /** frames that bring nothing, or next to it: two for each stream, and acknowledgements */
  small: { burst: 20_000, perSecond: 40_000 },
};

const row = ({ burst, perSecond }: { burst: number; perSecond: number }) => `{burst = ${burst}, rate = ${perSecond}}`;

/**
 * Lua 5.3, with HAProxy's API (lua.txt): a filter of the client's bytes. A frame (yamux spec.md) begins with version, type,
 * flags, stream and length; only type 0 brings so many bytes after it.
 */
export const paceScript = `local rates = {pings = ${row(rates.pings)}, streams = ${row(rates.streams)}, small = ${row(rates.small)}}
local Pace = {id = "frp-pace", flags = 0}
Pace.__index = Pace

function Pace:new()
  return setmetatable({payload = 0, at = 0, left = {pings = rates.pings.burst, streams = rates.streams.burst, small = rates.small.burst}}, Pace)
end

function Pace:start_analyze(txn, channel)
  if not channel:is_resp() then filter.register_data_filter(self, channel) end
end

function Pace:refill()
  local now = core.now()
  local at = now.sec + now.usec / 1000000
  for name, rate in pairs(rates) do
    self.left[name] = math.min(rate.burst, self.left[name] + (at - self.at) * rate.rate)
  end
  self.at = at
end

local function budget(kind, flags, length)
  if flags % 2 == 1 then return kind == 2 and "pings" or "streams" end
  if kind ~= 0 or length < 64 then return "small" end
end

function Pace:tcp_payload(txn, channel)
  local size = channel:input()
  local passed = 0
  self:refill()
  while true do
    local bytes = math.min(self.payload, size - passed)
    self.payload = self.payload - bytes
    passed = passed + bytes
    if passed == size then return passed end
    -- Of no version that there is: frps ends the connection, whatever follows.
    if channel:data(passed, 1) ~= "\\0" then return size end
    if size - passed < 12 then return passed end
    local _, kind, flags, _, length = string.unpack(">BBI2I4I4", channel:data(passed, 12))
    local name = budget(kind, flags, length)
    if name then
      if self.left[name] < 1 then
        filter.wake_time(20)
        return passed
      end
      self.left[name] = self.left[name] - 1
    end
    passed = passed + 12
    if kind == 0 then self.payload = length end
  end
end

core.register_filter("frp-pace", Pace, function(pace) return pace end)
`;
