/** `frp-k8s gateway`: the agent of the gateway's Pod. */
import { hostname } from 'node:os';
import { loadConfig } from '../config/load.ts';
import { runGateway } from '../gateway/run.ts';
import { parseOptions } from './options.ts';

export const help = `frp-k8s gateway: decide who joins which service, and keep HAProxy so

usage: frp-k8s gateway [--config FILE] [--directory DIR]

It runs beside frps and two HAProxies in a Pod of StatefulSet frp-gateway (manifests/gateway). For frps it is the server
plugin (127.0.0.1:7400/plugin) and the issuer of service account tokens; for HAProxy it writes the configuration and
changes what can be changed while it runs. It writes nothing to the API server.

      --config FILE     configuration (YAML); every key: docs/reference/configuration.md
      --directory DIR   where HAProxy's files and sockets are: DIR/users and DIR/tunnel; default /run/frp-gateway

It uses the Pod's service account, else KUBECONFIG. Its name (POD_NAME, else the host name) ends in its ordinal in
gateway.addresses. Port 8081 has /healthz, /startedz, /readyz and /metrics; gateway.apiPort, by https and with user and
password of Secret frp-server-api, /api/proxy/tcp.

example:
  POD_NAME=frp-gateway-0 frp-k8s gateway --config config.yaml
`;

export async function run(args: string[]): Promise<number> {
  const options = parseOptions('gateway', args, { config: { type: 'string' }, directory: { type: 'string' } });
  const config = loadConfig(options.config, process.env);
  await runGateway(config, { directory: options.directory ?? '/run/frp-gateway', pod: process.env.POD_NAME || hostname() });
  return 0;
}
