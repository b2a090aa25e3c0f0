/** The two HAProxies of the gateway's Pod, as the agent uses them. */
import { BlockList, isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import type { Registry } from '@prometheus-io/client';
import type { Config } from '../config/schema.ts';
import type { Log } from '../log.ts';
import { withBreaks } from './breaks.ts';
import { FallbackListener } from './replicas/fallback-listener.ts';
import {
  checkWith,
  fallbackSocket,
  endpoint,
  everyAddress,
  hasIpv6,
  ipOf,
  maxConnections,
  Memory,
  renderingUsers,
  standInSocket,
  TunnelProxy,
  unusablePorts,
  UsersProxy,
  type TunnelSettings,
  workerSocket,
  type Applied,
  type MeasureMemory,
  type Peer,
  type Refusal,
  type ServerStats,
  type UsersSettings,
} from './haproxy/index.ts';
import { haproxyProbe } from './liveness/probes.ts';
import type { Look } from './liveness/watchdog.ts';
import type { Tunnels } from './liveness/frps-memory.ts';
import type { CountedTunnels } from './admission/without-login.ts';
import type { View } from './ir/ir.ts';
import { gatewayNames } from '../model/gateway.ts';
import { splitPartKey } from '../model/pools.ts';
import { shared } from './waiting.ts';
import { ProxyMetrics } from './telemetry/proxy-metrics.ts';
import { openTraffic } from './telemetry/traffic.ts';
import { OtherReplicas } from './replicas/other-replicas.ts';
import { peersPort } from './replicas/peers.ts';
import type { TrafficReader } from './api/inspection.ts';
import type { TunnelMaterial } from './ir/tunnel-trust.ts';
import type { SparedTunnels } from './members/spared-tunnels.ts';

/** Where the kubelet asks each of them (manifests/gateway/statefulset.yaml). */
const healthPort = 10_002;
const tunnelHealthPort = 10_003;

/** HAProxy's numbers are as of now for so long. Milliseconds. */
const statesMs = 900;

export interface ProxiesOptions {
  config: Config;
  log: Log;
  registry: Registry;
  /** absolute; the users' HAProxy has `users` below it, the tunnels' `tunnel` */
  directory: string;
  /** name of the Pod */
  pod: string;
  /** UDP port on loopback for HAProxy's log; 0: any */
  logPort: number;
  /** takes lines of the access log. @returns false where it has no room for them */
  write: (lines: string) => boolean;
  tunnel?: Partial<Pick<TunnelSettings, 'bind' | 'server' | 'health' | 'link'>>;
  /** port of tunnels and users together; the https port of users itself, or another one beside it. Absent: there is none */
  sharedPort?: number | undefined;
  /** default: the addresses of this Pod */
  users?: Pick<UsersSettings, 'addresses' | 'failoverPort' | 'healthPort'>;
  /** where the replicas tell each other of sessions; default 10000 */
  peersPort?: number;
  /** the HAProxy that configurations are checked with, which is the one that runs them, and words before its arguments; default `haproxy` */
  haproxy?: readonly string[] | undefined;
  /** what each HAProxy may use */
  memory: MemoryLimits;
  /** that a process of HAProxy may have at most; absent: not known */
  openFiles?: number | undefined;
}

export interface MemoryLimits {
  /** bytes; undefined: no limit is known */
  users: number | undefined;
  tunnel: number | undefined;
  /** what one of them uses */
  use: (part: 'users' | 'tunnel') => MeasureMemory;
}

export interface Proxies {
  applyUsers: (view: View, peers: readonly Peer[], own: Pick<UsersSettings, 'replicaTls' | 'state'>) => Promise<Applied>;
  /** @param spared tunnels that stay though the certificate of a deleted service of their namespace opened them */
  applyTunnel: (material: TunnelMaterial, spared: SparedTunnels) => Promise<Applied>;
  /** ends tunnels, by the address from which HAProxy has each connected to frps; why is for the log */
  endTunnels: (addresses: readonly string[], why: string) => Promise<void>;
  /** that there may be at a time; undefined: no limit is known */
  maxTunnels: number | undefined;
  /** whether users' requests may be sent to this port of loopback: it must not be another service's then */
  reaches: (port: number) => boolean;
  verdicts: () => Promise<readonly ServerStats[]>;
  /** what users ask of late */
  traffic: TrafficReader;
  /** services that are left out, because HAProxy refuses their configuration or it cannot be rendered */
  refusals: () => readonly Refusal[];
  /** to be told when a HAProxy is another process than it was: what was applied is to be applied again */
  subscribe: (changed: { users: () => void; tunnel: () => void }) => void;
  /** whether one of them answers. @throws where not within so many milliseconds */
  probe: (part: 'users' | 'tunnel', limitMs: number) => Promise<Look>;
  /** sends elsewhere what has waited so many seconds for an answer. @returns how many requests */
  endWaiting: (seconds: number) => Promise<number>;
  /** from now on nobody takes users' connections while HAProxy does not */
  endFallback: () => void;
  tunnels: Tunnels & CountedTunnels;
  close: () => Promise<void>;
}

export async function openProxies(options: ProxiesOptions): Promise<Proxies> {
  const { config, log, directory, pod, registry } = options;
  const families = { hasIpv6: await hasIpv6() };
  const own = ownAddresses();
  const check = checkWith(options.haproxy);
  const { httpPort, httpsPort, trustedProxies, proxyProtocol } = config.gateway;
  const { sharedPort } = options;
  const standIn = standInSocket(join(directory, 'users'), httpsPort);
  const isBrought = sharedPort === httpsPort;
  const memoryOf = (part: 'users' | 'tunnel') => {
    const limit = options.memory[part];
    return limit === undefined ? undefined : { limit, used: options.memory.use(part) };
  };
  let changed = { users: () => {}, tunnel: () => {} };
  const users = new UsersProxy({
    directory: join(directory, 'users'),
    check,
    memory: memoryOf('users'),
    unusable: (ports) => unusablePorts(ports, options.users?.addresses ?? own),
    changed: () => changed.users(),
    log,
  });
  await users.look();
  // Then a tunnel is a connection at the entrance and another behind it.
  const isDivided = sharedPort !== undefined || options.tunnel?.link !== undefined;
  const maxTunnels =
    options.memory.tunnel === undefined ? undefined : maxConnections(options.memory.tunnel, 0, isDivided ? 2 : 1, options.openFiles);
  const tunnel = new TunnelProxy({
    directory: join(directory, 'tunnel'),
    check,
    memory: memoryOf('tunnel'),
    changed: () => changed.tunnel(),
    log,
    maxConnections: maxTunnels,
    ...families,
    health: everyAddress(tunnelHealthPort, families.hasIpv6),
    shared:
      sharedPort === undefined
        ? undefined
        : {
            bind: everyAddress(sharedPort, families.hasIpv6),
            names: gatewayNames(config),
            users: fallbackSocket(join(directory, 'users'), httpsPort),
            standIn,
            proxies: proxyProtocol ? trustedProxies : [],
          },
    ...options.tunnel,
  });
  let fallbacks = 0;
  let failed: ReadonlyMap<string, string> = new Map();
  const refusals = (): Refusal[] => [...[...failed].map(([service, message]) => ({ service, message })), ...users.refusals].map(ofWhole);
  const stats = shared(() => users.stats(), statesMs);
  const traffic = await openTraffic({ ...options, replica: pod, stats });
  new ProxyMetrics(registry, {
    reloads: () => users.reloads,
    oldProcesses: () => users.old.count,
    ended: () => ({ users: users.old.ended, tunnel: tunnel.old.ended }),
    refused: () => refusals().length,
    fallbacks: () => fallbacks,
  });
  const replicas = new OtherReplicas(own.filter(isReachable), options.users?.failoverPort);
  const fallback = new FallbackListener({
    socketOf: (port) => fallbackSocket(join(directory, 'users'), port),
    replicas,
    proxies: networks(proxyProtocol ? trustedProxies : []),
    shared: sharedPort === undefined ? undefined : { port: httpsPort, path: standIn, isBrought },
    ...families,
    onFallback: () => fallbacks++,
    log,
  });
  const memory = new Memory();
  let told = new Set<string>();
  const tell = (problems: readonly string[]) => {
    for (const problem of problems) if (!told.has(problem)) log.warn(problem);
    told = new Set(problems);
  };
  return {
    applyUsers: async (view, peers, ofReplica) => {
      replicas.follow(
        peers.filter(({ name }) => name !== pod).map(({ address }) => ipOf(address)),
        ofReplica.replicaTls,
      );
      const current: UsersSettings = {
        ...families,
        addresses: own,
        healthPort,
        ...options.users,
        ...ofReplica,
        directory: join(directory, 'users'),
        httpPort,
        httpsPort,
        isHttpsBrought: isBrought,
        trustedProxies,
        proxyProtocol,
        peers: withOwn(peers, { name: pod, ip: own.find(isReachable), port: options.peersPort ?? peersPort }),
        localPeer: pod,
        ...traffic.settings,
      };
      const { users: limit } = options.memory;
      let problems: readonly string[] = [];
      const render = async (part: View) => {
        const most = limit === undefined ? undefined : maxConnections(limit, part.services.length, 2, options.openFiles);
        const rendered = await withBreaks(renderingUsers(part, { ...current, maxConnections: most }, memory));
        ({ problems, failed } = rendered);
        return rendered;
      };
      traffic.setView(view);
      try {
        return await users.apply({ view, render });
      } finally {
        tell([...problems, ...refusals().map(({ service, message }) => `${service} is not served: ${message}`)]);
        // Only where HAProxy listens: who comes to another port is refused, as without us.
        fallback.listen(users.ports);
      }
    },
    applyTunnel: (material, spared) => tunnel.apply(material, (hash) => spared.get(material.deletedIn.get(hash) ?? '') ?? new Set()),
    endTunnels: (addresses, why) => tunnel.end(addresses, why),
    maxTunnels,
    reaches: (port) => users.reaches(port),
    verdicts: async () => (await stats()).servers,
    traffic: traffic.reader,
    refusals,
    subscribe: (told) => (changed = told),
    probe: (part, limitMs) => haproxyProbe(join(directory, part, workerSocket))(limitMs),
    endWaiting: (seconds) => users.endWaiting(seconds),
    endFallback: () => fallback.close(),
    tunnels: tunnel,
    close: async () => {
      fallback.close();
      await Promise.all([users.close(), tunnel.close(), traffic.close()]);
    },
  };
}

/** Every address of this Pod: those of its interfaces, but for those that need a zone. */
const ownAddresses = (): string[] =>
  Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .map(({ address }) => address)
    .filter((address) => !/^fe80:/i.test(address));

const isReachable = (address: string): boolean => !/^127\.|^::1$/.test(address);

/** HAProxy listens for its peers at its own entry, so that must be an address of this Pod, whatever DNS says. */
function withOwn(peers: readonly Peer[], { name: own, ip, port }: { name: string; ip: string | undefined; port: number }): Peer[] {
  const others = peers.filter(({ name }) => name !== own);
  if (ip === undefined) return others;
  return [...others, { name: own, address: endpoint(ip, port) }].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** @param texts IP addresses and CIDRs; what is neither was refused when the configuration was read */
function networks(texts: readonly string[]): BlockList {
  const list = new BlockList();
  for (const text of texts) {
    const [address = '', bits] = text.split('/');
    const family = isIPv6(address) ? 'ipv6' : 'ipv4';
    list.addSubnet(address, bits === undefined ? (family === 'ipv6' ? 128 : 32) : Number(bits), family);
  }
  return list;
}

/** A service that has several pools is named, and the port of the one in the message. */
function ofWhole({ service: key, message }: Refusal): Refusal {
  const [service, port] = splitPartKey(key);
  return { service, message: port === undefined ? message : `port ${port}: ${message}` };
}
