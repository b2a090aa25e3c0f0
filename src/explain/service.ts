/** A DistributedService explained: its status, and what each replica of the gateway makes of it. */
import { isWithoutPods, whyNoPods } from '../diagnose/no-pods.ts';
import { closest } from '../closest.ts';
import { read, unread, valueOf } from '../diagnose/read.ts';
import { UserError } from '../errors.ts';
import type { ServiceReport } from '../gateway/api/report-types.ts';
import { distributedServices } from '../kube/types.ts';
import { describeExposure, exposuresOf } from '../model/exposure.ts';
import { usesGateway } from '../model/gateway.ts';
import type { DistributedService } from '../model/types.ts';
import { accessLines, backendLine, bounded, refusalLine, routeText, trafficText } from './backend-lines.ts';
import { bad, good, info, unknown, warn, type Explanation, type Line, type Section } from './explanation.ts';
import { countText } from './numbers.ts';
import { partlyDown } from './partly-down.ts';
import { askAll, type Heard } from './reach.ts';
import { aroundOf, type World } from './world.ts';

/** @throws UserError where there is no such service */
export async function explainService(world: World, namespace: string, name: string): Promise<Explanation> {
  const { client, config, now, gaps, reach } = world;
  const key = `${namespace}/${name}`;
  const found = await read(`get DistributedService ${key}`, () => client.get<DistributedService>(distributedServices, namespace, name));
  if (!('ok' in found)) throw new UserError(unread(found) ?? (await noSuchService(world, namespace, name)));
  const service = found.ok;
  const subject = { kind: 'DistributedService', namespace, name };
  const status = { title: 'Status', lines: [...gaps, ...statusLines(service), ...(await noPodsLines(world, service))] };
  const places = exposuresOf(service.spec, config.baseDomain).map((exposure) => info(describeExposure(exposure)));
  if (!usesGateway(service.spec, config))
    return { subject, sections: [status, { title: 'Reached at', lines: places }, { title: 'Backends', lines: endpointLines(service) }] };
  const { heard, problems } = await askAll<ServiceReport>(reach, `/api/services/${key}`);
  const silent = problems.map((problem) => unknown(problem));
  if (heard.length === 0)
    return {
      subject,
      sections: [status, { title: 'Reached at', lines: places }, { title: 'Backends', lines: [...endpointLines(service), ...silent] }],
    };
  const sections = [status, ...reportSections(key, heard, now), { title: 'Not known', lines: silent }];
  return { subject, sections };
}

/** With the service that was probably meant: of this namespace, or of the name in another one. */
async function noSuchService({ client }: World, namespace: string, name: string): Promise<string> {
  const listed = await read('list distributedservices', () => client.list<DistributedService>(distributedServices));
  const all = (valueOf(listed)?.items ?? []).map(({ metadata }) => metadata);
  const near = closest(
    name,
    all.filter((each) => each.namespace === namespace).map((each) => each.name),
  );
  const other = all.find((each) => each.name === name)?.namespace;
  const meant = near === undefined ? other && `${other}/${name}` : `${namespace}/${near}`;
  return `there is no DistributedService ${namespace}/${name}${meant === undefined ? '' : `; did you mean ${meant}?`}`;
}

/** Which workload should have made its Pods, and why it has not, as `check` says it. */
async function noPodsLines(world: World, service: DistributedService): Promise<Line[]> {
  if (!isWithoutPods(service)) return [];
  const { around, gaps } = await aroundOf(world, service.metadata.namespace ?? '');
  const why = whyNoPods(service, around);
  return [...(why ? [bad(why.message, why.reason, why.remedy)] : []), ...gaps];
}

/** What replicas say of a service. @param key namespace/name */
export function reportSections(key: string, heard: readonly Heard<ServiceReport>[], now: number): Section[] {
  const any = heard[0]?.answer;
  const routes = any && any.routes.length > 0 ? any.routes.map((route) => routeText(route, key)) : (any?.exposures ?? []);
  const backends = heard.flatMap(({ replica, answer }) => [
    ...(answer.unserved ? [bad(`${replica}: ${answer.unserved.message}`, answer.unserved.reason)] : []),
    ...(answer.closed ? [bad(`${replica}: ${answer.closed.message}`, answer.closed.reason)] : []),
    info(`${replica}: ${answer.up} of ${countText(answer.registered, 'backend')} up, ${answer.algorithm}, ${trafficText(answer)}`),
    ...bounded(
      sickFirst(answer).map((backend) => backendLine(backend, replica, now)),
      'backend',
    ),
  ]);
  const refusals = heard.flatMap(({ replica, answer }) => answer.refusals.map((refusal) => refusalLine(refusal, replica, now)));
  return [
    {
      title: 'Reached at',
      lines: bounded(
        routes.map((route) => info(route)),
        'route',
      ),
    },
    { title: 'Who may use it', lines: any ? accessLines(any) : [] },
    { title: 'Backends', lines: backends },
    { title: 'Last refusals', lines: bounded(refusals, 'refusal') },
  ];
}

/** Whoever asks wants to know of these. */
const sickFirst = ({ backends }: ServiceReport) =>
  [...backends].sort((a, b) => Number(a.state === 'up') - Number(b.state === 'up') || (a.pod < b.pod ? -1 : 1));

function statusLines(service: DistributedService): Line[] {
  const { status, metadata } = service;
  if (!status?.state) return [unknown('the controller has not seen it yet')];
  const { state, activeBackends, totalBackends } = status;
  const count =
    activeBackends === undefined ? 'health not known' : `${activeBackends} of ${countText(totalBackends ?? 0, 'backend')} in use`;
  const line = `${state}, ${count}`;
  const isCurrent = metadata.generation === undefined || status.observedGeneration === metadata.generation;
  return [
    state === 'Running' ? good(line) : info(line),
    ...(isCurrent ? [] : [unknown('the status is of an older version of the service: the controller is behind, or does not run')]),
    ...conditionLines(service),
  ];
}

/** Conditions that tell of something wrong or not known; of a service that is well: that it serves. */
export function conditionLines(service: DistributedService): Line[] {
  const { status } = service;
  const conditions = (status?.conditions ?? []).filter(({ type }) => type !== 'Ready');
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  const told = conditions.flatMap(({ type, status: is, reason, message }): Line[] => {
    const isWrong = type === 'SpecDiffers' || type === 'TunnelsRefused' ? is === 'True' : is === 'False';
    if (isWrong) return [bad(`${type}, ${reason}: ${message}`, reason)];
    return is === 'Unknown' ? [{ ...bad(`${type}, ${reason}: ${message}`, reason), level: 'unknown' }] : [];
  });
  const some = partlyDown(service);
  if (some !== undefined) return [warn(`BackendsAvailable: ${some.message}`, some.reason), ...told];
  return told.length === 0 && ready?.status === 'True' ? [good(`Ready: ${ready.message}`)] : told;
}

const endpointLines = ({ status }: DistributedService): Line[] =>
  bounded(
    (status?.endpoints ?? []).map(({ name = '', address = '', port, healthy, reason }) => {
      const at = address === '' ? '' : ` (${address}${port === undefined ? '' : `:${port}`})`;
      return healthy
        ? good(`${name}${at} is healthy`)
        : bad(`${name}${at} is not healthy${reason === undefined ? '' : `: ${reason}`}`, 'BackendUnhealthy');
    }),
    'backend',
  );
