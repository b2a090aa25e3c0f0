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
export interface ResourceRequirements {
  requests?: Record<string, string> | null;
  limits?: Record<string, string> | null;
}
export interface NodeSelectorTerm {
  matchExpressions?: { key?: string; operator?: string; values?: string[] | null }[] | null;
}
export interface Container {
  name: string;
  image?: string;
  restartPolicy?: string;
  ports?: ContainerPort[] | null;
  env?: EnvVar[] | null;
  volumeMounts?: { name: string; mountPath: string; readOnly?: boolean }[] | null;
  resources?: ResourceRequirements | null;
  securityContext?: { windowsOptions?: { hostProcess?: boolean } | null } | null;
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
    affinity?: {
      nodeAffinity?: { requiredDuringSchedulingIgnoredDuringExecution?: { nodeSelectorTerms?: NodeSelectorTerm[] | null } | null } | null;
    } | null;
    /** of the whole Pod (Kubernetes 1.34 and newer) */
    resources?: ResourceRequirements | null;
    securityContext?: { windowsOptions?: { hostProcess?: boolean } | null } | null;
    imagePullSecrets?: { name?: string }[] | null;
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
  return (
    containersError('spec.containers', spec.containers) ??
    (spec.initContainers == null ? undefined : containersError('spec.initContainers', spec.initContainers)) ??
    specError(spec) ??
    metadataError(metadata)
  );
}

function containersError(path: string, containers: unknown): string | undefined {
  if (!isListOfNamed(containers)) return `${path}: must be a list of containers, each with a name`;
  for (const [index, container] of containers.entries()) {
    for (const field of ['ports', 'env', 'volumeMounts']) {
      if (!isAbsentOr(container[field], isListOfObjects)) return `${path}[${index}].${field}: must be a list of objects`;
    }
    const ports = (container.ports ?? []) as Record<string, unknown>[];
    const wrong = ports.findIndex(({ containerPort }) => !Number.isInteger(containerPort));
    if (wrong >= 0) return `${path}[${index}].ports[${wrong}].containerPort: must be an integer`;
    if (!isAbsentOr(container.resources, areResources)) return `${path}[${index}].resources: must be an object with requests and limits`;
  }
  return undefined;
}

function specError(spec: Record<string, unknown>): string | undefined {
  if (!isAbsentOr(spec.volumes, isListOfNamed)) return 'spec.volumes: must be a list of volumes, each with a name';
  if (!isAbsentOr(spec.readinessGates, isListOfObjects)) return 'spec.readinessGates: must be a list of gates, each with a conditionType';
  if (!isAbsentOr(spec.imagePullSecrets, isListOfObjects)) return 'spec.imagePullSecrets: must be a list of references, each with a name';
  if (!isAbsentOr(spec.resources, areResources)) return 'spec.resources: must be an object with requests and limits';
  return undefined;
}

function metadataError(metadata: Record<string, unknown> | null | undefined): string | undefined {
  for (const field of ['annotations', 'labels'] as const) {
    const value = metadata?.[field];
    if (value == null) continue;
    if (!isObject(value)) return `metadata.${field}: must be an object`;
    const wrong = Object.keys(value).find((key) => typeof value[key] !== 'string');
    if (wrong !== undefined) return `metadata.${field}.${wrong}: must be a string; put it in quotes`;
  }
  return undefined;
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

const isAbsentOr = (value: unknown, check: (value: unknown) => boolean): boolean => value == null || check(value);

const isListOfObjects = (value: unknown): value is Record<string, unknown>[] => Array.isArray(value) && value.every(isObject);

const isListOfNamed = (value: unknown): value is Record<string, unknown>[] =>
  isListOfObjects(value) && value.every(({ name }) => typeof name === 'string');

const areResources = (value: unknown): boolean =>
  isObject(value) && isAbsentOr(value.requests, isObject) && isAbsentOr(value.limits, isObject);
