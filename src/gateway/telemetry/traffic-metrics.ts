/**
 * Metrics of users' traffic: HAProxy's own numbers, read every few seconds because a reload begins them anew, and the times
 * of the requests that its log samples (request-times.ts).
 */
import { Counter, Gauge, type Registry } from '@prometheus-io/client';
import { Loop } from '../../kube/loop.ts';
import { backendOf, type ServerStats } from '../haproxy/index.ts';
import type { ServedService, View } from '../ir/ir.ts';
import type { RequestRates } from './request-rates.ts';
import type { RequestTimes } from './request-times.ts';

export interface TrafficSource {
  /** rejects where HAProxy is not there */
  stats: () => Promise<readonly ServerStats[]>;
  reloads: () => number;
  /** of HAProxy, from before reloads, with connections yet */
  oldProcesses: () => number;
  /** those of each HAProxy that were ended, and the connections that it cost */
  ended: () => Readonly<Record<'users' | 'tunnel', { processes: number; connections: number }>>;
  /** services that HAProxy refuses */
  refused: () => number;
  /** connections that were taken while HAProxy was away (replicas/fallback-listener.ts) */
  fallbacks: () => number;
  times: RequestTimes;
  /** is told what each server got */
  rates: Pick<RequestRates, 'add'>;
}

type Labels = { namespace: string; name: string; backend: string };
const labelNames = ['namespace', 'name', 'backend'] as const;
const quantiles = [0.5, 0.9, 0.99] as const;
/** Milliseconds. */
const periodMs = 2000;
const longestPeriodMs = 10_000;
/** What HAProxy takes to tell of thousands of servers is taken from its users: a reading takes a fortieth of the time at most. */
const pausesPerRead = 40;

export class TrafficMetrics {
  readonly #source: TrafficSource;
  readonly #loop = new Loop();
  #services = new Set<ServedService>();
  /** by backend/server */
  readonly #labels = new Map<string, Labels>();
  #last = new Map<string, ServerStats>();
  readonly #requests: Counter<(typeof labelNames)[number]>;
  readonly #bytes: Counter<(typeof labelNames)[number] | 'direction'>;
  readonly #retries: Counter<(typeof labelNames)[number]>;

  constructor(registry: Registry, source: TrafficSource) {
    this.#source = source;
    const registers = [registry];
    const counter = (name: string, help: string) => new Counter({ name, help, labelNames, registers });
    this.#requests = counter(
      'frp_distributed_service_requests_total',
      'Requests (http, grpc) or connections (tcp) that a backend was given at this replica',
    );
    this.#retries = counter('frp_distributed_service_retries_total', 'Attempts beyond the first, by the backend that failed');
    this.#bytes = new Counter({
      name: 'frp_distributed_service_bytes_total',
      help: 'Bytes from users (in) and to users (out)',
      labelNames: [...labelNames, 'direction'],
      registers,
    });
    this.#gauge(registry, 'frp_distributed_service_active_connections', 'Requests or connections under way', ({ current }) => current);
    this.#gauge(
      registry,
      'frp_distributed_service_connection_pool_usage',
      'Part of the open connections to a backend that is in use; the others are kept for the next request',
      ({ current, idleConnections }) => (current + idleConnections === 0 ? 0 : current / (current + idleConnections)),
    );
    this.#addDurations(registry);
    this.#total(
      registry,
      'frp_gateway_reloads_total',
      "Reloads of the users' HAProxy; what can change without is no reload",
      source.reloads,
    );
    this.#total(
      registry,
      'frp_gateway_fallback_connections_total',
      'Connections of users that came while HAProxy was away, accepted by the agent in its place and handed to HAProxy or another replica',
      source.fallbacks,
    );
    this.#addEnded(registry, source);
    const number = (name: string, help: string, read: () => number) => {
      const gauge: Gauge = new Gauge({ name, help, registers: [registry], collect: () => gauge.set(read()) });
    };
    number(
      'frp_gateway_old_processes',
      "Processes of the users' HAProxy from before reloads that still have connections",
      source.oldProcesses,
    );
    number('frp_gateway_services_refused', 'Services that are left out because HAProxy refuses their configuration', source.refused);
    this.#loop.start(
      () => this.#read(),
      (tookMs) => Math.max(periodMs, Math.min(longestPeriodMs, tookMs * pausesPerRead)),
    );
  }

  /** Names and addresses as they are now; series of backends that are gone go. */
  setView({ services }: View): void {
    const before = this.#services;
    this.#services = new Set(services);
    const came = new Map(services.filter((service) => !before.has(service)).flatMap(labelsOf));
    const gone = new Map([...before].filter((service) => !this.#services.has(service)).flatMap(labelsOf));
    // Another server may be the same backend, back again.
    const kept = new Set([...came.values()].map(idOf));
    for (const [key, labels] of gone) {
      if (!came.has(key)) {
        this.#labels.delete(key);
        this.#last.delete(key);
      }
      if (kept.has(idOf(labels))) continue;
      this.#requests.remove(labels);
      this.#retries.remove(labels);
      for (const direction of ['in', 'out']) this.#bytes.remove({ ...labels, direction });
    }
    for (const [key, labels] of came) {
      this.#labels.set(key, labels);
      // What it has counted until now was another's, by its address.
      if (this.#last.has(key)) this.#count(labels, nothing);
    }
  }

  close(): Promise<void> {
    return this.#loop.close();
  }

  #read(): Promise<void> {
    return this.#source.stats().then(
      (stats) => this.#take(stats),
      () => {},
    );
  }

  #take(stats: readonly ServerStats[]): void {
    for (const now of stats) {
      const key = `${now.backend}/${now.server}`;
      const labels = this.#labels.get(key);
      if (!labels) continue;
      const last = this.#last.get(key);
      this.#last.set(key, now);
      // After a reload, and for a server that was made anew, everything is new.
      const isSame = last !== undefined && now.total >= last.total && now.bytesIn >= last.bytesIn && now.bytesOut >= last.bytesOut;
      const since = (what: keyof Counted) => Math.max(0, now[what] - (isSame ? last[what] : 0));
      const counted = { total: since('total'), retries: since('retries'), bytesIn: since('bytesIn'), bytesOut: since('bytesOut') };
      if (last) this.#source.rates.add(key, counted.total);
      // Most servers have nothing to do most of the time.
      if (!last || counted.total + counted.retries + counted.bytesIn + counted.bytesOut > 0) this.#count(labels, counted);
    }
  }

  #count(labels: Labels, { total, retries, bytesIn, bytesOut }: Counted): void {
    this.#requests.inc(labels, total);
    this.#retries.inc(labels, retries);
    this.#bytes.inc({ ...labels, direction: 'in' }, bytesIn);
    this.#bytes.inc({ ...labels, direction: 'out' }, bytesOut);
  }

  /** The backends, each with its servers: an endpoint has one for each of its addresses and of the Pods that dial them. */
  #series(): { labels: Labels; servers: string[] }[] {
    const same = Map.groupBy(this.#labels, ([, labels]) => idOf(labels));
    return [...same.values()].map((entries) => ({ labels: entries[0]![1], servers: entries.map(([server]) => server) }));
  }

  #gauge(registry: Registry, name: string, help: string, read: (stats: Connections) => number): void {
    const gauge: Gauge<(typeof labelNames)[number]> = new Gauge({
      name,
      help,
      labelNames,
      registers: [registry],
      collect: () => {
        gauge.reset();
        for (const { labels, servers } of this.#series()) {
          const stats = servers.flatMap((server) => this.#last.get(server) ?? []);
          if (stats.length > 0) gauge.set(labels, read(stats.reduce<Connections>(together, none)));
        }
      },
    });
  }

  #total(registry: Registry, name: string, help: string, read: () => number): void {
    const counter: Counter = new Counter({
      name,
      help,
      registers: [registry],
      collect: () => {
        counter.reset();
        counter.inc(read());
      },
    });
  }

  #addEnded(registry: Registry, source: TrafficSource): void {
    const help = {
      processes: 'Old processes of a HAProxy that were ended, because memory was short or they were too many',
      connections: 'Connections of users (users) or tunnels (tunnel) that ended with them',
    };
    for (const what of ['processes', 'connections'] as const) {
      const counter: Counter<'part'> = new Counter({
        name: `frp_gateway_ended_${what}_total`,
        help: help[what],
        labelNames: ['part'],
        registers: [registry],
        collect: () => {
          counter.reset();
          for (const [part, ended] of Object.entries(source.ended())) counter.inc({ part }, ended[what]);
        },
      });
    }
  }

  #addDurations(registry: Registry): void {
    const gauge: Gauge<(typeof labelNames)[number] | 'quantile'> = new Gauge({
      name: 'frp_distributed_service_request_duration_seconds',
      help: 'Time from a request to the end of its answer, of the last one to two minutes; from a sample of one request in ten in HAProxy’s log, in buckets of 5 percent',
      labelNames: [...labelNames, 'quantile'],
      registers: [registry],
      collect: () => {
        gauge.reset();
        for (const { labels, servers } of this.#series())
          for (const [quantile, seconds] of this.#source.times.quantiles(servers, quantiles))
            gauge.set({ ...labels, quantile: String(quantile) }, seconds);
      },
    });
  }
}

/** By backend/server. */
function labelsOf({ service, backends }: ServedService): [string, Labels][] {
  const { namespace = '', name } = service.metadata;
  const section = backendOf(service);
  return backends.map(({ name: server, address }) => [`${section}/${server}`, { namespace, name, backend: address }]);
}

type Counted = Pick<ServerStats, 'total' | 'retries' | 'bytesIn' | 'bytesOut'>;
const nothing: Counted = { total: 0, retries: 0, bytesIn: 0, bytesOut: 0 };
type Connections = Pick<ServerStats, 'current' | 'idleConnections'>;
const none: Connections = { current: 0, idleConnections: 0 };
const together = (a: Connections, b: Connections): Connections => ({
  current: a.current + b.current,
  idleConnections: a.idleConnections + b.idleConnections,
});

const idOf = ({ namespace, name, backend }: Labels): string => `${namespace}/${name}/${backend}`;
