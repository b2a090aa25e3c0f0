/** Takes sidecars out of a Pod again: the inverse of injection. */
import { annotation as names, label } from '../../src/model/names.ts';
import type { PatchOperation } from '../../src/model/json-patch.ts';
import { gateMark, marksBefore, parents, type Created } from './marks.ts';
import { isRegisteredGate, pointer } from './patch.ts';
import { shapeError, type CheckedPod } from './pod.ts';
import { isConfigAnnotation, isSidecar, isSidecarVolume } from './sidecar.ts';

/**
 * Operations that give the Pod back as it was before injection; empty for a Pod without a sidecar. Parents that
 * injection made go too, unless somebody else has put something into them.
 */
export function uninjectionPatch(pod: unknown): PatchOperation[] {
  if (shapeError(pod) !== undefined) return [];
  const checked = pod as CheckedPod;
  const marks = marksBefore(checked);
  if (!marks) return [];
  const { created, label: own, pullSecrets = [] } = marks;
  const { metadata, spec } = checked;
  const sidecars = new Set((spec.initContainers ?? []).filter(isSidecar).map(({ name }) => name));
  const isOurLabel = (key: string, value: string) => key === label.sidecar && value === 'injected';
  const removals = {
    [parents.annotations]: keysToRemove(metadata?.annotations, (key) => isConfigAnnotation(key) || key === names.injected),
    [parents.labels]: own === undefined ? keysToRemove(metadata?.labels, isOurLabel) : nothing,
    [parents.initContainers]: itemsToRemove(spec.initContainers, isSidecar),
    [parents.volumes]: itemsToRemove(spec.volumes, (volume) => isSidecarVolume(volume, sidecars)),
    [parents.readinessGates]: itemsToRemove(spec.readinessGates, (gate) => created[gateMark] !== undefined && isRegisteredGate(gate)),
    [parents.imagePullSecrets]: itemsToRemove(spec.imagePullSecrets, ({ name }) => name !== undefined && pullSecrets.includes(name)),
  };
  if (created[parents.metadata] !== undefined && isEmptied(metadata, removals)) {
    const { [parents.annotations]: _annotations, [parents.labels]: _labels, ...ofSpec } = removals;
    return [...operations(ofSpec, created), removal(parents.metadata, created[parents.metadata])];
  }
  const restored: PatchOperation[] =
    own !== undefined && metadata?.labels?.[label.sidecar] === 'injected' && own !== 'injected'
      ? [{ op: 'replace', path: `${parents.labels}/${pointer(label.sidecar)}`, value: own }]
      : [];
  return [...operations(removals, created), ...restored];
}

const operations = (removals: Record<string, Removal>, created: Created): PatchOperation[] =>
  Object.entries(removals).flatMap(([parent, { steps, left }]): PatchOperation[] => {
    if (steps.length === 0) return [];
    if (left === 0 && created[parent] !== undefined) return [removal(parent, created[parent])];
    return steps.map((step) => ({ op: 'remove', path: `${parent}/${step}` }));
  });

const removal = (path: string, before: Created[string] | undefined): PatchOperation =>
  before === 'null' ? { op: 'replace', path, value: null } : { op: 'remove', path };

/** Whether nothing would be left of metadata that injection made. */
const isEmptied = (metadata: CheckedPod['metadata'], removals: Record<string, Removal>): boolean =>
  Object.keys(metadata ?? {}).every((key) => ['annotations', 'labels'].includes(key)) &&
  removals[parents.annotations]!.left === 0 &&
  removals[parents.labels]!.left === 0;

const nothing: Removal = { steps: [], left: 0 };

interface Removal {
  steps: string[];
  /** how many entries stay */
  left: number;
}

function keysToRemove(map: Record<string, string> | null | undefined, isOurs: (key: string, value: string) => boolean): Removal {
  const entries = Object.entries(map ?? {});
  const steps = entries.filter(([key, value]) => isOurs(key, value)).map(([key]) => pointer(key));
  return { steps, left: entries.length - steps.length };
}

/** Indices from the last to the first, so that each is still right when its turn comes. */
function itemsToRemove<T>(list: readonly T[] | null | undefined, isOurs: (item: T) => boolean): Removal {
  const indices = (list ?? []).flatMap((item, index) => (isOurs(item) ? [index] : []));
  return { steps: indices.reverse().map(String), left: (list ?? []).length - indices.length };
}
