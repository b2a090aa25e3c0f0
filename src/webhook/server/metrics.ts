/** The webhook server's metrics. */
import { readdirSync, readFileSync } from 'node:fs';
import { Counter, Gauge, Histogram, Registry } from '@prometheus-io/client';

/** Seconds. A decision takes well below a millisecond; the upper ones show waiting for a group (2 s) and the API server's limit (30 s). */
const durationBuckets = [0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 2.5, 10, 30];

export interface Observation {
  webhook: string;
  operation: string;
  decision: string;
  reason: string;
}

export class WebhookMetrics {
  readonly registry = new Registry();
  readonly #counts = new Map<string, { labels: Observation; count: number }>();
  readonly #requests = new Counter({
    name: 'frp_webhook_requests_total',
    help: 'Admission reviews answered, by what was decided and why.',
    labelNames: ['webhook', 'operation', 'decision', 'reason'],
    registers: [this.registry],
    collect: () => this.#moveCounts(),
  });
  readonly #duration = new Histogram({
    name: 'frp_webhook_request_duration_seconds',
    help: 'Time from the end of a review’s body to its answer.',
    labelNames: ['webhook'],
    buckets: durationBuckets,
    registers: [this.registry],
  });
  readonly #durations = new Map<string, { observe(value: number): void }>();
  readonly #expiry = new Gauge({
    name: 'frp_webhook_certificate_expiry_timestamp_seconds',
    help: 'When the serving certificate in use expires, in seconds since 1970.',
    registers: [this.registry],
  });

  constructor() {
    registerProcessMetrics(this.registry);
  }

  /** Counts one answered review. */
  observe(observation: Observation, seconds: number): void {
    const { webhook, operation, decision, reason } = observation;
    // Kept apart from the registry until it is read: the library sorts and joins the labels at each increment.
    const key = `${webhook} ${operation} ${decision} ${reason}`;
    const known = this.#counts.get(key);
    if (known) known.count++;
    else this.#counts.set(key, { labels: { webhook, operation, decision, reason }, count: 1 });
    let duration = this.#durations.get(webhook);
    if (!duration) this.#durations.set(webhook, (duration = this.#duration.labels(webhook)));
    duration.observe(seconds);
  }

  /** @param at milliseconds since 1970 */
  certificateExpires(at: number): void {
    this.#expiry.set(at / 1000);
  }

  #moveCounts(): void {
    for (const entry of this.#counts.values()) {
      if (entry.count > 0) this.#requests.inc({ ...entry.labels }, entry.count);
      entry.count = 0;
    }
  }
}

/** The usual process metrics, read when scraped: no timer, no observer of the event loop or of garbage collection. */
function registerProcessMetrics(registry: Registry): void {
  const gauge = (name: string, help: string, read: () => number) => {
    const metric: Gauge = new Gauge({ name, help, registers: [registry], collect: () => metric.set(read()) });
  };
  const started = Math.round(Date.now() / 1000 - process.uptime());
  gauge('process_start_time_seconds', 'When the process started, in seconds since 1970.', () => started);
  gauge('process_resident_memory_bytes', 'Resident memory.', () => process.memoryUsage.rss());
  gauge('nodejs_heap_size_used_bytes', 'Heap in use.', () => process.memoryUsage().heapUsed);
  gauge('nodejs_eventloop_utilization', 'Part of the time since the start that the event loop was busy.', () => {
    return performance.eventLoopUtilization().utilization;
  });
  if (process.platform === 'linux') {
    const limit = Number(/^Max open files +([0-9]+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? Infinity);
    // Without the one that reads them.
    gauge('process_open_fds', 'Open file descriptors.', () => readdirSync('/proc/self/fd').length - 1);
    gauge('process_max_fds', 'How many file descriptors the process may have open.', () => limit);
  }
  let counted = 0;
  const cpu: Counter = new Counter({
    name: 'process_cpu_seconds_total',
    help: 'CPU time of the process, user and system.',
    registers: [registry],
    collect: () => {
      const { user, system } = process.cpuUsage();
      const total = (user + system) / 1e6;
      cpu.inc(total - counted);
      counted = total;
    },
  });
}
