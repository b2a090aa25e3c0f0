/** What the page shows, from what the program around it knows and what the gateway's replicas answer. Nothing is kept but answers of a moment. */
import { byExpiry, type Expiry } from '../../certs/expiries.ts';
import type { Config } from '../config/schema.ts';
import { accessLines, routeText } from '../explain/backend-lines.ts';
import { askAll, type Heard, type Reach } from '../explain/reach.ts';
import { conditionLines } from '../explain/service.ts';
import { rowOf, statusAtHome, withMeasures, type ServiceStatus } from '../explain/status.ts';
import type { InstallationReport, JoinedCluster, ServiceReport, Summary } from '../gateway/api/report-types.ts';
import { describeExposure, exposuresOf } from '../model/exposure.ts';
import { serviceKey } from '../model/store.ts';
import type { DistributedService } from '../model/types.ts';
import type { LinkRow, Overview, PageSource, ServiceView, StatusBackend, Turn } from './model.ts';
import { isWell } from './words.ts';

export interface Knowledge {
  /** whose page it is */
  title: string;
  /** the gateway, as it can be asked now */
  reach: () => Reach;
  /** of a cluster; absent: a gateway without one, which knows its services itself */
  cluster?: {
    config: Pick<Config, 'baseDomain'>;
    services: () => Iterable<DistributedService>;
    /** @param key namespace/name */
    service: (key: string) => DistributedService | undefined;
    certificates: () => readonly Expiry[];
    /** to gateways elsewhere */
    links: () => readonly LinkRow[];
  };
}

const mostTurns = 20;
const mostStatusBackends = 1000;

export const sourceOf = (knowledge: Knowledge): PageSource => ({
  overview: () => overviewOf(knowledge),
  service: (key) => (knowledge.cluster ? viewInCluster(knowledge, knowledge.cluster, key) : viewAtHome(knowledge, key)),
});

async function overviewOf({ title, reach, cluster }: Knowledge): Promise<Overview> {
  const at = new Date().toISOString();
  const asked = reach();
  const [measured, installation] = await Promise.all([
    askAll<Summary>(asked, '/api/summary'),
    askAll<InstallationReport>(asked, '/api/installation'),
  ]);
  const replicas = installation.heard;
  const said = replicas.map(({ answer }) => answer);
  const services = [...(cluster?.services() ?? [])];
  const rows = cluster
    ? withMeasures(
        services.map((service) => rowOf(service, cluster.config)),
        measured.heard,
      )
    : statusAtHome(measured, at).services;
  return {
    title,
    own: cluster ? 'this cluster' : 'clients',
    at,
    services: worstFirst(rows),
    replicas,
    links: [...(cluster?.links() ?? []), ...joinedLinks(said.flatMap(({ joined }) => joined))],
    certificates: byExpiry(unique([...(cluster?.certificates() ?? []), ...said.flatMap(({ certificates }) => certificates)])),
    turns: services
      .flatMap(turnsOf)
      .sort((one, other) => (one.at > other.at ? -1 : Number(one.at < other.at)))
      .slice(0, mostTurns),
    unknown: [...new Set([...measured.problems, ...installation.problems])],
  };
}

const worstFirst = (rows: readonly ServiceStatus[]): ServiceStatus[] =>
  [...rows].sort((one, other) => Number(isWell(one)) - Number(isWell(other)) || (one.service < other.service ? -1 : 1));

/** Replicas show the same ones. */
const unique = (certificates: readonly Expiry[]): Expiry[] => [
  ...new Map(certificates.map((each) => [`${each.name}\n${each.expires}`, each])).values(),
];

/** A cluster that has joined has a link to each replica. */
function joinedLinks(joined: readonly JoinedCluster[]): LinkRow[] {
  const byCluster = Map.groupBy(joined, ({ cluster }) => cluster);
  return [...byCluster].map(([cluster, each]): LinkRow => {
    const seen = each.flatMap((one) => one.seen ?? []).sort();
    const most = (of: 'services' | 'backends') => Math.max(...each.map((one) => one[of]));
    return {
      cluster,
      gateway: 'this gateway',
      isUp: each.every(({ isLinked }) => isLinked),
      ...(seen.length > 0 && { since: seen.at(-1)! }),
      detail: `${most('services')} services, ${most('backends')} backends`,
    };
  });
}

function turnsOf(service: DistributedService): Turn[] {
  return (service.status?.conditions ?? []).flatMap(({ type, status, reason = '', message = '', lastTransitionTime: at }) =>
    at === undefined ? [] : [{ at, service: serviceKey(service), what: `${type} is ${status}`, reason, message }],
  );
}

async function viewInCluster(
  { title, reach }: Knowledge,
  { config, service: serviceOf }: NonNullable<Knowledge['cluster']>,
  key: string,
): Promise<ServiceView | undefined> {
  const service = serviceOf(key);
  if (!service) return undefined;
  const { heard, problems } = await askAll<ServiceReport>(reach(), `/api/services/${key}`);
  const endpoints = service.status?.endpoints ?? [];
  const places = exposuresOf(service.spec, config.baseDomain).map(describeExposure);
  return {
    ...viewOf(title, key, heard, problems),
    status: withMeasures([rowOf(service, config)], summariesIn(heard))[0]!,
    conditions: conditionLines(service),
    ...(heard.length === 0 && {
      routes: places,
      backends: endpoints.slice(0, mostStatusBackends).map(backendOf),
      ...(endpoints.length > mostStatusBackends && { more: endpoints.length - mostStatusBackends }),
    }),
  };
}

async function viewAtHome({ title, reach }: Knowledge, key: string): Promise<ServiceView | undefined> {
  const asked = await askAll<ServiceReport>(reach(), `/api/services/${key}`);
  const [status] = statusAtHome({ heard: summariesIn(asked.heard), problems: [] }, '').services;
  return status && { ...viewOf(title, key, asked.heard, asked.problems), status };
}

function viewOf(title: string, key: string, heard: Heard<ServiceReport>[], unknown: string[]): Omit<ServiceView, 'status'> {
  const any = heard[0]?.answer;
  const more = heard.reduce((sum, { answer }) => sum + (answer.more ?? 0), 0);
  return {
    title,
    at: new Date().toISOString(),
    conditions: heard.flatMap(({ replica, answer }) =>
      answer.unserved ? [{ level: 'error' as const, text: `${replica}: ${answer.unserved.message}`, reason: answer.unserved.reason }] : [],
    ),
    access: any ? accessLines(any) : [],
    routes: any && any.routes.length > 0 ? any.routes.map((route) => routeText(route, key)) : (any?.exposures ?? []),
    heard,
    backends: [],
    ...(more > 0 && { more }),
    unknown,
  };
}

const summariesIn = (heard: readonly Heard<ServiceReport>[]): Heard<Summary>[] =>
  heard.map(({ replica, answer }) => ({ replica, answer: { replica, services: [answer] } }));

type Endpoint = NonNullable<NonNullable<DistributedService['status']>['endpoints']>[number];

const backendOf = ({ name = '', address = '', port, healthy, reason }: Endpoint): StatusBackend => ({
  name,
  address: address === '' || port === undefined ? address : `${address}:${port}`,
  isHealthy: healthy === true,
  reason,
});
