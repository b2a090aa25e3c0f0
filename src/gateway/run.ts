/** The `gateway` command: puts access, agent and HAProxy together, with the ports that manifests/gateway relies on. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Registry } from '@prometheus-io/client';
import type { Config } from '../config/schema.ts';
import { UserError } from '../errors.ts';
import { loadAccess } from '../kube/access.ts';
import { KubeClient } from '../kube/client.ts';
import { text } from '../kube/authority-secret.ts';
import { createOutput, type Log } from '../log.ts';
import { everyAddress } from '../process/address.ts';
import { stopOnSignal } from '../process/shutdown.ts';
import { GatewayAgent } from './agent.ts';
import { kubeHoldings } from './claims/kube-holdings.ts';
import { ClusterSource } from './sources/cluster-source.ts';
import { Sources } from './sources/sources.ts';
import { saidByAgent } from './said-by-agent.ts';
import { KubeLinkStore } from './links/kube-link-store.ts';
import { kubeKeyOwners } from './links/key-owners-stores.ts';
import { followAuthority, openLinkHome } from './links/link-home.ts';
import { LinkSecrets } from './links/link-secrets.ts';
import { joinedClusters } from './links/joined.ts';
import { openLinks } from './links/links.ts';
import { openProxies, type Proxies, type ProxiesOptions } from './proxies.ts';

/** frps.toml names the first and the last of these. */
const loopbackPort = 7400;
const logPort = 7514;
const frpsUrl = 'http://127.0.0.1:7500';
const frpsPort = 7001;
const operationsPort = 8081;
/** Of links, on loopback: the tunnels' HAProxy hands them on. */
const linksPort = 10_005;
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
  options: Pick<ProxiesOptions, 'directory' | 'pod' | 'haproxy' | 'memory' | 'openFiles'> & {
    /** where what clusters that have joined want is kept; absolute */
    links: string;
  },
): Promise<void> {
  const { pod, directory } = options;
  const sharedPort = sharedPortOf(config);
  const { log, write } = createOutput(config.logLevel);
  const client = connect();
  const registry = new Registry();
  const tunnel = { link: `127.0.0.1:${linksPort}` };
  const proxies = await openProxies({ ...options, config, log, write, registry, logPort, sharedPort, tunnel });
  const host = config.host ?? everyAddress();
  const ports = { loopback: loopbackPort, operations: operationsPort, status: config.gateway.apiPort };
  const known = join(directory, 'known');
  const sources = new Sources((events) => new ClusterSource({ client, config, log, directory: known, events }));
  const secrets = new LinkSecrets({ client, namespace: config.gateway.namespace });
  const holdings = kubeHoldings(secrets);
  const store = new KubeLinkStore(secrets, pod);
  const joined = () => joinedClusters(store, Date.now());
  const agent = new GatewayAgent({
    sources,
    config,
    log,
    registry,
    proxies,
    holdings,
    pod,
    host,
    ports,
    frpsUrl,
    frpsPort,
    directory,
    joined,
  });
  // Before the agent renders anything: clusters that had joined are served from the beginning.
  const links = await startLinks({ secrets, store, config, log, sources, agent, proxies, directory: options.links });
  await agent.start();
  const beat = setInterval(() => void writeFile(join(directory, 'agent.beat'), `${Date.now()}\n`).catch(() => {}), beatMs);
  log.info({ pod, server: client.access.server }, 'gateway agent started');
  const close = async () => {
    clearInterval(beat);
    await links.close();
    await agent.close();
    client.close();
  };
  await stopOnSignal({ drain: () => agent.drain(), close }, drainMs, log);
}

interface LinksOfReplica {
  secrets: LinkSecrets;
  store: KubeLinkStore;
  config: Config;
  log: Log;
  sources: Sources;
  agent: GatewayAgent;
  proxies: Proxies;
  directory: string;
}

/** Takes joins and links of clusters. */
async function startLinks({ secrets, store, config, log, sources, agent, proxies, directory }: LinksOfReplica) {
  await secrets.follow(join(directory, 'secrets.jsonl'), log);
  const home = await openLinkHome(secrets, { config, log });
  if (!home) return secrets;
  const links = await openLinks({
    authority: followAuthority(secrets, home.authority, log),
    addresses: home.addresses,
    directory,
    store,
    owners: kubeKeyOwners(secrets),
    isReplicated: true,
    authoritiesPem: () => (sources.home.server ? text(sources.home.server, 'ca.crt') : ''),
    sources,
    config,
    ...saidByAgent(agent, proxies),
    log,
  });
  await links.listen('127.0.0.1', linksPort);
  return {
    close: async () => {
      await links.close();
      await secrets.close();
    },
  };
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
