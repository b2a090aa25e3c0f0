/** Who dials whom: the table of docs/guide/security.md, which the NetworkPolicies of manifests/network-policies let through. */
import { defaultConfig } from '../../src/config/schema.ts';

/** A part by the label `app` of its Pods, or somebody else. */
export type Who =
  | 'frp-webhook'
  | 'frp-controller'
  | 'frp-server'
  | 'frp-gateway'
  | 'injected Pods'
  | 'API server'
  | 'DNS'
  | 'metrics'
  | 'users'
  | 'issuers'
  | 'kubelet';

export interface Flow {
  from: Who;
  to: Who;
  port: number;
  /** the flow is of some ports from `port` up to this one */
  until?: number;
  protocol?: 'UDP';
  why: string;
}

const { port: reviews, metricsPort, frps, gateway } = defaultConfig;
/** of the gateway's agent, and of the replicas among each other (manifests/gateway/services.yaml) */
const [agent, peers, failover, usersHealth, tunnelHealth] = [8081, 10_000, 10_001, 10_002, 10_003];
/** as the Service of the API server has it, and as most API servers listen */
const apiServer = [443, 6443];
const toApiServer = (from: Who, why: string): Flow[] => apiServer.map((port) => ({ from, to: 'API server', port, why }));
const toDns = (from: Who, why: string): Flow[] => [
  { from, to: 'DNS', port: 53, protocol: 'UDP', why },
  { from, to: 'DNS', port: 53, why },
];

/** manifests/frps/frps.toml */
const plainApi = 7500;

export const flows: readonly Flow[] = [
  { from: 'API server', to: 'frp-webhook', port: reviews, why: 'reviews' },
  { from: 'metrics', to: 'frp-webhook', port: metricsPort, why: 'metrics' },
  { from: 'kubelet', to: 'frp-webhook', port: metricsPort, why: 'probes' },
  ...toApiServer('frp-webhook', 'services, namespaces, its own authority and the caBundle'),
  { from: 'metrics', to: 'frp-controller', port: metricsPort, why: 'metrics' },
  { from: 'kubelet', to: 'frp-controller', port: metricsPort, why: 'probes' },
  ...toApiServer('frp-controller', 'everything that it watches and writes'),
  ...toDns('frp-controller', 'names of servers, and of the backends of connectors'),
  { from: 'frp-controller', to: 'frp-server', port: frps.port, why: 'whether the address that sidecars dial is right' },
  { from: 'frp-controller', to: 'frp-server', port: plainApi, why: 'the health of backends' },
  {
    from: 'frp-controller',
    to: 'frp-gateway',
    port: gateway.tunnelPort,
    why: 'whether the addresses that sidecars dial are right; the link to a gateway elsewhere',
  },
  { from: 'frp-controller', to: 'frp-gateway', port: gateway.apiPort, why: 'the health of backends' },
  { from: 'injected Pods', to: 'frp-server', port: frps.port, why: 'tunnels' },
  { from: 'injected Pods', to: 'frp-gateway', port: gateway.tunnelPort, why: 'tunnels' },
  ...toDns('injected Pods', 'names of servers'),
  { from: 'users', to: 'frp-server', port: 8080, why: 'http' },
  { from: 'users', to: 'frp-server', port: 8443, why: 'https' },
  { from: 'users', to: 'frp-server', port: 1, until: 65_535, why: 'services with `expose.port`, tcp: every port but its own' },
  { from: 'users', to: 'frp-server', port: 1, until: 65_535, protocol: 'UDP', why: 'services with `expose.port`, udp' },
  { from: 'metrics', to: 'frp-server', port: plainApi, why: 'metrics, with the password of Secret `frp-server-api`' },
  { from: 'kubelet', to: 'frp-server', port: plainApi, why: 'probes' },
  { from: 'users', to: 'frp-gateway', port: gateway.httpPort, why: 'http' },
  { from: 'users', to: 'frp-gateway', port: gateway.httpsPort, why: 'https' },
  {
    from: 'users',
    to: 'frp-gateway',
    port: 1,
    until: 65_535,
    why: 'services with `expose.port` or `expose.clusterService`: every port but its own',
  },
  { from: 'frp-gateway', to: 'frp-gateway', port: peers, why: 'tables of limits and sessions, between replicas' },
  { from: 'frp-gateway', to: 'frp-gateway', port: failover, why: 'requests that a replica cannot serve itself' },
  { from: 'frp-gateway', to: 'frp-gateway', port: gateway.apiPort, why: 'what the other replica knows' },
  { from: 'metrics', to: 'frp-gateway', port: agent, why: 'metrics' },
  { from: 'kubelet', to: 'frp-gateway', port: agent, why: 'probes' },
  { from: 'kubelet', to: 'frp-gateway', port: usersHealth, why: 'probes' },
  { from: 'kubelet', to: 'frp-gateway', port: tunnelHealth, why: 'probes' },
  ...toApiServer('frp-gateway', 'services, Pods, and the Secrets of its own namespace'),
  ...toDns('frp-gateway', 'names of replicas and issuers'),
  { from: 'frp-gateway', to: 'issuers', port: 443, why: 'public keys of the issuers that services name' },
];
