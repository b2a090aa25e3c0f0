/** Metrics of the HAProxies themselves: reloads, old processes, what is left out. */
import { Counter, Gauge, type Registry } from '@prometheus-io/client';

export interface ProxySource {
  reloads: () => number;
  /** of HAProxy, from before reloads, with connections yet */
  oldProcesses: () => number;
  /** those of each HAProxy that were ended, and the connections that it cost */
  ended: () => Readonly<Record<'users' | 'tunnel', { processes: number; connections: number }>>;
  /** services that HAProxy refuses */
  refused: () => number;
  /** connections that were taken while HAProxy was away (replicas/fallback-listener.ts) */
  fallbacks: () => number;
}

export class ProxyMetrics {
  constructor(registry: Registry, source: ProxySource) {
    const registers = [registry];
    const total = (name: string, help: string, read: () => number) => {
      const counter: Counter = new Counter({
        name,
        help,
        registers,
        collect: () => {
          counter.reset();
          counter.inc(read());
        },
      });
    };
    const number = (name: string, help: string, read: () => number) => {
      const gauge: Gauge = new Gauge({ name, help, registers, collect: () => gauge.set(read()) });
    };
    total('frp_gateway_reloads_total', "Reloads of the users' HAProxy; what can change without is no reload", source.reloads);
    total(
      'frp_gateway_fallback_connections_total',
      'Connections of users that came while HAProxy was away, accepted by the agent in its place and handed to HAProxy or another replica',
      source.fallbacks,
    );
    number(
      'frp_gateway_old_processes',
      "Processes of the users' HAProxy from before reloads that still have connections",
      source.oldProcesses,
    );
    number('frp_gateway_services_refused', 'Services that are left out because HAProxy refuses their configuration', source.refused);
    const help = {
      processes: 'Old processes of a HAProxy that were ended, because memory was short or they were too many',
      connections: 'Connections of users (users) or tunnels (tunnel) that ended with them',
    };
    for (const what of ['processes', 'connections'] as const) {
      const counter: Counter<'part'> = new Counter({
        name: `frp_gateway_ended_${what}_total`,
        help: help[what],
        labelNames: ['part'],
        registers,
        collect: () => {
          counter.reset();
          for (const [part, ended] of Object.entries(source.ended())) counter.inc({ part }, ended[what]);
        },
      });
    }
  }
}
