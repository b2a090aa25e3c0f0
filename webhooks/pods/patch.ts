/**
 * Patch operations, written directly: the cost depends on the sidecar, never on the Pod, and nothing of the user's is
 * touched. A Pod that has the pieces already gets operations for what differs only, so a second injection is empty.
 */
import { annotation as names, label, registeredGate } from '../../src/model/names.ts';
import type { PatchOperation } from '../../src/model/json-patch.ts';
import { gateMark, marksBefore, marksNow, parents, type Created, type Marks } from './marks.ts';
import type { CheckedPod, Container, Volume } from './pod.ts';
import { isConfigAnnotation, isSidecar, isSidecarVolume, type Sidecar } from './sidecar.ts';

/** What injection wants to be true of a Pod. */
export interface Wanted {
  sidecars: readonly Sidecar[];
  /** whether the Pod is to wait for its registration (readiness gate frp.io/registered) */
  isGated: boolean;
  /** names of Secrets that the Pod's spec.imagePullSecrets is to have */
  pullSecrets: readonly string[];
  /** content of annotation frp.io/injected, but for the marks */
  injected: Record<string, unknown>;
}

/** Operations that make `wanted` true. RFC 6902; list indices are right when applied in order. */
export function injectionPatch(pod: CheckedPod, wanted: Wanted): PatchOperation[] {
  const before = marksBefore(pod) ?? marksNow(pod);
  const gate = gateOperations(pod, wanted.isGated, before.created);
  const secrets = pullSecretOperations(pod, wanted.pullSecrets, { ...before, created: gate.created });
  const { created, ...marks } = secrets.marks;
  const injected = JSON.stringify({ ...wanted.injected, ...(Object.keys(created).length > 0 && { created }), ...marks });
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
    ...(pod.metadata == null ? [{ op: 'add', path: parents.metadata, value: {} } as const] : []),
    ...annotationOperations(pod, {
      ...Object.fromEntries(wanted.sidecars.map(({ annotation }) => annotation)),
      [names.injected]: injected,
    }),
    ...labelOperations(pod),
    ...gate.operations,
    ...secrets.operations,
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

/** Adds the names that are missing, and takes those of ours away that are no longer wanted. */
function pullSecretOperations(
  { spec }: CheckedPod,
  wanted: readonly string[],
  { pullSecrets: ours = [], ...rest }: Marks,
): { operations: PatchOperation[]; marks: Marks } {
  const path = parents.imagePullSecrets;
  const existing = spec.imagePullSecrets ?? [];
  const names = existing.map(({ name }) => name);
  const missing = wanted.filter((name) => !names.includes(name));
  const kept = ours.filter((name) => names.includes(name) && wanted.includes(name));
  const stale = existing.flatMap(({ name }, index) => (name !== undefined && ours.includes(name) && !wanted.includes(name) ? [index] : []));
  const pullSecrets = [...kept, ...missing];
  const marks: Marks = { ...rest, ...(pullSecrets.length > 0 && { pullSecrets }) };
  const values = missing.map((name) => ({ name }));
  if (spec.imagePullSecrets == null) {
    if (missing.length === 0) return { operations: [], marks };
    const created: Created = { ...rest.created, [path]: spec.imagePullSecrets === null ? 'null' : 'absent' };
    return { operations: [{ op: 'add', path, value: values }], marks: { ...marks, created } };
  }
  const operations: PatchOperation[] = [
    ...stale.reverse().map((index): PatchOperation => ({ op: 'remove', path: `${path}/${index}` })),
    ...values.map((value): PatchOperation => ({ op: 'add', path: `${path}/-`, value })),
  ];
  return { operations, marks };
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
    const path = `${parents.initContainers}/${index}`;
    if (!value) stale.push(index);
    else if (sameDecision) operations.push(...healed(container, value, path));
    else if (!covers(container, value)) operations.push({ op: 'replace', path, value });
  }
  for (const index of stale.reverse()) operations.push({ op: 'remove', path: `${parents.initContainers}/${index}` });
  let position = 0;
  for (const value of missing.values()) operations.push({ op: 'add', path: `${parents.initContainers}/${position++}`, value });
  return operations;
}

/** Whether a container that is there says all that the wanted one says; the API server and other webhooks add fields. */
const covers = (container: Container, wanted: Container): boolean =>
  Object.entries(wanted).every(([field, value]) => contains(container[field], value)) &&
  (container.lifecycle == null || wanted.lifecycle !== undefined);

/**
 * After the same decision other webhooks have changed the container since: what one of them dropped comes back, and the
 * rest stays. The image and the resources may differ: a registry mirror or a limit range changed them.
 */
const healed = (container: Container, wanted: Container, path: string): PatchOperation[] =>
  Object.entries(wanted)
    .filter(([field, value]) => !['image', 'resources'].includes(field) && !contains(container[field], value))
    .map(([field, value]) => ({ op: 'add', path: `${path}/${field}`, value }));

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
  const stale = Object.keys(existing).filter((key) => isConfigAnnotation(key) && !Object.hasOwn(wanted, key));
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
      (candidate) => wanted.length > 0 && wanted.every((item: unknown) => isRecord(item) && Object.hasOwn(item, candidate)),
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
