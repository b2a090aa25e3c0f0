/**
 * What frps counts of all tunnels together (frps-client.ts). Its own page of metrics has series for each name that a proxy ever
 * had, and never forgets one; of backends HAProxy tells the same (traffic-metrics.ts).
 */
import { Counter, Gauge, type Registry } from '@prometheus-io/client';
import type { FrpsCounts } from '../members/frps-client.ts';

/** Asks once a scrape. @param read rejects where frps cannot be asked: then nothing is told but that */
export function addFrpsMetrics(registry: Registry, read: () => Promise<FrpsCounts>): void {
  const registers = [registry];
  let counts: Promise<FrpsCounts | undefined> | undefined;
  // Every metric of a scrape is collected within one turn.
  const now = (): Promise<FrpsCounts | undefined> => {
    counts ??= read().catch(() => undefined);
    setImmediate(() => (counts = undefined));
    return counts;
  };
  const gauge = (name: string, help: string, value: (of: FrpsCounts | undefined) => number | undefined): void => {
    const metric: Gauge = new Gauge({
      name: `frp_gateway_frps_${name}`,
      help,
      registers,
      collect: async () => {
        const read = value(await now());
        metric.reset();
        if (read === undefined) metric.remove();
        else metric.set(read);
      },
    });
  };
  gauge('up', 'Whether frps answers the agent, 1 or 0', (counted) => (counted ? 1 : 0));
  gauge('clients', 'Sidecars that are connected to frps', (counted) => counted?.clients);
  gauge('connections', 'Connections through all tunnels that are open now', (counted) => counted?.connections);
  const proxies: Gauge<'type'> = new Gauge({
    name: 'frp_gateway_frps_proxies',
    help: 'Proxies of frps by type',
    labelNames: ['type'],
    registers,
    collect: async () => {
      const { proxies: byType = {} } = (await now()) ?? {};
      proxies.reset();
      for (const [type, count] of Object.entries(byType)) proxies.set({ type }, count);
    },
  });
  const traffic: Counter<'direction'> = new Counter({
    name: 'frp_gateway_frps_traffic_bytes_total',
    help: 'Bytes to backends (in) and from them (out) through all tunnels; frps begins anew at midnight',
    labelNames: ['direction'],
    registers,
    collect: async () => {
      const read = await now();
      traffic.reset();
      for (const direction of ['in', 'out'] as const) if (read) traffic.inc({ direction }, read.traffic[direction]);
    },
  });
}
