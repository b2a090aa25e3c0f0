/** Which workload has made a Pod, and whether it can go back to what ran before. */
import type { Pod, Workload } from './shapes.ts';

/** @param workloads that were read @returns undefined of a Pod that none of them has made */
export function workloadOf({ metadata: { namespace, ownerReferences = [] } }: Pod, workloads: readonly Workload[]): Workload | undefined {
  const owner = ownerReferences.find(({ controller }) => controller === true);
  if (!owner) return undefined;
  const isSet = owner.kind === 'ReplicaSet';
  // A Deployment's ReplicaSet has its name and a hash.
  const [kind, name] = isSet ? ['Deployment', owner.name.slice(0, owner.name.lastIndexOf('-'))] : [owner.kind, owner.name];
  return workloads.find(({ kind: of, metadata }) => of === kind && metadata.name === name && metadata.namespace === namespace);
}

/**
 * Of a Pod that cannot run: the command that takes its Deployment back to what ran before. Pods of before serve as long as the new ones
 * do not become Ready, so nothing is lost by it.
 * @returns undefined where no other Pod of the Deployment is Ready, such as with its first rollout
 */
export function rolledBack(pod: Pod, workloads: readonly Workload[]): string | undefined {
  const workload = workloadOf(pod, workloads);
  const { readyReplicas = 0, replicas = 0, updatedReplicas = 0 } = workload?.status ?? {};
  if (workload?.kind !== 'Deployment' || readyReplicas === 0 || replicas <= updatedReplicas) return undefined;
  return `kubectl -n ${workload.metadata.namespace} rollout undo deployment/${workload.metadata.name}`;
}
