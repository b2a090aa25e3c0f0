/**
 * Metrics of users' traffic: HAProxy's own numbers, read every few seconds because a reload begins them anew, and the times
 * of the requests that its log tells of (request-log.ts).
 */
import { Counter, Gauge, Histogram, type Registry } from '@prometheus-io/client';
import { Loop } from '../../kube/loop.ts';
import { splitPartKey } from '../../model/pools.ts';
import { backendOf, codeClasses, type ServerStats, type Stats } from '../haproxy/index.ts';
import type { ServedService, View } from '../ir/ir.ts';
import { backendLabelNames, BackendSeries, seriesLimits, type BackendLabels } from './backend-series.ts';
import { CountedSince } from './counted-since.ts';
import type { TimedRequest } from './request-log.ts';
import type { RequestRates } from './request-rates.ts';

/** Seconds: an answer from memory, a web page, a model that thinks. */
export const durationBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];
/** Milliseconds. */
const periodMs = 2000;
const longestPeriodMs = 10_000;
/** What HAProxy takes to tell of thousands of servers is taken from its users: a reading takes a fortieth of the time at most. */
const pausesPerRead = 40;
const serviceLabelNames = ['namespace', 'name'] as const;
const directions = ['in', 'out'] as const;
const prefix = 'frp_distributed_service';

export class TrafficMetrics {
  readonly #loop = new Loop();
  readonly #series = new BackendSeries();
  readonly #counted = new CountedSince();
  #last: Stats | undefined;
  /** by backend/server */
  #servers = new Map<string, ServerStats>();
  /** those that have series */
  readonly #known = new WeakSet<BackendLabels>();
  readonly #metrics: ReturnType<typeof countersIn>;
  readonly #rates: Pick<RequestRates, 'add'> | undefined;
  /** pools that users write to */
  #primaries: readonly ServedService[] = [];

  /** @param stats rejects where HAProxy is not there; @param rates is told what each server got */
  constructor(registry: Registry, stats: () => Promise<Stats>, rates?: Pick<RequestRates, 'add'>) {
    this.#rates = rates;
    this.#metrics = countersIn(registry);
    this.#addGauges(registry);
    this.#loop.start(
      () =>
        stats().then(
          (read) => this.take(read),
          () => this.#lost(),
        ),
      (tookMs) => Math.max(periodMs, Math.min(longestPeriodMs, tookMs * pausesPerRead)),
    );
  }

  /** Names and addresses as they are now; series of what is gone go. */
  setView({ services }: View): void {
    this.#primaries = services.filter(({ role }) => role === 'primary');
    const gone = this.#series.follow(services);
    const { requests, retries, bytes, failures, answers, duration, firstByte, userAnswers, handed } = this.#metrics;
    for (const labels of gone.backends) {
      for (const metric of [requests, retries, failures, duration, firstByte]) metric.remove(labels);
      for (const direction of directions) bytes.remove({ ...labels, direction });
      for (const code of codeClasses) answers.remove({ ...labels, code });
    }
    for (const labels of gone.services) {
      handed.remove(labels);
      for (const code of codeClasses) userAnswers.remove({ ...labels, code });
    }
  }

  observe({ server, firstByte, duration, weight }: TimedRequest): void {
    const labels = this.#series.of(server);
    if (!labels) return;
    for (let count = 0; count < weight; count++) {
      this.#metrics.duration.observe(labels, duration);
      if (firstByte !== undefined) this.#metrics.firstByte.observe(labels, firstByte);
    }
  }

  /** @param server backend/server, as HAProxy names them */
  labelsOf(server: string): BackendLabels | undefined {
    return this.#series.of(server);
  }

  close(): Promise<void> {
    return this.#loop.close();
  }

  take(read: Stats): void {
    const rows = new Map<string, readonly number[]>([[streamsKey, [read.handedStreams]]]);
    for (const stats of read.servers) rows.set(`${stats.backend}/${stats.server}`, rowOf(stats));
    for (const { backend, responses } of read.services) {
      const { attempts = 0, movedOn = 0 } = read.handedRequests.get(backend) ?? {};
      rows.set(backend, [attempts, movedOn, ...responses]);
    }
    this.#last = read;
    this.#servers = new Map(read.servers.map((stats) => [`${stats.backend}/${stats.server}`, stats]));
    for (const [key, since] of this.#counted.take(read, rows)) {
      if (key === streamsKey) this.#metrics.handedStreams.inc(since[0]);
      else if (key.includes('/')) {
        this.#rates?.add(key, since[0]!);
        this.#countBackend(this.#series.of(key), since);
      } else this.#countService(this.#series.serviceOf(key), since);
    }
  }

  /** HAProxy is not there: what is under way is not known. */
  #lost(): void {
    this.#last = undefined;
    this.#servers.clear();
  }

  #countBackend(
    labels: BackendLabels | undefined,
    [total = 0, retries = 0, bytesIn = 0, bytesOut = 0, failures = 0, ...answers]: number[],
  ): void {
    if (!labels) return;
    const metrics = this.#metrics;
    // Most servers have nothing to do most of the time.
    const isNew = !this.#known.has(labels);
    if (!isNew && total + retries + bytesIn + bytesOut + failures === 0) return;
    this.#known.add(labels);
    metrics.requests.inc(labels, total);
    metrics.retries.inc(labels, retries);
    metrics.failures.inc(labels, failures);
    metrics.bytes.inc({ ...labels, direction: 'in' }, bytesIn);
    metrics.bytes.inc({ ...labels, direction: 'out' }, bytesOut);
    countAnswers(metrics.answers, labels, answers);
  }

  #countService(names: { namespace: string; name: string } | undefined, [attempts = 0, movedOn = 0, ...answers]: number[]): void {
    // One that was on its way through a replica when HAProxy was asked last has been counted.
    const handed = Math.max(0, attempts - movedOn);
    if (!names || handed + answers.reduce((sum, count) => sum + count, 0) === 0) return;
    this.#metrics.handed.inc(names, handed);
    countAnswers(this.#metrics.userAnswers, names, answers);
  }

  #addGauges(registry: Registry): void {
    const registers = [registry];
    const ofBackend = (name: string, help: string, read: (stats: readonly ServerStats[]) => number) => {
      const gauge: Gauge<(typeof backendLabelNames)[number]> = new Gauge({
        name: `${prefix}_${name}`,
        help,
        labelNames: backendLabelNames,
        registers,
        collect: () => {
          gauge.reset();
          for (const [labels, servers] of this.#series.all()) {
            const stats = servers.flatMap((server) => this.#servers.get(server) ?? []);
            if (stats.length > 0) gauge.set(labels, read(stats));
          }
        },
      });
    };
    const sum = (stats: readonly ServerStats[], read: (of: ServerStats) => number) => stats.reduce((all, each) => all + read(each), 0);
    ofBackend('active_connections', 'Requests or connections under way', (stats) => sum(stats, ({ current }) => current));
    ofBackend('queued_requests', 'Requests or connections that wait for a backend', (stats) => sum(stats, ({ queued }) => queued));
    ofBackend(
      'connection_pool_usage',
      'Part of the open connections to a backend that is in use; the others are kept for the next request',
      (stats) => {
        const inUse = sum(stats, ({ current }) => current);
        const idle = sum(stats, ({ idleConnections }) => idleConnections);
        return inUse + idle === 0 ? 0 : inUse / (inUse + idle);
      },
    );
    ofBackend(
      'backend_up',
      'Ways to a backend that this replica sends new requests: 1 of a Pod that serves, 0 of one that does not',
      (stats) => sum(stats, ({ status }) => (status === 'up' ? 1 : 0)),
    );
    const primaries: Gauge<'namespace' | 'name'> = new Gauge({
      name: `${prefix}_primaries`,
      help: 'Backends that say that they are the primary, of services with spec.backends.readWrite; users can write where it is 1',
      labelNames: serviceLabelNames,
      registers,
      collect: () => {
        primaries.reset();
        for (const { service, backends } of this.#primaries) {
          const { namespace = '', name } = service.metadata;
          const isUp = (server: string) => this.#servers.get(`${backendOf(service)}/${server}`)?.status === 'up';
          primaries.set({ namespace, name: splitPartKey(name)[0] }, backends.filter((backend) => isUp(backend.name)).length);
        }
      },
    });
    const number = (name: string, help: string, read: () => number | undefined) => {
      const gauge: Gauge = new Gauge({
        name: `frp_gateway_${name}`,
        help,
        registers,
        collect: () => {
          gauge.reset();
          const value = read();
          if (value !== undefined) gauge.set(value);
        },
      });
    };
    number('haproxy_up', "Whether the users' HAProxy answers the agent, 1 or 0", () => (this.#last ? 1 : 0));
    number('connections', "Connections of the users' HAProxy", () => this.#last?.connections);
    number('connections_max', "Connections that the users' HAProxy may have", () => this.#last?.maxConnections);
    number(
      'merged_backends',
      `Backends whose series are together under backend="other" of their service, beyond ${seriesLimits.ofService} of a service or ${seriesLimits.inAll} in all`,
      () => this.#series.merged,
    );
  }
}

const streamsKey = 'streams';
const rowOf = ({ total, retries, bytesIn, bytesOut, failures, responses }: ServerStats): number[] => [
  total,
  retries,
  bytesIn,
  bytesOut,
  failures,
  ...responses,
];

/** Failures have a series from the first answer on, so that the first failure is an increase. */
function countAnswers<T extends object>(
  counter: { inc: (labels: T & { code: string }, value: number) => void },
  labels: T,
  answers: readonly number[],
): void {
  if (answers.every((count) => count === 0)) return;
  for (const [at, code] of codeClasses.entries())
    if (answers[at]! > 0 || code === '2xx' || code === '5xx') counter.inc({ ...labels, code }, answers[at]!);
}

function countersIn(registry: Registry) {
  const registers = [registry];
  const ofBackend = (name: string, help: string) =>
    new Counter({ name: `${prefix}_${name}`, help, labelNames: backendLabelNames, registers });
  const histogram = (name: string, help: string) =>
    new Histogram({ name: `${prefix}_${name}`, help, labelNames: backendLabelNames, buckets: durationBuckets, registers });
  const sampling = 'estimated at more than 100 requests a second, from one in ten; http and grpc';
  return {
    requests: ofBackend('requests_total', 'Requests (http, grpc) or connections (tcp) that a backend was given at this replica'),
    retries: ofBackend('retries_total', 'Attempts beyond the first, by the backend that failed'),
    failures: ofBackend('backend_failures_total', 'Times that its health check took a backend out'),
    bytes: new Counter({
      name: `${prefix}_bytes_total`,
      help: 'Bytes from users (in) and to users (out)',
      labelNames: [...backendLabelNames, 'direction'],
      registers,
    }),
    answers: new Counter({
      name: `${prefix}_backend_responses_total`,
      help: 'Answers of a backend by class of their status (1xx to 5xx, other); http and grpc',
      labelNames: [...backendLabelNames, 'code'],
      registers,
    }),
    userAnswers: new Counter({
      name: `${prefix}_responses_total`,
      help: 'Answers to users by class of their status, whoever gave them: backends, access rules, limits, the gateway itself; http and grpc. A request that was handed over is counted at both replicas',
      labelNames: [...serviceLabelNames, 'code'],
      registers,
    }),
    handed: new Counter({
      name: `${prefix}_handed_over_total`,
      help: 'Requests that this replica handed to another, because no backend here took them; http and grpc',
      labelNames: serviceLabelNames,
      registers,
    }),
    handedStreams: new Counter({
      name: 'frp_gateway_handed_over_connections_total',
      help: 'Connections of tcp services that this replica handed to another',
      registers,
    }),
    duration: histogram(
      'request_duration_seconds',
      `Time from a request’s arrival at a backend’s queue to the end of its answer; ${sampling}`,
    ),
    firstByte: histogram('time_to_first_byte_seconds', `Time until the first byte of the answer; ${sampling}`),
  };
}
