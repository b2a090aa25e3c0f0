/** The installation and its services at a glance: what the controller has observed, and what the gateway's replicas measure. */
import type { Config } from '../config/schema.ts';
import { itemsOf, read, unread, type Read } from '../diagnose/read.ts';
import { workloadResources, type Workload } from '../diagnose/shapes.ts';
import type { ServiceSummary, Summary } from '../gateway/api/report-types.ts';
import type { KubeClient } from '../kube/client.ts';
import { distributedServices } from '../kube/types.ts';
import { describeExposure } from '../model/exposure.ts';
import { claimedBy } from '../model/claims.ts';
import { serviceKey } from '../model/store.ts';
import type { DistributedService } from '../model/types.ts';
import { partlyDown } from './partly-down.ts';
import { askAll, type Heard, type Reach } from './reach.ts';

export interface PartStatus {
  /** `Deployment frp-webhook` */
  name: string;
  ready: number;
  wanted: number;
}

export interface ServiceStatus {
  /** namespace/name */
  service: string;
  type: string;
  state: string;
  /** healthy, by the status; absent: not known */
  active?: number;
  total: number;
  /** where users reach it */
  at: string;
  /** of the condition Ready, where it is not True; of one that is Degraded: which backends are down */
  reason?: string;
  message?: string;
  /** a second, over all replicas; absent: not known */
  perSecond?: number;
  /** under way */
  current?: number;
  /** seconds, of the slowest replica; absent: not known, or no request of late */
  p99?: number;
}

export interface Status {
  /** RFC 3339 */
  at: string;
  /** URL of the API server; absent: a gateway of this machine */
  cluster?: string;
  parts: PartStatus[];
  services: ServiceStatus[];
  /** the services could not be read: `unknown` has why */
  isUnread?: true;
  /** how many more there are */
  more?: number;
  /** what is not known, and why; sentences */
  unknown: string[];
}

const mostServices = 10_000;

/** @param namespace undefined: all */
export async function readStatus(
  client: KubeClient,
  { config, installation, reach, namespace }: { config: Config; installation: string; reach: Reach; namespace: string | undefined },
): Promise<Status> {
  const at = new Date().toISOString();
  const places = [...new Set([installation, config.gateway.namespace])];
  const [services, measured, ...parts] = await Promise.all([
    read(`list distributedservices${namespace === undefined ? '' : ` in namespace ${namespace}`}`, () =>
      servicesOf(client, config, namespace),
    ),
    askAll<Summary>(reach, namespace === undefined ? '/api/summary' : `/api/summary?namespace=${namespace}`),
    ...places.map((place) => partsOf(client, place)),
  ]);
  const rows = itemsOf(services);
  return {
    at,
    cluster: client.access.server,
    parts: parts.flatMap(itemsOf),
    services: withMeasures(rows.slice(0, mostServices), measured.heard),
    ...(!('ok' in services) && { isUnread: true as const }),
    ...(rows.length > mostServices && { more: rows.length - mostServices }),
    unknown: lastObserved(parts[0]!, installation)
      .concat([...parts, services].flatMap((answer) => unread(answer) ?? ('absent' in answer ? `${answer.absent}: there is none` : [])))
      .concat(measured.problems.map((problem) => `request rates and p99: ${problem}`)),
  };
}

/** Nobody writes a status while no controller runs: what it says is of before. */
function lastObserved(parts: Read<readonly PartStatus[]>, installation: string): string[] {
  if (!('ok' in parts)) return [];
  const controller = parts.ok.find(({ name }) => name === `Deployment ${installation}/frp-controller`);
  if (controller && controller.ready > 0) return [];
  const why = controller
    ? `the controller in namespace ${installation} is not Ready`
    : `frp-k8s is not installed in namespace ${installation}`;
  return [`how services are now: ${why}, so what is shown is what was last observed`];
}

/** Of each no more than what is shown is kept. */
async function servicesOf(client: KubeClient, config: Config, namespace: string | undefined): Promise<ServiceStatus[]> {
  const found: ServiceStatus[] = [];
  for await (const { items } of client.pages<DistributedService>(distributedServices, namespace === undefined ? {} : { namespace })) {
    for (const service of items) found.push(rowOf(service, config));
    if (found.length > mostServices) break;
  }
  return found.sort((a, b) => (a.service < b.service ? -1 : 1));
}

/** @param config for the base domain, where the status has no address yet */
export function rowOf(service: DistributedService, { baseDomain }: Pick<Config, 'baseDomain'>): ServiceStatus {
  const { status = {}, spec } = service;
  const { state = 'Pending', activeBackends, totalBackends = 0, externalEndpoint } = status;
  const ready = status.conditions?.find(({ type }) => type === 'Ready');
  const [first] = claimedBy(service, baseDomain);
  const isReady = ready?.status === 'True';
  return {
    service: serviceKey(service),
    type: spec.serviceType,
    state,
    ...(activeBackends !== undefined && { active: activeBackends }),
    total: totalBackends,
    at: externalEndpoint ?? (first ? describeExposure(first) : ''),
    ...(isReady
      ? partlyDown(service)
      : { reason: ready?.reason ?? 'Pending', message: ready?.message ?? 'the controller has not seen it yet' }),
  };
}

function partsOf(client: KubeClient, namespace: string): Promise<Read<readonly PartStatus[]>> {
  return read(`list deployments and statefulsets in namespace ${namespace}`, async () => {
    const kinds = workloadResources.filter(({ kind }) => kind !== 'DaemonSet');
    const lists = await Promise.all(
      kinds.map(async (resource) =>
        (await client.list<Workload>(resource, { namespace })).items.map((each) => ({ ...each, kind: resource.kind })),
      ),
    );
    return lists.flat().map(({ kind, metadata: { name }, spec, status }) => ({
      name: `${kind} ${namespace}/${name}`,
      ready: status?.readyReplicas ?? 0,
      wanted: spec?.replicas ?? 1,
    }));
  });
}

/** What replicas measure, put together: sums of rates, the slowest p99. */
export function withMeasures(services: readonly ServiceStatus[], heard: readonly Heard<Summary>[]): ServiceStatus[] {
  const byService = Map.groupBy(
    heard.flatMap(({ answer }) => answer.services),
    ({ service }) => service,
  );
  return services.map((service) => ({ ...service, ...measuresOf(byService.get(service.service) ?? []) }));
}

function measuresOf(summaries: readonly ServiceSummary[]): Pick<ServiceStatus, 'perSecond' | 'current' | 'p99'> {
  if (summaries.length === 0) return {};
  const slowest = summaries.flatMap(({ p99 }) => p99 ?? []);
  return {
    perSecond: summaries.reduce((sum, each) => sum + each.perSecond, 0),
    current: summaries.reduce((sum, each) => sum + each.current, 0),
    ...(slowest.length > 0 && { p99: Math.max(...slowest) }),
  };
}

/** Of a gateway of this machine, whose services have no status. */
export function statusAtHome({ heard, problems }: { heard: readonly Heard<Summary>[]; problems: readonly string[] }, at: string): Status {
  const services = heard.flatMap(({ answer }) => answer.services);
  const rows = services.map(({ service, up, partial = 0, routed = 0, registered, unserved, closed }): ServiceStatus => {
    const isEmpty = up + routed === 0;
    const state = unserved ? 'NotServed' : isEmpty ? 'NoBackend' : up < registered || partial > 0 || closed ? 'Degraded' : 'Running';
    const why =
      unserved ?? closed ?? (isEmpty ? { reason: 'NoBackend', message: `none of ${registered} registered backends is up` } : undefined);
    return { service, type: '', state, active: up, total: registered, at: '', ...why };
  });
  return { at, parts: [], services: withMeasures(rows, heard), unknown: [...problems] };
}
