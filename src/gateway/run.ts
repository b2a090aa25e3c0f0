/** The `gateway` command: puts access, agent and HAProxy together, with the ports that manifests/gateway relies on. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Registry } from '@prometheus-io/client';
import type { Config } from '../config/schema.ts';
import { UserError } from '../errors.ts';
import { loadAccess } from '../kube/access.ts';
import { KubeClient } from '../kube/client.ts';
import { createLog } from '../log.ts';
import { everyAddress } from '../process/address.ts';
import { stopOnSignal } from '../process/shutdown.ts';
import { GatewayAgent } from './agent.ts';
import { ClusterSource } from './sources/cluster-source.ts';
import { configuredClusters } from './sources/configured-clusters.ts';
import { Sources } from './sources/sources.ts';
import { openProxies, type ProxiesOptions } from './proxies.ts';

/** frps.toml names the first and the last of these. */
const loopbackPort = 7400;
const logPort = 7514;
const frpsUrl = 'http://127.0.0.1:7500';
const frpsPort = 7001;
const operationsPort = 8081;
/** Of tunnels alone. */
const ownTunnelPort = 7000;
/** The supervisor ends an agent that has not written for five seconds. Milliseconds. */
const beatMs = 1000;
/** The kubelet ends the agent last, when there is nobody left to serve. Milliseconds. */
const drainMs = 1000;

/** @throws UserError without access to a cluster, and with the way to do without */
function connect(): KubeClient {
  try {
    return new KubeClient(loadAccess());
  } catch (error) {
    throw new UserError(`${(error as Error).message}; for a gateway on a machine without Kubernetes say: frp-k8s gateway up`, {
      cause: error,
    });
  }
}

/** Runs until a signal ends it. @throws UserError for what a person can mend */
export async function runGateway(
  config: Config,
  options: Pick<ProxiesOptions, 'directory' | 'pod' | 'haproxy' | 'memory' | 'openFiles'>,
): Promise<void> {
  const { pod, directory } = options;
  const sharedPort = sharedPortOf(config);
  const log = createLog(config.logLevel);
  const client = connect();
  const registry = new Registry();
  const proxies = await openProxies({ ...options, config, log, registry, logPort, sharedPort });
  const host = config.host ?? everyAddress();
  const ports = { loopback: loopbackPort, operations: operationsPort, status: config.gateway.apiPort };
  const known = join(directory, 'known');
  const sources = new Sources((events) => new ClusterSource({ client, config, log, directory: known, events }));
  for (const cluster of configuredClusters(config, log)) sources.add(cluster);
  const agent = new GatewayAgent({ sources, config, log, registry, proxies, pod, host, ports, frpsUrl, frpsPort, directory });
  await agent.start();
  const beat = setInterval(() => void writeFile(join(directory, 'agent.beat'), `${Date.now()}\n`).catch(() => {}), beatMs);
  log.info({ pod, server: client.access.server }, 'gateway agent started');
  const close = async () => {
    clearInterval(beat);
    await agent.close();
    client.close();
  };
  await stopOnSignal({ drain: () => agent.drain(), close }, drainMs, log);
}

/** @throws UserError where the port is taken by users */
export function sharedPortOf({ gateway }: Config): number | undefined {
  const { tunnelPort, httpPort, httpsPort } = gateway;
  if (tunnelPort === ownTunnelPort) return undefined;
  if (![httpPort, httpsPort].includes(tunnelPort)) return tunnelPort;
  throw new UserError(
    `gateway.tunnelPort ${tunnelPort} is a port of users (gateway.httpPort, gateway.httpsPort): name another one, such as 443, which takes users' https beside tunnels`,
  );
}
