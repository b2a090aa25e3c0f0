/**
 * The parts of a Pod that injection reads. A Pod comes as raw JSON and is never rebuilt, so that fields which this
 * program does not know survive; these types say only what may be looked at.
 */
export interface ContainerPort {
  name?: string;
  containerPort?: number;
  protocol?: string;
}
export interface EnvVar {
  name: string;
  value?: string;
  valueFrom?: unknown;
}
export interface Container {
  name: string;
  image?: string;
  restartPolicy?: string;
  ports?: ContainerPort[] | null;
  env?: EnvVar[] | null;
  volumeMounts?: { name: string; mountPath: string; readOnly?: boolean }[] | null;
  resources?: { requests?: Record<string, string>; limits?: Record<string, string> } | null;
  [field: string]: unknown;
}
export interface Volume {
  name: string;
  [source: string]: unknown;
}
export interface Pod {
  metadata?: {
    name?: string;
    generateName?: string;
    namespace?: string;
    annotations?: Record<string, string> | null;
    labels?: Record<string, string> | null;
  } | null;
  spec?: {
    containers?: Container[] | null;
    initContainers?: Container[] | null;
    volumes?: Volume[] | null;
    os?: { name?: string } | null;
    nodeSelector?: Record<string, string> | null;
    hostNetwork?: boolean;
    dnsPolicy?: string;
    terminationGracePeriodSeconds?: number | null;
    readinessGates?: { conditionType?: string }[] | null;
  } | null;
}

/** A Pod whose shape was checked far enough to be worked on. */
export type CheckedPod = Pod & { spec: NonNullable<Pod['spec']> & { containers: Container[] } };

/** What is wrong with the shape of a Pod, or undefined. The API server has checked its own; files have not been. */
export function shapeError(pod: unknown): string | undefined {
  if (!isObject(pod)) return 'a Pod must be an object';
  const { spec, metadata } = pod as { spec?: unknown; metadata?: unknown };
  if (!isObject(spec)) return 'spec: Required value';
  if (metadata != null && !isObject(metadata)) return 'metadata: must be an object';
  if (!isListOfNamed(spec.containers)) return 'spec.containers: must be a list of containers, each with a name';
  if (spec.initContainers != null && !isListOfNamed(spec.initContainers))
    return 'spec.initContainers: must be a list of containers, each with a name';
  if (spec.volumes != null && !isListOfNamed(spec.volumes)) return 'spec.volumes: must be a list of volumes, each with a name';
  if (spec.readinessGates != null && !(Array.isArray(spec.readinessGates) && spec.readinessGates.every(isObject)))
    return 'spec.readinessGates: must be a list of gates, each with a conditionType';
  for (const field of ['annotations', 'labels'] as const) {
    const value = (metadata as Record<string, unknown> | undefined)?.[field];
    if (value == null) continue;
    if (!isObject(value)) return `metadata.${field}: must be an object`;
    const wrong = Object.keys(value).find((key) => typeof value[key] !== 'string');
    if (wrong !== undefined) return `metadata.${field}.${wrong}: must be a string; put it in quotes`;
  }
  return undefined;
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

const isListOfNamed = (value: unknown): boolean =>
  Array.isArray(value) && value.every((item: unknown) => isObject(item) && typeof item.name === 'string');
