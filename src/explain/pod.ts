/** A Pod explained: what the injector decided, what the sidecar says, and what each replica of the gateway makes of it. */
import { read, unread, valueOf } from '../diagnose/read.ts';
import { podResource, type ContainerStatus, type Pod } from '../diagnose/shapes.ts';
import { UserError } from '../errors.ts';
import type { ServiceReport } from '../gateway/api/report-types.ts';
import { pathOf } from '../kube/types.ts';
import { usesGateway } from '../model/gateway.ts';
import { label, manager } from '../model/names.ts';
import { groupsOf } from '../../webhooks/pods/decide.ts';
import { outdatedGroups } from '../../webhooks/pods/outdated.ts';
import { groupsIn } from '../../webhooks/pods/sidecar.ts';
import { backendLine, accessLines, bounded, refusalLine, routeText } from './backend-lines.ts';
import { decisionLines, decisionOf, noteLines, type DecisionContext } from './decision-lines.ts';
import { bad, good, info, unknown, warn, type Explanation, type Line, type Section } from './explanation.ts';
import { askAll } from './reach.ts';
import { conditionLines } from './service.ts';
import { contextOf, type World } from './world.ts';

const logLines = 200;
const toldLines = 6;
/** Of frpc's log: warnings, errors, and what it says of logins and proxies. */
const telling = /\[[WE]\]|login to server|start proxy|refus|fail|error/i;

/** @throws UserError where there is no such Pod */
export async function explainPod(world: World, namespace: string, name: string): Promise<Explanation> {
  const found = await read(`get Pod ${namespace}/${name}`, () => world.client.get<Pod>(podResource, namespace, name));
  if (!('ok' in found)) throw new UserError(unread(found) ?? `there is no Pod ${namespace}/${name}`);
  const pod = found.ok;
  const { context, gaps } = await contextOf(world, namespace);
  const sidecars = sidecarsOf(pod);
  // One for each address of the gateway has the same groups.
  const groups = [...new Set(sidecars.flatMap(({ groups }) => [...groups.keys()]))];
  const [said, services] = await Promise.all([
    Promise.all(sidecars.map((sidecar) => sidecarLines(world, pod, sidecar.name))),
    Promise.all(groups.map((group) => serviceSections(world, context, pod, group))),
  ]);
  return {
    subject: { kind: 'Pod', namespace, name },
    sections: [
      { title: 'Injection', lines: [...world.gaps, ...gaps, ...injectionLines(pod, sidecars.length > 0, context)] },
      { title: 'Sidecar', lines: said.flat() },
      ...services.flat(),
    ],
  };
}

const sidecarsOf = ({ spec }: Pod) =>
  (spec?.initContainers ?? [])
    .map((container) => ({ name: container.name, groups: groupsIn(container as Parameters<typeof groupsIn>[0]) }))
    .filter(({ groups }) => groups.size > 0);

/** @returns the service whose connector the Pod is of */
const connectorOf = ({ metadata: { labels = {} } }: Pod): string | undefined =>
  labels[label.managedBy] === manager && labels[label.component] === 'connector' ? labels[label.service] : undefined;

/** The decision is made again, from the Pod as it is and the services as they are. */
export function injectionLines(pod: Pod, hasSidecar: boolean, context: DecisionContext): Line[] {
  const { namespace, name } = pod.metadata;
  const connector = connectorOf(pod);
  if (connector !== undefined)
    return [info(`the connector of ${namespace}/${connector}: it dials the backends, and is no Pod that is injected`)];
  const decision = decisionOf(pod, context);
  const restart = `kubectl -n ${namespace} delete pod ${name}, or restart its workload`;
  if (!hasSidecar)
    return decision.outcome === 'patched'
      ? [
          bad(
            `the Pod has no sidecar, and would get one today (${decision.message}): it was created while the webhooks were not asked`,
            'PodNotInjected',
            restart,
          ),
        ]
      : decisionLines(decision);
  if (decision.outcome !== 'patched') return decisionLines(decision);
  const outdated = outdatedGroups(pod, context.services, context.config);
  const groups = groupsOf(pod, context).join(', ');
  const notes = noteLines(decision.warnings);
  if (outdated.length === 0) return [good(`injected for ${groups}`), ...notes];
  return [
    warn(`injected for ${groups}; what it has of ${outdated.join(', ')} is older than the service`, 'PodsOutdated', restart),
    ...notes,
  ];
}

async function sidecarLines({ client }: World, pod: Pod, container: string): Promise<Line[]> {
  const { namespace = '', name } = pod.metadata;
  const status = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])].find(
    (each) => each.name === container,
  );
  const path = `${pathOf(podResource, namespace, name)}/log?container=${encodeURIComponent(container)}&tailLines=${logLines}`;
  const log = await read(`get pods/log in namespace ${namespace}`, () => client.text(path));
  const told = (valueOf(log) ?? '')
    .split('\n')
    // frpc colours its lines where nobody has told it not to.
    .map((line) => line.replaceAll(/\u001b\[[0-9;]*m/g, '').trimEnd())
    .filter((line) => telling.test(line))
    .slice(-toldLines);
  // Of a container that has not started there is no log, which its state says already.
  const why = status?.state?.waiting === undefined ? unread(log) : undefined;
  return [
    stateLine(container, status),
    ...told.map((line) => info(`${container}: ${line.slice(0, 300)}`)),
    ...(why === undefined ? [] : [unknown(why)]),
  ];
}

export function stateLine(container: string, status: ContainerStatus | undefined): Line {
  if (!status) return unknown(`${container}: the kubelet has not said anything of it yet`);
  const { ready, restartCount = 0, state = {}, lastState } = status;
  const again =
    restartCount === 0
      ? ''
      : `, restarted ${restartCount} times${lastState?.terminated ? `, last after ${lastState.terminated.reason ?? 'its end'} (exit code ${lastState.terminated.exitCode ?? 0})` : ''}`;
  if (state.waiting)
    return bad(`${container} waits: ${[state.waiting.reason, state.waiting.message].filter(Boolean).join(': ')}${again}`, 'SidecarWaiting');
  if (state.terminated)
    return bad(`${container} has ended: ${state.terminated.reason ?? ''} (exit code ${state.terminated.exitCode ?? 0})${again}`);
  return ready
    ? good(`${container} runs${again}`)
    : warn(`${container} runs and is not ready: it waits for the app, or for the server${again}`, 'SidecarWaiting');
}

async function serviceSections(world: World, context: DecisionContext, pod: Pod, group: string): Promise<Section[]> {
  const { namespace = '', name } = pod.metadata;
  const title = `Service ${namespace}/${group}`;
  const service = context.services.get(namespace, group);
  if (!service) return [{ title, lines: [bad(`there is no DistributedService ${namespace}/${group}`, 'UnknownGroup')] }];
  const stored = service.status?.endpoints?.find((endpoint) => endpoint.name === name);
  const word =
    stored?.healthy === undefined
      ? []
      : [
          stored.healthy
            ? good('healthy, by the status of the service')
            : bad(`not healthy, by the status of the service: ${stored.reason ?? 'no reason is known'}`, 'BackendUnhealthy'),
        ];
  if (!usesGateway(service.spec, context.config))
    return [{ title, lines: [...word, ...conditionLines(service), info('it goes through the plain frp server, which tells no more')] }];
  const { heard, problems } = await askAll<ServiceReport>(world.reach, `/api/services/${namespace}/${group}`);
  const atReplicas = heard.flatMap(({ replica, answer }) => registrationLines(answer, { replica, pod, now: world.now }));
  const any = heard[0]?.answer;
  return [
    { title, lines: [...word, ...conditionLines(service), ...atReplicas, ...problems.map((problem) => unknown(problem))] },
    {
      title: `Routes to ${namespace}/${group}`,
      lines: bounded(
        (any?.routes ?? []).map((route) => info(routeText(route, `${namespace}/${group}`))),
        'route',
      ),
    },
    { title: `Who may use ${namespace}/${group}`, lines: any ? accessLines(any) : [] },
  ];
}

/** A sidecar registers once the app's port takes a connection: its startup ends then. */
function notRegistered({ metadata: { namespace, name }, status }: Pod, replica: string): Line {
  const isWaiting = status?.initContainerStatuses?.some(
    ({ name: of, started, state }) => /^frpc/.test(of) && started === false && state?.running,
  );
  const text = `${replica}: its sidecar is not registered there`;
  return isWaiting
    ? bad(
        `${text}: it waits until the app's port takes a connection`,
        'AppNotListening',
        `see whether the app listens, and at which port: kubectl -n ${namespace} logs ${name}`,
      )
    : bad(`${text}, and was not refused of late: it has not come as far`, 'NotRegistered');
}

/** What one replica says of one Pod. */
function registrationLines(report: ServiceReport, { replica, pod, now }: { replica: string; pod: Pod; now: number }): Line[] {
  const { name, uid } = pod.metadata;
  const backends = report.backends.filter(
    ({ pod: of, proxy, cluster }) => cluster === undefined && of === name && (uid === undefined || proxy.endsWith(uid)),
  );
  const refusals = report.refusals.filter(({ pod: of, cluster }) => cluster === undefined && of === name);
  const unserved = report.unserved && bad(`${replica}: ${report.unserved.message}`, report.unserved.reason);
  const missing = backends.length + refusals.length > 0 ? [] : [notRegistered(pod, replica)];
  return [
    ...(unserved ? [unserved] : []),
    ...backends.map((backend) => backendLine(backend, replica, now)),
    ...missing,
    ...refusals.map((refusal) => refusalLine(refusal, replica, now)),
  ];
}
