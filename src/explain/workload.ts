/** A workload explained: what the injector decides about its template, and how each of its Pods is. */
import { read, unread, valueOf } from '../diagnose/read.ts';
import { heldBack, readyOf, wantedOf } from '../diagnose/held-back.ts';
import { podResource, workloadResources, type Pod, type Workload } from '../diagnose/shapes.ts';
import { UserError } from '../errors.ts';
import type { Resource } from '../kube/types.ts';
import { annotation } from '../model/names.ts';
import { misplacedGroup } from '../../webhooks/workloads/decide.ts';
import { bounded } from './backend-lines.ts';
import { decisionLines, decisionOf, type DecisionContext } from './decision-lines.ts';
import { bad, good, info, unknown, warn, type Explanation, type Line } from './explanation.ts';
import { injectionLines, stateLine } from './pod.ts';
import { aroundOf, contextOf, type World } from './world.ts';

const pointer = '/spec/template';

/** @param kind Deployment, StatefulSet or DaemonSet @throws UserError where there is no such workload */
export async function explainWorkload(world: World, kind: string, namespace: string, name: string): Promise<Explanation> {
  const resource: Resource<Workload> = workloadResources.find((each) => each.kind === kind)!;
  const found = await read(`get ${kind} ${namespace}/${name}`, () => world.client.get(resource, namespace, name));
  if (!('ok' in found)) throw new UserError(unread(found) ?? `there is no ${kind} ${namespace}/${name}`);
  const workload: Workload = { ...found.ok, kind };
  const template = { pod: workload.spec?.template, pointer };
  const { context, gaps } = await contextOf(world, namespace);
  const labels = Object.entries(workload.spec?.selector?.matchLabels ?? {}).map(([key, value]) => `${key}=${value}`);
  const listed = await read(`list pods in namespace ${namespace}`, () =>
    world.client.list<Pod>(podResource, { namespace, ...(labels.length > 0 && { labelSelector: labels.join(',') }) }),
  );
  const why = unread(listed);
  const misplaced = misplacedGroup(workload, template);
  return {
    subject: { kind, namespace, name },
    sections: [
      {
        title: 'Injection of its Pods',
        lines: [
          ...world.gaps,
          ...gaps,
          ...(misplaced === undefined ? [] : [bad(misplaced, 'AnnotationMisplaced')]),
          ...decisionLines(decisionOf(template.pod, context)),
        ],
      },
      { title: 'Rollout', lines: await rolloutLines(world, workload, context) },
      {
        title: 'Pods',
        lines: [
          ...bounded(
            (valueOf(listed)?.items ?? []).map((pod) => podLine(pod, injectionLines(pod, hasSidecar(pod), context))),
            'Pod',
          ),
          ...(why === undefined ? [] : [unknown(why)]),
        ],
      },
    ],
  };
}

const hasSidecar = ({ spec }: Pod): boolean => (spec?.initContainers ?? []).some(({ name }) => /^frpc(-[1-9][0-9]*)?$/.test(name));

/** Why its Pods are not made, as `check` says it. */
async function rolloutLines(world: World, workload: Workload, context: DecisionContext): Promise<Line[]> {
  const [ready, wanted] = [readyOf(workload), wantedOf(workload)];
  const line = `${ready} of ${wanted} Pods ready`;
  const conditions = workload.status?.conditions ?? [];
  const isHeld = conditions.some(({ type, status: is }) => type === 'ReplicaFailure' && is === 'True');
  if (ready >= wanted && wanted > 0 && !isHeld) return [good(line)];
  const { around, gaps } = await aroundOf(world, context.namespace);
  const held = heldBack(workload, around, context);
  const failures = conditions.filter(
    ({ type, status: is }) => (!held && type === 'ReplicaFailure' && is === 'True') || (type === 'Progressing' && is === 'False'),
  );
  return [
    warn(line),
    ...(held ? [bad(held.why, held.reason, held.remedy)] : []),
    ...failures.map(({ type, message = '' }) => bad(`${type}: ${message}`)),
    ...gaps,
  ];
}

/** The worst of what is known of a Pod at a glance, and where more is said. */
function podLine({ metadata: { name, namespace, annotations }, status }: Pod, injection: readonly Line[]): Line {
  const sidecars = (status?.initContainerStatuses ?? [])
    .filter((each) => /^frpc(-[1-9][0-9]*)?$/.test(each.name))
    .map((each) => stateLine(each.name, each));
  const all = [...injection, ...sidecars];
  const worst =
    all.find(({ level }) => level === 'error') ??
    all.find(({ level }) => level === 'warning') ??
    all.find(({ level }) => level === 'unknown');
  const groups = annotations?.[annotation.group];
  if (!worst)
    return (all[0]?.level === 'info' ? info : good)(`${name}: ${all[0]?.text ?? ''}${groups === undefined ? '' : ', its sidecar runs'}`);
  return { ...worst, text: `${name}: ${worst.text}`, remedy: `frp-k8s explain pod ${name} -n ${namespace}` };
}
