/** The metrics of each program, as it registers them. */
import { collectDefaultMetrics, Registry } from '@prometheus-io/client';
import { ControllerMetrics } from '../src/controller/metrics.ts';
import { GatewayMetrics } from '../src/gateway/telemetry/agent-metrics.ts';
import { ProxyMetrics } from '../src/gateway/telemetry/proxy-metrics.ts';
import { SpanMetrics } from '../src/gateway/telemetry/span-exporter.ts';
import { ToldMetrics } from '../src/gateway/telemetry/told-metrics.ts';
import { addFrpsMetrics } from '../src/gateway/telemetry/frps-metrics.ts';
import { ModelMetrics } from '../src/gateway/telemetry/pages/model-metrics.ts';
import { TrafficMetrics } from '../src/gateway/telemetry/traffic-metrics.ts';
import { WebhookMetrics } from '../src/webhook/server/metrics.ts';

export interface MetricFacts {
  name: string;
  help: string;
  type: string;
  labelNames: readonly string[];
  buckets?: readonly number[];
}

/** By program. */
export function metricsOfPrograms(): Record<'webhook' | 'controller' | 'gateway', MetricFacts[]> {
  const controller = new Registry();
  collectDefaultMetrics({ register: controller });
  new ControllerMetrics(controller, { services: () => [] });
  const gateway = new Registry();
  new GatewayMetrics(gateway, { members: () => [], view: () => undefined, tunnel: () => undefined });
  const traffic = new TrafficMetrics(gateway, () => Promise.reject(new Error('there is no HAProxy')));
  void traffic.close();
  new ToldMetrics(gateway, () => 0);
  addFrpsMetrics(gateway, () => Promise.reject(new Error('there is no frps')));
  new ModelMetrics(gateway, { pages: () => [], skipped: () => 0 });
  new SpanMetrics(gateway);
  new ProxyMetrics(gateway, {
    reloads: () => 0,
    oldProcesses: () => 0,
    ended: () => ({ users: { processes: 0, connections: 0 }, tunnel: { processes: 0, connections: 0 } }),
    refused: () => 0,
    fallbacks: () => 0,
  });
  const facts = (registry: Registry) =>
    (registry.getMetricsAsArray() as unknown as MetricFacts[])
      .map(({ name, help, type, labelNames, buckets }): MetricFacts => ({ name, help, type, labelNames, ...(buckets && { buckets }) }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  return { webhook: facts(new WebhookMetrics().registry), controller: facts(controller), gateway: facts(gateway) };
}
