/** Kubernetes objects as a diagnosis keeps them: the parts that something is said of. */
import type { KubeObject, Resource, Secret, WebhookConfiguration } from '../kube/types.ts';

export interface Condition {
  type: string;
  status: string;
  reason?: string;
  message?: string;
  lastTransitionTime?: string | null;
}

export interface ContainerStatus {
  name: string;
  ready?: boolean;
  started?: boolean;
  restartCount?: number;
  state?: {
    waiting?: { reason?: string; message?: string };
    running?: { startedAt?: string };
    terminated?: { reason?: string; exitCode?: number };
  };
  lastState?: { terminated?: { reason?: string; exitCode?: number; finishedAt?: string } };
}

export interface Container {
  name: string;
  image?: string;
  restartPolicy?: string;
  ports?: { name?: string; containerPort: number; protocol?: string }[];
  readinessProbe?: { httpGet?: { path?: string; port?: number | string; scheme?: string }; tcpSocket?: { port?: number | string } };
}

export interface Pod extends KubeObject {
  spec?: {
    nodeName?: string;
    serviceAccountName?: string;
    initContainers?: Container[];
    containers?: Container[];
    volumes?: { name: string; configMap?: { name?: string } }[];
  };
  status?: {
    phase?: string;
    reason?: string;
    message?: string;
    podIP?: string;
    conditions?: Condition[];
    initContainerStatuses?: ContainerStatus[];
    containerStatuses?: ContainerStatus[];
  };
}

/** A Deployment, StatefulSet, DaemonSet, ReplicaSet, Job or CronJob. */
export interface Workload extends KubeObject {
  kind: string;
  spec?: {
    replicas?: number;
    selector?: { matchLabels?: Record<string, string> };
    template?: { metadata?: { labels?: Record<string, string>; annotations?: Record<string, string> }; spec?: Pod['spec'] };
    jobTemplate?: { spec?: { template?: { metadata?: { annotations?: Record<string, string> } } } };
  };
  status?: {
    replicas?: number;
    readyReplicas?: number;
    updatedReplicas?: number;
    observedGeneration?: number;
    /** of a DaemonSet */
    desiredNumberScheduled?: number;
    currentNumberScheduled?: number;
    numberReady?: number;
    conditions?: Condition[];
  };
}

export interface Webhook {
  name: string;
  clientConfig: { caBundle?: string; url?: string; service?: { name: string; namespace: string; path?: string; port?: number } };
  failurePolicy?: string;
  namespaceSelector?: { matchExpressions?: { key: string; operator: string; values?: string[] }[]; matchLabels?: Record<string, string> };
  objectSelector?: { matchExpressions?: unknown[]; matchLabels?: Record<string, string> };
  rules?: { apiGroups?: string[]; resources?: string[]; operations?: string[] }[];
  matchConditions?: { name: string; expression: string }[];
  timeoutSeconds?: number;
}

export interface Webhooks extends WebhookConfiguration {
  webhooks?: Webhook[];
}

export interface Definition extends KubeObject {
  spec?: { versions?: { name: string; served?: boolean; storage?: boolean; schema?: unknown }[] };
  status?: { conditions?: Condition[]; storedVersions?: string[] };
}

/** A Secret without its private parts: which keys it has, and the certificates, which everybody may see. */
export interface PublicSecret extends KubeObject {
  type?: string;
  keys: readonly string[];
  /** PEM, by key: tls.crt and ca.crt where they are there */
  certificates: Readonly<Record<string, string>>;
}

export interface KubeEvent extends KubeObject {
  involvedObject: { kind?: string; name?: string; namespace?: string; uid?: string };
  type?: string;
  reason?: string;
  message?: string;
  count?: number;
  lastTimestamp?: string | null;
  eventTime?: string | null;
}

export interface NetworkPolicy extends KubeObject {
  spec?: {
    podSelector?: Selector;
    policyTypes?: string[];
    ingress?: { ports?: PolicyPort[]; from?: unknown[] }[];
    egress?: { ports?: PolicyPort[]; to?: unknown[] }[];
  };
}

export interface Selector {
  matchLabels?: Record<string, string>;
  matchExpressions?: { key: string; operator: string; values?: string[] }[];
}

export interface PolicyPort {
  protocol?: string;
  port?: number | string;
  endPort?: number;
}

export interface Quota extends KubeObject {
  spec?: { hard?: Record<string, string> };
  status?: { hard?: Record<string, string>; used?: Record<string, string> };
}

export interface Role extends KubeObject {
  rules?: { apiGroups?: string[]; resources?: string[]; verbs?: string[]; resourceNames?: string[] }[];
}

export interface Binding extends KubeObject {
  roleRef?: { kind: string; name: string };
  subjects?: { kind: string; name: string; namespace?: string }[];
}

const apps = 'apps/v1';
const kind = <T extends KubeObject>(apiVersion: string, name: string, plural: string, namespaced = true): Resource<T> => ({
  apiVersion,
  kind: name,
  plural,
  namespaced,
});

export const podResource = kind<Pod>('v1', 'Pod', 'pods');
export const eventResource = kind<KubeEvent>('v1', 'Event', 'events');
export const quotaResource = kind<Quota>('v1', 'ResourceQuota', 'resourcequotas');
export const policyResource = kind<NetworkPolicy>('networking.k8s.io/v1', 'NetworkPolicy', 'networkpolicies');
export const roleResource = kind<Role>('rbac.authorization.k8s.io/v1', 'ClusterRole', 'clusterroles', false);
export const bindingResource = kind<Binding>('rbac.authorization.k8s.io/v1', 'ClusterRoleBinding', 'clusterrolebindings', false);
export const definitionResource = kind<Definition>(
  'apiextensions.k8s.io/v1',
  'CustomResourceDefinition',
  'customresourcedefinitions',
  false,
);
export const workloadResources = [
  kind<Workload>(apps, 'Deployment', 'deployments'),
  kind<Workload>(apps, 'StatefulSet', 'statefulsets'),
  kind<Workload>(apps, 'DaemonSet', 'daemonsets'),
] as const;

/** @returns the Secret without what is private in it */
export function publicSecret({ apiVersion, kind: name, metadata, type, data = {} }: Secret): PublicSecret {
  const certificates = Object.fromEntries(
    ['tls.crt', 'ca.crt'].flatMap((key) => (data[key] === undefined ? [] : [[key, Buffer.from(data[key], 'base64').toString('utf8')]])),
  );
  return {
    ...(apiVersion && { apiVersion }),
    ...(name && { kind: name }),
    metadata,
    ...(type && { type }),
    keys: Object.keys(data),
    certificates,
  };
}
