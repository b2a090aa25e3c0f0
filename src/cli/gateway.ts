/** `frp-k8s gateway`: the agent of the gateway's Pod. */
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../config/load.ts';
import { writtenUse } from '../gateway/haproxy/index.ts';
import { runGateway } from '../gateway/run.ts';
import { parseOptions } from './options.ts';

export const subcommands = {
  up: () => import('./gateway-up.ts'),
  token: () => import('./gateway-token.ts'),
  clusters: () => import('./gateway-clusters.ts'),
};

export const help = `frp-k8s gateway: decide who joins which service, and keep HAProxy so

usage: frp-k8s gateway [--config FILE] [--directory DIR] [--links DIR] [--haproxy COMMAND]
       frp-k8s gateway up --dir DIR --address NAME     a whole gateway on this machine: frp-k8s gateway up --help
       frp-k8s gateway token create --cluster NAME     let a cluster join it; of one on a machine with --dir DIR
       frp-k8s gateway clusters [remove NAME]          the clusters that have joined it; the same

It runs beside frps and two HAProxies in a Pod of StatefulSet frp-gateway (manifests/gateway). For frps it is the server
plugin (127.0.0.1:7400/plugin) and the issuer of service account tokens; for HAProxy it writes the configuration and
changes what can be changed while it runs. In the API server it writes Secrets of its own namespace alone: who has joined.

      --config FILE     configuration (YAML); every key: docs/reference/configuration.md
      --directory DIR   where HAProxy's files and sockets are: DIR/users and DIR/tunnel; default /run/frp-gateway.
                        HAProxy is started as: haproxy -W -db -S DIR/users/master.sock -f DIR/users/current/haproxy.cfg
      --links DIR       where what clusters that have joined want is kept, for a restart; default /var/lib/frp-gateway
      --haproxy COMMAND what configurations are checked with before HAProxy has them: the same program, with words that come
                        before its arguments; default haproxy

It uses the Pod's service account, else KUBECONFIG. Its name (POD_NAME, else the host name) ends in its ordinal in
gateway.addresses. HAPROXY_USERS_MEMORY and HAPROXY_TUNNEL_MEMORY say how many bytes each of them may use: what they may
hold of connections follows from it, and from how many files a container may open. DIR/users.memory and DIR/tunnel.memory say
what they use (their supervisors write it); above 75 % the oldest process from before a reload is ended. Port 8081 has /healthz, /startedz,
/readyz and /metrics; gateway.apiPort, by https and with user and password of Secret frp-server-api, /api/proxy/tcp.

example:
  POD_NAME=frp-gateway-0 frp-k8s gateway --config config.yaml
`;

export async function run(args: string[]): Promise<number> {
  const options = parseOptions('gateway', args, {
    config: { type: 'string' },
    directory: { type: 'string' },
    links: { type: 'string' },
    haproxy: { type: 'string' },
  });
  const config = loadConfig(options.config, process.env);
  const directory = options.directory ?? '/run/frp-gateway';
  await runGateway(config, {
    directory,
    links: options.links ?? '/var/lib/frp-gateway',
    pod: process.env.POD_NAME || hostname(),
    haproxy: options.haproxy?.split(' ').filter((word) => word !== ''),
    memory: {
      users: bytes(process.env.HAPROXY_USERS_MEMORY),
      tunnel: bytes(process.env.HAPROXY_TUNNEL_MEMORY),
      use: (part) => writtenUse(join(directory, `${part}.memory`)),
    },
    openFiles: openFiles(),
  });
  return 0;
}

const bytes = (text: string | undefined): number | undefined =>
  text !== undefined && /^[1-9][0-9]{0,17}$/.test(text) ? Number(text) : undefined;

/** How many files a process of this container may have open at most; the container runtime gives those of HAProxy the same. */
function openFiles(): number | undefined {
  try {
    const limit = /^Max open files +\d+ +(\d{1,15}) /m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    return limit === undefined ? undefined : Number(limit);
  } catch {
    return undefined; // Only Linux has it.
  }
}
