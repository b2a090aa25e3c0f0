/** Where the parts of a gateway outside any cluster are: files in its directory, ports on its machine. */
import { join } from 'node:path';

export const parts = ['agent', 'tunnel', 'frps', 'users'] as const;
export type PartName = (typeof parts)[number];

/** All but the first are on loopback. As in the Pod of a cluster (manifests/gateway). */
export const ports = {
  tunnel: 7000,
  frps: 7001,
  loopback: 7400,
  frpsApi: 7500,
  log: 7514,
  operations: 8081,
  peers: 10_000,
  status: 10_004,
  links: 10_005,
};

/** Marks every process of a directory's gateway, whoever its parent is by now. */
export const markers = { directory: 'FRPK8S_UP_DIRECTORY', part: 'FRPK8S_UP_PART' } as const;

export const runDirectory = (directory: string): string => join(directory, 'run');
export const logFile = (directory: string, part: PartName): string => join(directory, 'log', `${part}.log`);
export const frpsFile = (directory: string): string => join(directory, 'run', 'frps.toml');
export const configFile = (directory: string): string => join(directory, 'run', 'config.json');
/** Until then the HAProxies have nothing to start with. */
export const haproxyFile = (directory: string, part: 'users' | 'tunnel'): string => join(directory, 'run', part, 'current', 'haproxy.cfg');
/** Clusters that have joined, tokens, and the last intent of each cluster (gateway/links). */
export const linksDirectory = (directory: string): string => join(directory, 'links');
/** JSON: a list of HOST:PORT that clients dial, the first one first. */
export const addressesFile = (directory: string): string => join(directory, 'addresses.json');
export const restartFile = (directory: string, part: PartName): string => join(directory, 'run', `${part}.restart`);
export const beatFile = (directory: string): string => join(directory, 'run', 'agent.beat');

/** Where the agent tells what it knows of services (frp-k8s status, explain). */
export const statusSocket = (directory: string): string => join(directory, 'run', 'status.sock');

/** HAProxy, as supervise.sh starts it in the Pod. */
export const haproxyArguments = (directory: string, part: 'users' | 'tunnel'): string[] => [
  '-W',
  '-db',
  '-S',
  join(directory, 'run', part, 'master.sock'),
  '-f',
  haproxyFile(directory, part),
];

/** As manifests/gateway/frps.toml has it. */
export const frpsConfig = (audience: string): string => `bindAddr = "127.0.0.1"
bindPort = ${ports.frps}
proxyBindAddr = "127.0.0.1"
userConnTimeout = 3
auth.method = "oidc"
auth.oidc.issuer = "http://127.0.0.1:${ports.loopback}"
auth.oidc.audience = ${JSON.stringify(audience)}
auth.oidc.skipIssuerCheck = true
[[httpPlugins]]
name = "agent"
addr = "http://127.0.0.1:${ports.loopback}"
path = "/plugin"
ops = ["Login", "NewProxy", "CloseProxy"]
[[allowPorts]]
start = 10000
end = 32000
[transport]
maxPoolCount = 100
tcpMuxKeepaliveInterval = 1
[webServer]
addr = "127.0.0.1"
port = ${ports.frpsApi}
[log]
to = "console"
level = "warn"
disablePrintColor = true
`;
