/** Answers to what people ask a replica about services and routes: what the agent knows, put together at the time of the question. */
import { byExpiry, type Expiry } from '../../../certs/expiries.ts';
import { Memory } from '../haproxy/config/memory.ts';
import { serviceConfigOf, type ServiceConfig } from '../haproxy/config/service-config.ts';
import type { ServerStats } from '../haproxy/index.ts';
import { splitPartKey } from '../../model/pools.ts';
import { keyOf, ownerKey } from '../ir/service-key.ts';
import type { View } from '../ir/ir.ts';
import type { Member } from '../members/members.ts';
import type { RecentRefusal } from './refused-pods.ts';
import type { HaproxyConfigurations, InstallationReport, JoinedCluster, ServiceReport, Summary, Trace, Unserved } from './report-types.ts';
import { traceRoute, type Asked } from './route-trace.ts';
import { countsOf, placesOf, type Observed, type TrafficReader } from './observed.ts';
import { clusterShares, refusalReport, serviceReport, summaryOf } from './service-reports.ts';

export type { TrafficReader };

export interface InspectionDeps {
  replica: string;
  /** as it was rendered last */
  view: () => View | undefined;
  members: { all: Iterable<Member>; sinceOf: (member: Member) => number | undefined };
  /** rejects where HAProxy is not there */
  stats: () => Promise<readonly ServerStats[]>;
  traffic: TrafficReader;
  /** why the gateway leaves a service (namespace/name) out; undefined where nothing is known against it */
  unserved: (key: string) => Unserved | undefined;
  /** names (namespace/name) of all services that there are */
  names: () => Iterable<string>;
  refusals: () => readonly RecentRefusal[];
  /** those that users and tunnels are shown; absent: not known */
  certificates?: (() => readonly Expiry[]) | undefined;
  /** clusters that have joined; absent: none can */
  joined?: (() => Promise<readonly JoinedCluster[]>) | undefined;
  configurations: () => Promise<HaproxyConfigurations>;
}

const mostServices = 10_000;
const mostReasons = 3;
const mostOfInstallation = 200;
const mostRefusals = 50;

export class Inspection {
  readonly #deps: InspectionDeps;
  readonly #memory = new Memory();

  constructor(deps: InspectionDeps) {
    this.#deps = deps;
  }

  /** @param namespace undefined: all */
  async summary(namespace?: string): Promise<Summary> {
    const observe = await this.#observer();
    const keys = [...this.#deps.names()].filter((key) => namespace === undefined || key.startsWith(`${namespace}/`)).sort();
    const services = keys.slice(0, mostServices).map((key) => summaryOf(key, observe(key)));
    return { replica: this.#deps.replica, services, ...(keys.length > services.length && { more: keys.length - services.length }) };
  }

  /** @param key namespace/name @returns undefined where there is no such service */
  async service(key: string): Promise<ServiceReport | undefined> {
    const { replica, members, refusals, names } = this.#deps;
    if (![...names()].includes(key)) return undefined;
    const observe = await this.#observer();
    const sinceOf = (member: Member) => members.sinceOf(member);
    return serviceReport(key, observe(key), { replica, services: this.#configs(), sinceOf, refusals: refusals() });
  }

  /** What is not of one service alone. */
  async installation(): Promise<InstallationReport> {
    const { replica, members, refusals, certificates, joined } = this.#deps;
    const [observe, clusters] = await Promise.all([this.#observer(), joined?.() ?? []]);
    return {
      replica,
      clusters: clusterShares(members.all, observe),
      certificates: byExpiry(certificates?.() ?? []).slice(0, mostOfInstallation),
      joined: clusters.slice(0, mostOfInstallation),
      refusals: refusals()
        .slice(-mostRefusals)
        .map((refusal) => ({ ...refusalReport(refusal), service: refusal.service })),
    };
  }

  configurations(): Promise<HaproxyConfigurations> {
    return this.#deps.configurations();
  }

  async route(asked: Asked): Promise<Trace> {
    const observe = await this.#observer();
    return traceRoute(asked, {
      replica: this.#deps.replica,
      services: this.#configs(),
      summaryOf: (key) => summaryOf(key, poolIn(key, observe)),
      reasonsOf: (key) => reasonsOf(key, poolIn(key, observe)),
    });
  }

  /** What is known of each service now; HAProxy is asked once. */
  async #observer(): Promise<(key: string) => Observed> {
    const { view, members, traffic, unserved } = this.#deps;
    const stats = new Map((await this.#deps.stats()).map((each) => [`${each.backend}/${each.server}`, each]));
    const pools = Map.groupBy(view()?.services ?? [], ({ service }) => ownerKey(service));
    const byService = Map.groupBy(members.all, ({ service }) => service);
    const seen = (key: string) => ({ pools: pools.get(key) ?? [], members: byService.get(key) ?? [], stats });
    const upOf = (key: string) => (pools.has(key) ? countsOf(byService.get(key) ?? [], seen).up : undefined);
    return (key) => ({
      ...seen(key),
      traffic,
      upOf,
      unserved: unserved(key) ?? (pools.has(key) ? undefined : { reason: 'NotServed', message: 'this replica does not serve it yet' }),
    });
  }

  /** Of the services that HAProxy serves. */
  #configs(): ReadonlyMap<string, ServiceConfig> {
    const { view, unserved } = this.#deps;
    this.#memory.sweep();
    const served = (view()?.services ?? []).filter(({ service }) => unserved(ownerKey(service)) === undefined);
    return new Map(served.map((given) => [keyOf(given.service), serviceConfigOf(given, this.#memory).service]));
  }
}

/** One pool by itself. @param key namespace/name of a service, or of one of its pools (partKey) */
function poolIn(key: string, observe: (key: string) => Observed): Observed {
  const observed = observe(splitPartKey(key)[0]);
  const pools = observed.pools.filter(({ service }) => keyOf(service) === key);
  return { ...observed, pools, members: observed.members.filter((member) => placesOf(member, { ...observed, pools }).length > 0) };
}

function reasonsOf(key: string, observed: Observed): string[] {
  const { backends } = serviceReport(key, observed, { replica: '', services: new Map(), sinceOf: () => undefined, refusals: [] });
  return backends.flatMap(({ pod, reason, state }) => (state === 'up' ? [] : [`${pod}: ${reason ?? state}`])).slice(0, mostReasons);
}
