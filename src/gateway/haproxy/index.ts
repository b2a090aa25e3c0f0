/** What the agent uses of HAProxy. */
export { backendName, backendOf, serviceId } from './config/names.ts';
export { serverName } from '../ir/server-name.ts';
export { failoverPort, fallbackSocket, streamId, streamsProtocol } from './config/handover.ts';
export { standInSocket } from './config/shared-port.ts';
export { endpoint, everyAddress, hasIpv6, ipOf, sourceFor, unusablePorts } from './config/addresses.ts';
export { renderingUsers, renderUsers, type Rendering } from './config/users-config.ts';
export { Memory } from './config/memory.ts';
export { maxTunnels, renderTunnel, type TunnelSettings } from './config/tunnel-config.ts';
export { maxConnections } from './config/capacity.ts';
export type { Refusal } from './runtime/acceptance.ts';
export { checkWith } from './runtime/check.ts';
export { ownUse, writtenUse, type MeasureMemory } from './runtime/memory-use.ts';
export { codeClasses } from './runtime/stats.ts';
export { UsersProxy, type Applied, type ServerStats, type Stats } from './runtime/users-proxy.ts';
export { TunnelProxy, type TunnelState } from './runtime/tunnel-proxy.ts';
export { workerSocket } from './config/global.ts';
export type { Peer, Rendered, ReplicaState, Server, UsersSettings } from './config/rendered.ts';
