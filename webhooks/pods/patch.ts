/**
 * Patch operations, written directly: the cost depends on the sidecar, never on the Pod, and nothing of the user's is
 * touched. A Pod that has the pieces already gets operations for what differs only, so a second injection is empty.
 */
import { annotation as names, label, registeredGate } from '../../src/model/names.ts';
import type { PatchOperation } from '../../src/model/json-patch.ts';
import type { CheckedPod, Container, Volume } from './pod.ts';
import { isConfigAnnotation, isSidecar, isSidecarVolume, type Sidecar } from './sidecar.ts';

/** What injection wants to be true of a Pod. */
export interface Wanted {
  sidecars: readonly Sidecar[];
  /** whether the Pod is to wait for its registration (readiness gate frp.io/registered) */
  isGated: boolean;
  /** content of annotation frp.io/injected, but for `created` */
  injected: Record<string, unknown>;
}

/** Parents and the gate that injection had to create, so that `uninject` can take them away again: absent before, or null. */
export type Created = Record<string, 'absent' | 'null'>;

export const parents = {
  annotations: '/metadata/annotations',
  labels: '/metadata/labels',
  initContainers: '/spec/initContainers',
  volumes: '/spec/volumes',
  readinessGates: '/spec/readinessGates',
} as const;
/** Stands in `Created` for the gate itself: a user may have written it. */
export const gateMark = 'readinessGate';
type Parent = keyof typeof parents;

/** Operations that make `wanted` true. RFC 6902; list indices are right when applied in order. */
export function injectionPatch(pod: CheckedPod, wanted: Wanted): PatchOperation[] {
  const gate = gateOperations(pod, wanted.isGated, createdBefore(pod) ?? createdNow(pod));
  const { created } = gate;
  const injected = JSON.stringify({ ...wanted.injected, ...(Object.keys(created).length > 0 && { created }) });
  const sameDecision = pod.metadata?.annotations?.[names.injected] === injected;
  return [
    ...containerOperations(
      pod,
      wanted.sidecars.map(({ container }) => container),
      sameDecision,
    ),
    ...volumeOperations(
      pod,
      wanted.sidecars.flatMap(({ volumes }) => volumes),
    ),
    ...annotationOperations(pod, {
      ...Object.fromEntries(wanted.sidecars.map(({ annotation }) => annotation)),
      [names.injected]: injected,
    }),
    ...labelOperations(pod),
    ...gate.operations,
  ];
}

/** Adds the gate where it is wanted, and takes one of ours away where it no longer is. A gate that a user wrote stays. */
function gateOperations({ spec }: CheckedPod, isWanted: boolean, before: Created): { operations: PatchOperation[]; created: Created } {
  const { [gateMark]: mark, [parents.readinessGates]: parent, ...rest } = before;
  const gates = spec.readinessGates;
  const index = gates?.findIndex(isRegisteredGate) ?? -1;
  const isOurs = index >= 0 && mark !== undefined;
  if (isWanted === index >= 0 || (index >= 0 && !isOurs)) return { operations: [], created: index >= 0 ? before : rest };
  if (isOurs) return { operations: gateRemoval(gates!, index, parent), created: rest };
  const value = { conditionType: registeredGate };
  const made: Created = {
    ...rest,
    ...(gates == null && { [parents.readinessGates]: gates === null ? 'null' : 'absent' }),
    [gateMark]: 'absent',
  };
  const path = gates == null ? parents.readinessGates : `${parents.readinessGates}/-`;
  return { operations: [{ op: 'add', path, value: gates == null ? [value] : value }], created: made };
}

export const isRegisteredGate = ({ conditionType }: { conditionType?: string }): boolean => conditionType === registeredGate;

function gateRemoval(gates: readonly object[], index: number, parent: Created[string] | undefined): PatchOperation[] {
  if (gates.length > 1 || parent === undefined) return [{ op: 'remove', path: `${parents.readinessGates}/${index}` }];
  if (parent === 'null') return [{ op: 'replace', path: parents.readinessGates, value: null }];
  return [{ op: 'remove', path: parents.readinessGates }];
}

function createdNow(pod: CheckedPod): Created {
  const created: Created = {};
  const note = (parent: Parent, value: unknown) => {
    if (value == null) created[parents[parent]] = value === null ? 'null' : 'absent';
  };
  note('annotations', pod.metadata?.annotations);
  note('labels', pod.metadata?.labels);
  note('initContainers', pod.spec.initContainers);
  note('volumes', pod.spec.volumes);
  return created;
}

/** The parents that an earlier injection noted, where a sidecar of it is still there. */
export function createdBefore(pod: CheckedPod): Created | undefined {
  if (!(pod.spec.initContainers ?? []).some(isSidecar)) return undefined;
  try {
    const injected = JSON.parse(pod.metadata?.annotations?.[names.injected] ?? '{}') as { created?: Created };
    return typeof injected === 'object' && injected !== null ? (injected.created ?? {}) : {};
  } catch {
    return {};
  }
}

function containerOperations(pod: CheckedPod, wanted: readonly Container[], sameDecision: boolean): PatchOperation[] {
  const existing = pod.spec.initContainers;
  if (existing == null) return [{ op: 'add', path: parents.initContainers, value: wanted }];
  const operations: PatchOperation[] = [];
  const stale: number[] = [];
  const missing = new Map(wanted.map((container) => [container.name, container]));
  for (const [index, container] of existing.entries()) {
    if (!isSidecar(container)) continue;
    const value = missing.get(container.name);
    missing.delete(container.name);
    if (!value) stale.push(index);
    else if (!covers(container, value, sameDecision)) operations.push({ op: 'replace', path: `${parents.initContainers}/${index}`, value });
  }
  for (const index of stale.reverse()) operations.push({ op: 'remove', path: `${parents.initContainers}/${index}` });
  let position = 0;
  for (const value of missing.values()) operations.push({ op: 'add', path: `${parents.initContainers}/${position++}`, value });
  return operations;
}

/**
 * Whether a container that is there says all that the wanted one says; the API server and other webhooks add fields.
 * After the same decision the image and the resources may differ too: a registry mirror or a limit range changed them.
 */
function covers(container: Container, wanted: Container, sameDecision: boolean): boolean {
  const exempt = sameDecision ? ['image', 'resources'] : [];
  return Object.entries(wanted).every(([field, value]) => exempt.includes(field) || contains(container[field], value));
}

function volumeOperations(pod: CheckedPod, wanted: readonly Volume[]): PatchOperation[] {
  const existing = pod.spec.volumes;
  if (existing == null) return [{ op: 'add', path: parents.volumes, value: wanted }];
  const sidecars = new Set((pod.spec.initContainers ?? []).filter(isSidecar).map(({ name }) => name));
  const operations: PatchOperation[] = [];
  const stale: number[] = [];
  const missing = new Map(wanted.map((volume) => [volume.name, volume]));
  for (const [index, volume] of existing.entries()) {
    const value = missing.get(volume.name);
    if (!value && !isSidecarVolume(volume, sidecars)) continue;
    missing.delete(volume.name);
    if (!value) stale.push(index);
    else if (!contains(volume, value)) operations.push({ op: 'replace', path: `${parents.volumes}/${index}`, value });
  }
  for (const index of stale.reverse()) operations.push({ op: 'remove', path: `${parents.volumes}/${index}` });
  for (const value of missing.values()) operations.push({ op: 'add', path: `${parents.volumes}/-`, value });
  return operations;
}

function annotationOperations(pod: CheckedPod, wanted: Record<string, string>): PatchOperation[] {
  const existing = pod.metadata?.annotations;
  if (existing == null) return [{ op: 'add', path: parents.annotations, value: wanted }];
  const stale = Object.keys(existing).filter((key) => isConfigAnnotation(key) && !(key in wanted));
  return [
    ...stale.map((key): PatchOperation => ({ op: 'remove', path: `${parents.annotations}/${pointer(key)}` })),
    ...Object.entries(wanted)
      .filter(([key, value]) => existing[key] !== value)
      .map(([key, value]): PatchOperation => ({ op: 'add', path: `${parents.annotations}/${pointer(key)}`, value })),
  ];
}

function labelOperations(pod: CheckedPod): PatchOperation[] {
  const existing = pod.metadata?.labels;
  if (existing == null) return [{ op: 'add', path: parents.labels, value: { [label.sidecar]: 'injected' } }];
  if (existing[label.sidecar] === 'injected') return [];
  return [{ op: 'add', path: `${parents.labels}/${pointer(label.sidecar)}`, value: 'injected' }];
}

/** A key as a step of a JSON pointer, RFC 6901. */
export const pointer = (key: string): string => key.replaceAll('~', '~0').replaceAll('/', '~1');

/** Whether `actual` has everything of `wanted`; lists of named things (env, mounts) may hold more. */
function contains(actual: unknown, wanted: unknown): boolean {
  if (Array.isArray(wanted)) {
    if (!Array.isArray(actual)) return false;
    const key = ['mountPath', 'name'].find(
      (candidate) => wanted.length > 0 && wanted.every((item: unknown) => isRecord(item) && candidate in item),
    );
    if (key === undefined) return actual.length === wanted.length && wanted.every((item, index) => contains(actual[index], item));
    return wanted.every((item: Record<string, unknown>) =>
      contains(
        actual.find((other: unknown) => isRecord(other) && other[key] === item[key]),
        item,
      ),
    );
  }
  if (isRecord(wanted)) return isRecord(actual) && Object.entries(wanted).every(([key, value]) => contains(actual[key], value));
  return actual === wanted;
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
