/** Takes sidecars out of a Pod again: the inverse of injection. */
import { annotation as names, label } from '../../src/model/names.ts';
import type { PatchOperation } from '../../src/model/json-patch.ts';
import { createdBefore, gateMark, isRegisteredGate, parents, pointer } from './patch.ts';
import { shapeError, type CheckedPod } from './pod.ts';
import { isConfigAnnotation, isSidecar, isSidecarVolume } from './sidecar.ts';

/**
 * Operations that give the Pod back as it was before injection; empty for a Pod without a sidecar. Parents that
 * injection made go too, unless somebody else has put something into them.
 */
export function uninjectionPatch(pod: unknown): PatchOperation[] {
  if (shapeError(pod) !== undefined) return [];
  const checked = pod as CheckedPod;
  const created = createdBefore(checked);
  if (!created) return [];
  const { metadata, spec } = checked;
  const sidecars = new Set((spec.initContainers ?? []).filter(isSidecar).map(({ name }) => name));
  const keysLeft = {
    [parents.annotations]: keysToRemove(metadata?.annotations, (key) => isConfigAnnotation(key) || key === names.injected),
    [parents.labels]: keysToRemove(metadata?.labels, (key, value) => key === label.sidecar && value === 'injected'),
    [parents.initContainers]: itemsToRemove(spec.initContainers, isSidecar),
    [parents.volumes]: itemsToRemove(spec.volumes, (volume) => isSidecarVolume(volume, sidecars)),
    [parents.readinessGates]: itemsToRemove(spec.readinessGates, (gate) => created[gateMark] !== undefined && isRegisteredGate(gate)),
  };
  return Object.entries(keysLeft).flatMap(([parent, { steps, left }]): PatchOperation[] => {
    if (steps.length === 0) return [];
    if (left === 0 && created[parent] === 'absent') return [{ op: 'remove', path: parent }];
    if (left === 0 && created[parent] === 'null') return [{ op: 'replace', path: parent, value: null }];
    return steps.map((step) => ({ op: 'remove', path: `${parent}/${step}` }));
  });
}

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
