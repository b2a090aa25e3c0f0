/** What the agent uses of HAProxy. */
export { backendName, backendOf, serverName, serviceId } from './names.ts';
export { caughtSocket } from './frontends.ts';
export { endpoint, hasIpv6, ipOf, sourceFor, unusablePorts } from './ports.ts';
export { renderUsers } from './users.ts';
export { renderTunnel, type TunnelSettings } from './tunnel.ts';
export { UsersProxy, type ServerStats } from './users-proxy.ts';
export { TunnelProxy, type TunnelState } from './tunnel-proxy.ts';
export type { Peer, Rendered, Server, UsersSettings } from './types.ts';
