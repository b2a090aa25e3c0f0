/**
 * The tcp check. frps accepts a connection before anybody has looked at the app, so that an accepted connection proves
 * nothing: when frpc cannot reach the app it is closed at once. HAProxy's own checks cannot wait for that; this service
 * of HAProxy does: GET /PORT answers 200 if a connection to that port stays open for `patienceSeconds` or brings data.
 */
import { ownLimit } from './user-connections.ts';

/** One round trip of a tunnel, and the app's answer to a connection. */
const patienceSeconds = 0.5;

export const probeFile = 'probe.lua';

/** Lua 5.3, with HAProxy's API (lua.txt, "Socket class"). */
export const probeLua = `-- written by frp-k8s: whether the app behind a port of frps takes connections
core.register_service('frp-probe', 'http', function(applet)
  local port = tonumber(string.match(applet.path, '^/(%d+)$'))
  local isUp = false
  if port then
    local socket = core.tcp()
    socket:settimeout(${patienceSeconds})
    if socket:connect('127.0.0.1', port) then
      local start = core.now()
      local data = socket:receive(1)
      local now = core.now()
      -- HAProxy says "connection closed" of its own time limit too
      isUp = data ~= nil or (now.sec - start.sec) * 1000 + (now.usec - start.usec) / 1000 >= ${patienceSeconds * 900}
    end
    socket:close()
  end
  applet:set_status(isUp and 200 or 503)
  applet:add_header('content-length', '0')
  applet:start_response()
end)
`;

/** The frontend that serves it. */
export const probeSection = (directory: string): string[] => [
  'frontend frp-probe',
  '  mode http',
  `  bind ${directory}/${probeSocket} mode 600`,
  ...ownLimit.map((line) => `  ${line}`),
  '  timeout client 10s',
  '  http-request use-service lua.frp-probe',
];

/** Lines of the map from server to port. */
export const portsMapLines = (servers: Iterable<{ name: string; port: number }>): string =>
  [...servers].map(({ name, port }) => `${name} ${port}\n`).join('');

/** Address of the prober (the prober below) below the directory. */
export const probeSocket = 'probe.sock';

/** Where it learns the port of a server. */
export const portsMap = 'maps/ports.map';
