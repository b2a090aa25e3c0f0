/** The two HAProxies of the gateway's Pod, as the agent uses them. */
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import type { Registry } from '@prometheus-io/client';
import type { Config } from '../config/schema.ts';
import type { Log } from '../log.ts';
import { hasIpv6, renderUsers, TunnelProxy, UsersProxy, type Peer, type UsersSettings } from './haproxy/index.ts';
import type { View } from './model.ts';
import { receiveLog, RequestTimes, sampled } from './request-times.ts';
import { TrafficMetrics } from './traffic-metrics.ts';
import { peersPort } from './replicas.ts';
import type { ServerVerdict } from './status.ts';
import type { TunnelMaterial } from './tunnel.ts';

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
  tunnel?: { bind?: string; server?: string };
  users?: Pick<UsersSettings, 'bindAddress'>;
  /** where the replicas tell each other of sessions; default 10000 */
  peersPort?: number;
}

export interface Proxies {
  applyUsers: (view: View, peers: readonly Peer[]) => Promise<void>;
  applyTunnel: (material: TunnelMaterial) => Promise<void>;
  verdicts: () => Promise<readonly ServerVerdict[]>;
  close: () => Promise<void>;
}

export async function openProxies(options: ProxiesOptions): Promise<Proxies> {
  const { config, log, directory, pod, registry } = options;
  const times = new RequestTimes();
  const receiver = await receiveLog(options.logPort, times);
  const families = { hasIpv6: await hasIpv6() };
  const users = new UsersProxy({ directory: join(directory, 'users'), log });
  const tunnel = new TunnelProxy({ directory: join(directory, 'tunnel'), log, ...families, ...options.tunnel });
  const traffic = new TrafficMetrics(registry, { stats: () => users.states(), reloads: () => users.reloads, times });
  const { httpPort, httpsPort, trustedProxies, proxyProtocol } = config.gateway;
  let told = new Set<string>();
  return {
    applyUsers: async (view, peers) => {
      const rendered = renderUsers(view, {
        ...families,
        ...options.users,
        directory: join(directory, 'users'),
        httpPort,
        httpsPort,
        trustedProxies,
        proxyProtocol,
        peers: withOwn(peers, pod, options.peersPort ?? peersPort),
        localPeer: pod,
        accessLog: `127.0.0.1:${receiver.port} sample 1:${sampled}`,
      });
      for (const problem of rendered.problems) if (!told.has(problem)) log.warn(problem);
      told = new Set(rendered.problems);
      traffic.setView(view);
      await users.apply(rendered);
    },
    applyTunnel: (material) => tunnel.apply(material),
    verdicts: () => users.states(),
    close: async () => {
      await Promise.all([users.close(), tunnel.close()]);
      receiver.close();
      await traffic.close();
    },
  };
}

/** HAProxy listens for its peers at its own entry, so that must be an address of this Pod, whatever DNS says. */
function withOwn(peers: readonly Peer[], pod: string, port: number): Peer[] {
  const own = Object.values(networkInterfaces())
    .flat()
    .find((address) => address?.internal === false && !address.address.startsWith('fe80:'));
  const others = peers.filter(({ name }) => name !== pod);
  if (!own) return others;
  const address = own.family === 'IPv6' ? `[${own.address}]` : own.address;
  return [...others, { name: pod, address: `${address}:${port}` }].sort((a, b) => (a.name < b.name ? -1 : 1));
}
