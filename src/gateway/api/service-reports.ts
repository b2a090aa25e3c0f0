/** What a replica knows of services and their backends: from the view, the members and HAProxy's numbers. Pure. */
import { closedPorts } from '../../model/closed-ports.ts';
import { closedRoutes } from '../../model/closed-routes.ts';
import { describeExposure, webPaths } from '../../model/exposure.ts';
import { splitPartKey } from '../../model/pools.ts';
import { sha256 } from '../haproxy/config/escape.ts';
import { entriesOf, portSite, type PathEntry } from '../haproxy/config/routes.ts';
import type { ServiceConfig } from '../haproxy/config/service-config.ts';
import { sniHosts } from '../haproxy/config/tls.ts';
import type { ServedService } from '../ir/ir.ts';
import { keyOf } from '../ir/service-key.ts';
import type { Member } from '../members/members.ts';
import { accessReport, rulesOf } from './access-report.ts';
import { reasonOf } from './check-reasons.ts';
import { countsOf, placesOf, servingMembers, type Observed, type Place, type TrafficReader } from './observed.ts';
import type { RecentRefusal } from './refused-pods.ts';
import type {
  BackendReport,
  ClusterShare,
  RefusalReport,
  RouteReport,
  ServiceReport,
  ServiceSummary,
  Traffic,
  Unserved,
} from './report-types.ts';

const mostBackends = 1000;
const mostRoutes = 200;
const mostRefusals = 50;

/** @param key namespace/name */
export function summaryOf(key: string, observed: Observed): ServiceSummary {
  const { members, traffic, unserved } = observed;
  const counts = countsOf(members, () => observed);
  const routed = routedIn(observed);
  const closed = counts.up + routed > 0 ? closedIn(observed) : undefined;
  return {
    service: key,
    ...counts,
    ...trafficOf(
      servingMembers(members).flatMap((member) => placesOf(member, observed)),
      traffic,
    ),
    ...(routed > 0 && { routed }),
    ...(unserved && { unserved }),
    ...(closed && { closed }),
  };
}

/** The pools of a service with several ports have the spec of one each. */
function closedIn(observed: Observed): Unserved | undefined {
  const isUp = ({ stats }: Place) => stats?.status === 'up';
  const all = servingMembers(observed.members).flatMap((member) =>
    placesOf(member, observed).map((place) => ({ pod: member.identity.pod, pool: nameOf(place.pool), place })),
  );
  const podsOf = (name: string | undefined) => all.flatMap(({ pod, pool, place }) => (pool === name && isUp(place) ? [pod] : []));
  const failing = (name: string) => {
    const found = all.find(({ pool }) => pool === name);
    const { stats, pool } = found?.place ?? {};
    const reason = stats && pool && reasonOf(stats, pool.service.spec);
    return found && `${found.pod}${reason === undefined ? '' : `: ${reason}`}`;
  };
  const usable = { up: (name: string | undefined) => podsOf(name).length, primaries: podsOf(undefined), failing };
  const closed = observed.pools.map(({ service: { spec } }) => closedPorts(spec, usable)).find((problem) => problem !== undefined);
  return closed ?? observed.pools.map((pool) => closedRoutesOf(pool, observed)).find((problem) => problem !== undefined);
}

/** Backends that users come to by the routes of a service. */
function routedIn({ pools, upOf = () => undefined }: Observed): number {
  const groups = pools.flatMap(({ service: { metadata, spec } }) =>
    (spec.routes ?? []).flatMap((route) => (route.groups ?? []).map(({ name }) => `${metadata.namespace}/${name}`)),
  );
  return [...new Set(groups)].reduce((sum, key) => sum + (upOf(key) ?? 0), 0);
}

const closedRoutesOf = ({ service, exposures }: ServedService, { upOf = () => undefined }: Observed): Unserved | undefined =>
  closedRoutes(service, webPaths(exposures), (name) => upOf(`${service.metadata.namespace}/${name}`));

/** Among the pools of its service. */
const nameOf = ({ service }: ServedService): string | undefined => splitPartKey(keyOf(service))[1];

function trafficOf(places: readonly Place[], traffic: TrafficReader): Traffic {
  const servers = places.map(({ path }) => path);
  const quantiles = traffic.quantiles(servers, [0.5, 0.99]);
  const [p50, p99] = [quantiles.get(0.5), quantiles.get(0.99)];
  return {
    current: places.reduce((sum, { stats }) => sum + (stats?.current ?? 0), 0),
    perSecond: rounded(traffic.perSecond(servers)),
    ...(p50 !== undefined && { p50: rounded(p50) }),
    ...(p99 !== undefined && { p99: rounded(p99) }),
  };
}

const rounded = (value: number): number => Math.round(value * 10_000) / 10_000;

/**
 * @param others what the report takes from elsewhere: of all services, those whose routes may lead here
 * @param sinceOf milliseconds since the epoch
 */
export function serviceReport(
  key: string,
  observed: Observed,
  others: {
    replica: string;
    services: ReadonlyMap<string, ServiceConfig>;
    sinceOf: (member: Member) => number | undefined;
    refusals: readonly RecentRefusal[];
  },
): ServiceReport {
  const { pools } = observed;
  const members = servingMembers(observed.members);
  const spec = pools[0]?.service.spec;
  const config = [...others.services.values()].find((each) => splitPartKey(each.key)[0] === key);
  const backends = members.slice(0, mostBackends).map((member) => backendReport(member, observed, others.sinceOf(member)));
  const { requestsPerSecond, connections } = spec?.security?.rateLimit ?? {};
  return {
    replica: others.replica,
    ...summaryOf(key, observed),
    exposures: pools.flatMap(({ exposures }) => exposures.map(describeExposure)),
    access: accessReport(config?.access ?? { kind: 'none' }),
    rules: spec ? rulesOf(spec) : [],
    limits: { ...(requestsPerSecond !== undefined && { requestsPerSecond }), ...(connections !== undefined && { connections }) },
    algorithm: spec?.loadBalancing?.algorithm ?? 'random',
    backends,
    ...(members.length > backends.length && { more: members.length - backends.length }),
    routes: routesTo(key, others.services).slice(0, mostRoutes),
    refusals: others.refusals
      .filter(({ service }) => service === key)
      .slice(-mostRefusals)
      .map(refusalReport),
  };
}

/** Of several roles the one in which it gets users. */
function backendReport(member: Member, observed: Observed, since: number | undefined): BackendReport {
  const places = placesOf(member, observed);
  const place = places.find(({ stats }) => stats?.status === 'up') ?? places[0];
  const { stats, server } = place ?? {};
  const { cluster, pod } = member.identity;
  const reason = place && stats && reasonOf(stats, place.pool.service.spec);
  const check = stats && [stats.check, ...(stats.checkCode ? [stats.checkCode] : [])].join(' ');
  return {
    proxy: member.name,
    pod,
    ...(cluster !== '' && { cluster }),
    ...(member.portName !== undefined && { port: member.portName }),
    address: server?.address ?? '',
    tunnelPort: member.port,
    ...(since !== undefined && { since: new Date(since).toISOString() }),
    weight: server?.weight ?? 1,
    state: stats?.status ?? 'starting',
    ...(check && { check }),
    ...(reason !== undefined && { reason }),
    ...trafficOf(places, observed.traffic),
  };
}

export const refusalReport = ({ pod, cluster, code, reason, at }: RecentRefusal): RefusalReport => ({
  pod,
  ...(cluster !== '' && { cluster }),
  reason: code,
  message: reason,
  at: new Date(at).toISOString(),
});

/** How many backends of each cluster this replica has, and how many of them get requests. @param observed of a service, namespace/name */
export function clusterShares(members: Iterable<Member>, observed: (service: string) => Observed): ClusterShare[] {
  const byCluster = Map.groupBy(members, ({ identity }) => identity.cluster);
  return [...byCluster]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([cluster, own]) => ({ ...(cluster !== '' && { cluster }), ...countsOf(own, observed) }));
}

/** By which addresses and choices requests come to a service, in the order in which each address asks. @param key namespace/name */
export function routesTo(key: string, services: ReadonlyMap<string, ServiceConfig>): RouteReport[] {
  return [...services.values()].flatMap((entry) => {
    if (entry.mode === 'tcp') return splitPartKey(entry.key)[0] === key ? streamsOf(entry) : [];
    return entriesOf(entry, services).flatMap((path) => choicesAt(path).flatMap((choice) => (choice.target === key ? [choice.route] : [])));
  });
}

const streamsOf = (service: ServiceConfig): RouteReport[] =>
  [
    ...sniHosts(service).map((host) => `${host} (TLS)`),
    ...service.exposures.flatMap((exposure) => ('port' in exposure ? [portSite(exposure.port)] : [])),
  ].map((at) => ({ at, entry: splitPartKey(service.key)[0], order: 1, headers: {}, share: 1 }));

/** What a request for an address may be sent to, in the order in which it is asked. */
export function choicesAt({ prefix, table }: PathEntry): { target: string; route: RouteReport }[] {
  const { entry, choices, defaultBackend } = table;
  const at = prefix.replace(/\/$/, '');
  const values = valuesOf(entry);
  const conditional = choices.flatMap(({ headers, groups }, index) => {
    const total = groups.reduce((sum, { weight }) => sum + weight, 0);
    const wanted = Object.fromEntries(headers.map(({ name, hash }) => [name, values.get(hash) ?? '']));
    return groups.map(({ target, weight }) => ({
      target: target.key,
      route: { at, entry: entry.key, order: index + 1, headers: wanted, share: weight / total },
    }));
  });
  const isOpen = choices.at(-1)?.headers.length !== 0;
  const last = { target: defaultBackend.key, route: { at, entry: entry.key, order: choices.length + 1, headers: {}, share: 1 } };
  return isOpen ? [...conditional, last] : conditional;
}

/** Values of headers that a service's routes ask for, by what HAProxy compares. */
const valuesOf = ({ spec }: ServiceConfig): Map<string, string> =>
  new Map(
    (spec.routes ?? []).flatMap(({ headers = {} }) => Object.values(headers).map((value): [string, string] => [sha256(value), value])),
  );
