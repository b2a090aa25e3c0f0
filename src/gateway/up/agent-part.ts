/** The agent of a gateway outside any cluster: as in the Pod, with another home. Runs as a child of `gateway up`. */
import { closeSync, openSync, readFileSync, utimesSync } from 'node:fs';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { Registry } from '@prometheus-io/client';
import { managedSource } from '../../../certs/managed.ts';
import type { Material } from '../../../certs/inspect.ts';
import type { Config } from '../../config/schema.ts';
import { base64 } from '../../kube/authority-secret.ts';
import type { Secret } from '../../kube/types.ts';
import { createOutput, type Log } from '../../log.ts';
import { gatewayTlsSecretName } from '../../model/names.ts';
import { stopOnSignal } from '../../process/shutdown.ts';
import { GatewayAgent } from '../agent.ts';
import type { AgentOptions } from '../agent-options.ts';
import { fileHoldings } from '../claims/holdings-store.ts';
import { everyAddress, hasIpv6, ownUse } from '../haproxy/index.ts';
import { KeySource } from '../oidc/key-source.ts';
import { openProxies } from '../proxies.ts';
import { FileSource } from '../sources/file-source.ts';
import { Sources } from '../sources/sources.ts';
import { joinedClusters } from '../links/joined.ts';
import { FileLinkStore } from '../links/link-store.ts';
import { openLinks } from '../links/links.ts';
import { saidByAgent } from '../said-by-agent.ts';
import { openHome, revokedClients, type Home } from './home.ts';
import { beatFile, linksDirectory, ports, runDirectory, statusSocket } from './layout.ts';
import { isShared, namesOf, type UpOptions } from './settings.ts';

/** `gateway up` ends an agent that has not written for five seconds. Milliseconds. */
const beatMs = 1000;
/** In the form of a Pod's of the StatefulSet. */
const own = 'gateway-0';

export interface AgentPartOptions extends UpOptions {
  haproxy: string;
  /** of the socket that its status is told at */
  page?: AgentOptions['page'];
}

/** Runs until a signal ends it: SIGUSR2 takes users elsewhere first. @throws UserError for what a person can mend */
export async function runAgentPart(config: Config, options: AgentPartOptions): Promise<void> {
  const { log, write } = createOutput(config.logLevel);
  const home = await openHome(options.directory);
  const directory = runDirectory(options.directory);
  const registry = new Registry();
  const proxies = await openProxies({
    config,
    log,
    write,
    registry,
    directory,
    pod: own,
    logPort: ports.log,
    tunnel: {
      bind: everyAddress(isShared(config) ? ports.tunnel : config.gateway.tunnelPort, await hasIpv6()),
      health: undefined,
      link: `127.0.0.1:${ports.links}`,
    },
    sharedPort: isShared(config) ? config.gateway.httpsPort : undefined,
    users: { healthPort: undefined },
    haproxy: [options.haproxy],
    memory: { ...memoryShares(process.constrainedMemory(), totalmem()), use: (part) => ownUse(join(directory, part)) },
    openFiles: openFiles(),
  });
  const { sources, close: closeSources } = await homeSources(home, config, options, log);
  const store = new FileLinkStore(linksDirectory(options.directory));
  const agent = new GatewayAgent({
    sources,
    config,
    log,
    registry,
    proxies,
    holdings: fileHoldings(join(linksDirectory(options.directory), 'claims.json')),
    pod: own,
    replicas: [],
    host: '127.0.0.1',
    ports: { loopback: ports.loopback, operations: ports.operations, status: ports.status },
    frpsUrl: `http://127.0.0.1:${ports.frpsApi}`,
    frpsPort: ports.frps,
    directory,
    statusSocket: statusSocket(options.directory),
    joined: () => joinedClusters(store, Date.now()),
    ...(options.page && { page: options.page }),
  });
  const links = await openLinks({
    directory: linksDirectory(options.directory),
    store,
    authority: () => home.authority,
    addresses: config.gateway.addresses,
    sources,
    config,
    ...saidByAgent(agent, proxies),
    log,
  });
  await agent.start();
  await links.listen('127.0.0.1', ports.links);
  const beat = setInterval(() => touch(beatFile(options.directory)), beatMs);
  process.on('SIGUSR2', () => {
    agent.drain();
    proxies.endFallback();
  });
  log.info('gateway agent started');
  const close = async () => {
    clearInterval(beat);
    await links.close();
    closeSources();
    await agent.close();
  };
  await stopOnSignal({ drain: () => agent.drain(), close }, 0, log);
}

/** Only its time matters, which a full disk takes as well. */
function touch(path: string): void {
  const now = new Date();
  try {
    closeSync(openSync(path, 'a'));
    utimesSync(path, now, now);
  } catch {
    // It is the supervisor's to judge.
  }
}

/** Its certificate for the tunnels is renewed before it ends, and goes to the HAProxy that runs. */
async function homeSources(home: Home, config: Config, options: UpOptions, log: Log): Promise<{ sources: Sources; close: () => void }> {
  const keys = new KeySource({ load: () => Promise.resolve(home.keys), onFailure: () => {} });
  const { lifetime, renewBefore } = config.certificates;
  const certificate = await managedSource({
    authority: () => home.authority,
    request: { commonName: 'frp-gateway', ...namesOf(options.addresses, config), usages: ['serverAuth'] },
    lifetimeMs: lifetime,
    renewBeforeMs: renewBefore,
    onFailure: (message) => log.error(message),
  });
  let files: FileSource | undefined;
  const sources = new Sources(
    (events) =>
      (files = new FileSource({
        directory: options.services,
        config,
        log,
        events,
        tokens: { issuer: () => home.issuer, keys, trusts: () => true },
        api: home.api,
        revoked: () => revokedClients(options.directory),
      })),
  );
  files!.setServer(tunnelSecret(certificate.current()));
  certificate.onChange((material) => files!.setServer(tunnelSecret(material)));
  return {
    sources,
    close: () => {
      certificate.close();
      void keys.close();
    },
  };
}

const tunnelSecret = ({ certPem, keyPem, caPem = '' }: Material): Secret => ({
  metadata: { name: gatewayTlsSecretName },
  data: { 'tls.crt': base64(certPem), 'tls.key': base64(keyPem), 'ca.crt': base64(caPem) },
});

/**
 * Bytes that each HAProxy may use of what this gateway may: the rest is for frps, the agent and its checks, and the system.
 * @param constrained limit of the control group; 0: none. Where it is above the machine's memory there is none either
 */
export function memoryShares(constrained: number, machine: number): { users: number; tunnel: number } {
  const all = constrained > 0 ? Math.min(constrained, machine) : machine;
  return { users: Math.floor(all / 2), tunnel: Math.floor(all / 4) };
}

/** How many files one process may have open; HAProxy, started by the same supervisor, may have as many. */
function openFiles(): number | undefined {
  const limit = /^Max open files +\d+ +(\d{1,15}) /m.exec(readFileSync(join('/proc', 'self', 'limits'), 'utf8'))?.[1];
  return limit === undefined ? undefined : Number(limit);
}
