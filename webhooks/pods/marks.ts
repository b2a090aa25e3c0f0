/** What injection notes in annotation frp.io/injected, so that `uninject` can give the Pod back as it was. */
import { annotation as names, label } from '../../src/model/names.ts';
import type { CheckedPod } from './pod.ts';
import { isSidecar } from './sidecar.ts';

/** Parents that injection may have to create. */
export const parents = {
  metadata: '/metadata',
  annotations: '/metadata/annotations',
  labels: '/metadata/labels',
  initContainers: '/spec/initContainers',
  volumes: '/spec/volumes',
  readinessGates: '/spec/readinessGates',
  imagePullSecrets: '/spec/imagePullSecrets',
} as const;
type Parent = keyof typeof parents;

/** Parents and the gate that injection had to create: absent before, or null. */
export type Created = Record<string, 'absent' | 'null'>;
/** Stands in `Created` for the gate itself: a user may have written it. */
export const gateMark = 'readinessGate';

export interface Marks {
  created: Created;
  /** the user's own value of label frp.io/sidecar */
  label?: string;
  /** names that were added to spec.imagePullSecrets */
  pullSecrets?: readonly string[];
}

/** The marks of a Pod that has no sidecar yet. */
export function marksNow(pod: CheckedPod): Marks {
  const created: Created = {};
  const note = (parent: Parent, value: unknown) => {
    if (value == null) created[parents[parent]] = value === null ? 'null' : 'absent';
  };
  if (pod.metadata == null) note('metadata', pod.metadata);
  note('annotations', pod.metadata?.annotations);
  note('labels', pod.metadata?.labels);
  note('initContainers', pod.spec.initContainers);
  note('volumes', pod.spec.volumes);
  const own = pod.metadata?.labels?.[label.sidecar];
  return { created, ...(own !== undefined && { label: own }) };
}

/** The marks that an earlier injection left, where a sidecar of it is still there. */
export function marksBefore(pod: CheckedPod): Marks | undefined {
  if (!(pod.spec.initContainers ?? []).some(isSidecar)) return undefined;
  const injected = parsed(pod.metadata?.annotations?.[names.injected]);
  const { created, label: own, pullSecrets } = injected;
  return {
    created: typeof created === 'object' && created !== null ? (created as Created) : {},
    ...(typeof own === 'string' && { label: own }),
    ...(Array.isArray(pullSecrets) && { pullSecrets: pullSecrets.filter((name) => typeof name === 'string') }),
  };
}

function parsed(text: string | undefined): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text ?? '{}');
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
