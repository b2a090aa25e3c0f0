/** What a replica knows of services and their backends: from the view, the members and HAProxy's numbers. Pure. */
import { describeExposure } from '../../model/exposure.ts';
import { backendName } from '../haproxy/config/names.ts';
import { sha256 } from '../haproxy/config/escape.ts';
import { entriesOf, portSite, type PathEntry } from '../haproxy/config/routes.ts';
import type { ServiceConfig } from '../haproxy/config/service-config.ts';
import { sniHosts } from '../haproxy/config/tls.ts';
import { serverName } from '../ir/server-name.ts';
import type { ServedService } from '../ir/ir.ts';
import type { Member } from '../members/members.ts';
import type { ServerStats } from '../haproxy/index.ts';
import { accessReport, rulesOf } from './access-report.ts';
import { reasonOf } from './check-reasons.ts';
import type { RecentRefusal } from './refused-pods.ts';
import type { BackendReport, RefusalReport, RouteReport, ServiceReport, ServiceSummary, Traffic, Unserved } from './report-types.ts';

/** @param servers backend/server */
export interface TrafficReader {
  perSecond: (servers: readonly string[]) => number;
  /** seconds, by quantile; none where there was no request of late */
  quantiles: (servers: readonly string[], wanted: readonly number[]) => ReadonlyMap<number, number>;
}

export interface Observed {
  served: ServedService | undefined;
  members: readonly Member[];
  /** by backend/server */
  stats: ReadonlyMap<string, ServerStats>;
  traffic: TrafficReader;
  unserved: Unserved | undefined;
}

const mostBackends = 1000;
const mostRoutes = 200;
const mostRefusals = 50;

const pathOf = ({ service, backendId }: Member): string => `${backendName(service)}/${serverName(service, backendId)}`;

/** @param key namespace/name */
export function summaryOf(key: string, { members, stats, traffic, unserved }: Observed): ServiceSummary {
  const servers = members.map(pathOf);
  const found = servers.map((server) => stats.get(server));
  return {
    service: key,
    up: found.filter((each) => each?.status === 'up').length,
    registered: members.length,
    ...trafficOf(servers, found, traffic),
    ...(unserved && { unserved }),
  };
}

function trafficOf(servers: readonly string[], found: readonly (ServerStats | undefined)[], traffic: TrafficReader): Traffic {
  const quantiles = traffic.quantiles(servers, [0.5, 0.99]);
  const [p50, p99] = [quantiles.get(0.5), quantiles.get(0.99)];
  return {
    current: found.reduce((sum, each) => sum + (each?.current ?? 0), 0),
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
  const { served, members } = observed;
  const spec = served?.service.spec;
  const backends = members.slice(0, mostBackends).map((member) => backendReport(member, observed, others.sinceOf(member)));
  const { requestsPerSecond, connections } = spec?.security?.rateLimit ?? {};
  return {
    replica: others.replica,
    ...summaryOf(key, observed),
    exposures: (served?.exposures ?? []).map(describeExposure),
    access: accessReport(others.services.get(key)?.access ?? { kind: 'none' }),
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

function backendReport(member: Member, { served, stats, traffic }: Observed, since: number | undefined): BackendReport {
  const server = pathOf(member);
  const found = stats.get(server);
  const configured = served?.backends.find(({ name }) => server.endsWith(`/${name}`));
  const { cluster, pod } = member.identity;
  const reason = found && served && reasonOf(found, served.service.spec);
  const check = found && [found.check, ...(found.checkCode ? [found.checkCode] : [])].join(' ');
  return {
    proxy: member.name,
    pod,
    ...(cluster !== '' && { cluster }),
    address: configured?.address ?? '',
    ...(since !== undefined && { since: new Date(since).toISOString() }),
    weight: configured?.weight ?? 1,
    state: found?.status ?? 'starting',
    ...(check && { check }),
    ...(reason !== undefined && { reason }),
    ...trafficOf([server], [found], traffic),
  };
}

const refusalReport = ({ pod, cluster, code, reason, at }: RecentRefusal): RefusalReport => ({
  pod,
  ...(cluster !== '' && { cluster }),
  reason: code,
  message: reason,
  at: new Date(at).toISOString(),
});

/** By which addresses and choices requests come to a service, in the order in which each address asks. @param key namespace/name */
export function routesTo(key: string, services: ReadonlyMap<string, ServiceConfig>): RouteReport[] {
  return [...services.values()].flatMap((entry) => {
    if (entry.mode === 'tcp') return entry.key === key ? streamsOf(entry) : [];
    return entriesOf(entry, services).flatMap((path) => choicesAt(path).flatMap((choice) => (choice.target === key ? [choice.route] : [])));
  });
}

const streamsOf = (service: ServiceConfig): RouteReport[] =>
  [
    ...sniHosts(service).map((host) => `${host} (TLS)`),
    ...service.exposures.flatMap((exposure) => ('port' in exposure ? [portSite(exposure.port)] : [])),
  ].map((at) => ({ at, entry: service.key, order: 1, headers: {}, share: 1 }));

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
