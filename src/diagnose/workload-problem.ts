/** What is wrong with a Deployment or StatefulSet of the installation: from its status, its Pods, and why Pods are not made. */
import type { Said } from './finding.ts';
import { itemsOf } from './read.ts';
import { hasLabels, isReady, podProblem } from './pod-problem.ts';
import { look, named, wrong } from './say.ts';
import type { Pod, Workload } from './shapes.ts';
import type { Place } from './snapshot.ts';
import { rolledBack } from './workload-of.ts';

/** @param apply command that makes it where it is missing */
export function workloadProblems(place: Place, kind: string, name: string, apply: string): readonly Said[] {
  return look(place.workloads, (workloads) => {
    const workload = workloads.find((each) => each.kind === kind && each.metadata.name === name);
    const object = { kind, namespace: place.name, name };
    if (!workload) return [wrong('WorkloadMissing', object, 'it is not there', apply)];
    const wanted = workload.spec?.replicas ?? 1;
    const scale = `kubectl -n ${place.name} scale ${kind.toLowerCase()}/${name} --replicas=2`;
    if (wanted === 0) return [wrong('ScaledToZero', object, 'it is scaled to 0', scale)];
    const ready = workload.status?.readyReplicas ?? 0;
    if (ready < wanted) return [notReady(place, workload, `${ready} of ${wanted} Pods are Ready`)];
    return stuckRollout(place, workload);
  });
}

/** Pods of before serve on while those of a change cannot run. */
function stuckRollout(place: Place, workload: Workload): readonly Said[] {
  const { replicas = 0, updatedReplicas = 0 } = workload.status ?? {};
  if (replicas <= updatedReplicas) return [];
  const found = podsOf(place, workload).flatMap((pod) => {
    const problem = podProblem(pod);
    return problem ? [{ ...problem, remedy: rolledBack(pod, [workload]) ?? problem.remedy }] : [];
  })[0];
  const text = `a change of ${workload.kind} ${workload.metadata.name} is not rolled out, and Pods of before serve on`;
  return found ? [{ ...found, message: `${text}: ${found.message}` }] : [];
}

function notReady(place: Place, workload: Workload, said: string): Said {
  const { name } = workload.metadata;
  const object = named(workload.kind, workload);
  const failure = workload.status?.conditions?.find(({ type, status }) => type === 'ReplicaFailure' && status === 'True');
  if (failure?.message?.includes('exceeded quota'))
    return wrong('QuotaExceeded', object, `${said}: ${failure.message}`, `kubectl -n ${place.name} describe resourcequota`);
  if (failure)
    return wrong(
      'WorkloadNotReady',
      object,
      `${said}: ${failure.message ?? failure.reason ?? ''}`,
      `kubectl -n ${place.name} describe ${workload.kind.toLowerCase()} ${name}`,
    );
  const pods = podsOf(place, workload);
  const [problem] = pods.flatMap((pod) => {
    const found = podProblem(pod);
    return found ? [{ ...found, remedy: rolledBack(pod, [workload]) ?? found.remedy }] : [];
  });
  if (problem) return { ...problem, message: `${said} of ${workload.kind} ${name}: ${problem.message}` };
  const late = pods.find((pod) => !isReady(pod));
  const remedy = late
    ? `kubectl -n ${place.name} describe pod ${late.metadata.name}`
    : `kubectl -n ${place.name} describe ${workload.kind.toLowerCase()} ${name}`;
  return wrong('WorkloadNotReady', object, said, remedy);
}

export const podsOf = (place: Place, { spec }: Workload): readonly Pod[] =>
  itemsOf(place.pods).filter(
    ({ metadata }) => metadata.deletionTimestamp === undefined && hasLabels(metadata.labels, spec?.selector?.matchLabels ?? { '': '' }),
  );

/** Containers that run frp-k8s itself, by image. */
const own: Readonly<Record<string, string>> = { 'frp-webhook': 'webhook', 'frp-controller': 'controller', 'frp-gateway': 'agent' };

export function imagesOf(workloads: readonly Workload[]): Map<string, string[]> {
  const images = new Map<string, string[]>();
  for (const { metadata, spec } of workloads) {
    const wanted = own[metadata.name];
    const containers = [...(spec?.template?.spec?.initContainers ?? []), ...(spec?.template?.spec?.containers ?? [])];
    const image = containers.find(({ name }) => name === wanted)?.image;
    if (image !== undefined) images.set(image, [...(images.get(image) ?? []), metadata.name]);
  }
  return images;
}
