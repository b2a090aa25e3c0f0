/** The parts of Kubernetes objects that this program reads and writes. Unknown fields travel along untouched. */
import type { DistributedService } from '../model/types.ts';

export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
}

export interface Metadata {
  name: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  generation?: number;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  ownerReferences?: OwnerReference[];
  finalizers?: string[];
  managedFields?: unknown[];
}

export interface KubeObject {
  apiVersion?: string;
  kind?: string;
  metadata: Metadata;
}

export interface Secret extends KubeObject {
  type?: string;
  /** values in base64 */
  data?: Record<string, string>;
}

export interface ConfigMap extends KubeObject {
  data?: Record<string, string>;
}

/** coordination.k8s.io/v1; times are RFC 3339 with microseconds */
export interface Lease extends KubeObject {
  spec?: {
    holderIdentity?: string;
    leaseDurationSeconds?: number;
    acquireTime?: string;
    renewTime?: string;
    leaseTransitions?: number;
  };
}

export interface KubeEvent extends KubeObject {
  involvedObject: { apiVersion: string; kind: string; name: string; namespace: string; uid: string; resourceVersion: string };
  type: 'Normal' | 'Warning';
  reason: string;
  message: string;
  source: { component: string };
  reportingComponent: string;
  reportingInstance: string;
  firstTimestamp: string;
  lastTimestamp: string;
  count: number;
}

export interface ClusterService extends KubeObject {
  spec?: {
    type?: string;
    ipFamilyPolicy?: string;
    clusterIPs?: string[];
    externalIPs?: string[];
    selector?: Record<string, string>;
    ports?: { name?: string; port: number; protocol?: string; appProtocol?: string; targetPort?: number | string }[];
  };
  status?: { loadBalancer?: { ingress?: { hostname?: string; ip?: string }[] } };
}

export interface EndpointSlice extends KubeObject {
  addressType?: string;
  endpoints?:
    { addresses: string[]; conditions?: { ready?: boolean; serving?: boolean; terminating?: boolean }; nodeName?: string }[] | null;
  ports?: { name?: string; port?: number; protocol?: string; appProtocol?: string }[] | null;
}

export interface WebhookConfiguration extends KubeObject {
  webhooks?: { name: string; clientConfig: { caBundle?: string } }[];
}

/** cert-manager.io/v1; the parts that mode external writes and reads. */
export interface Certificate extends KubeObject {
  spec?: Record<string, unknown>;
  status?: { conditions?: { type: string; status: string; reason?: string; message?: string }[] };
}

/** Of cert-manager: one try to have a Certificate issued. */
export interface CertificateRequest extends KubeObject {
  status?: { conditions?: { type: string; status: string; reason?: string; message?: string }[] };
}

/** Of cert-manager: what an ACME server wants to see, and what it is shown. */
export interface Challenge extends KubeObject {
  spec?: { type?: string; dnsName?: string; token?: string; key?: string };
  status?: { state?: string; reason?: string };
}

/** authentication.k8s.io/v1: whose a token is. It is asked, and never stored. */
export interface TokenReview extends KubeObject {
  spec: { token: string };
  status?: {
    authenticated?: boolean;
    user?: { username?: string; uid?: string; groups?: string[]; extra?: Record<string, string[]> };
    error?: string;
  };
}

/** authorization.k8s.io/v1: whether somebody may do something. It is asked, and never stored. */
export interface SubjectAccessReview extends KubeObject {
  spec: {
    user: string;
    uid?: string;
    groups: string[];
    extra?: Record<string, string[]>;
    resourceAttributes: { group: string; resource: string; verb: string; namespace?: string };
  };
  status?: { allowed?: boolean; reason?: string };
}

/** A kind of object as the API serves it; `T` is its TypeScript type. */
export interface Resource<T extends KubeObject> {
  apiVersion: string;
  kind: string;
  plural: string;
  namespaced: boolean;
  /** never present: it carries the type alone */
  type?: T;
}

const resource = <T extends KubeObject>(apiVersion: string, kind: string, plural: string, namespaced = true): Resource<T> => ({
  apiVersion,
  kind,
  plural,
  namespaced,
});
const admission = 'admissionregistration.k8s.io/v1';

export const secrets = resource<Secret>('v1', 'Secret', 'secrets');
export const certificates = resource<Certificate>('cert-manager.io/v1', 'Certificate', 'certificates');
export const certificateRequests = resource<CertificateRequest>('cert-manager.io/v1', 'CertificateRequest', 'certificaterequests');
export const challenges = resource<Challenge>('acme.cert-manager.io/v1', 'Challenge', 'challenges');
export const configMaps = resource<ConfigMap>('v1', 'ConfigMap', 'configmaps');
export const events = resource<KubeEvent>('v1', 'Event', 'events');
export const serviceAccounts = resource<KubeObject>('v1', 'ServiceAccount', 'serviceaccounts');
export const leases = resource<Lease>('coordination.k8s.io/v1', 'Lease', 'leases');
export const clusterRoles = resource<KubeObject>('rbac.authorization.k8s.io/v1', 'ClusterRole', 'clusterroles', false);
export const clusterRoleBindings = resource<KubeObject>('rbac.authorization.k8s.io/v1', 'ClusterRoleBinding', 'clusterrolebindings', false);
export const customResourceDefinitions = resource<KubeObject>(
  'apiextensions.k8s.io/v1',
  'CustomResourceDefinition',
  'customresourcedefinitions',
  false,
);
export const deployments = resource<KubeObject>('apps/v1', 'Deployment', 'deployments');
export const budgets = resource<KubeObject>('policy/v1', 'PodDisruptionBudget', 'poddisruptionbudgets');
export const services = resource<ClusterService>('v1', 'Service', 'services');
export const endpointSlices = resource<EndpointSlice>('discovery.k8s.io/v1', 'EndpointSlice', 'endpointslices');
export const pods = resource<KubeObject>('v1', 'Pod', 'pods');
export const namespaces = resource<KubeObject>('v1', 'Namespace', 'namespaces', false);
export const tokenReviews = resource<TokenReview>('authentication.k8s.io/v1', 'TokenReview', 'tokenreviews', false);
export const subjectAccessReviews = resource<SubjectAccessReview>(
  'authorization.k8s.io/v1',
  'SubjectAccessReview',
  'subjectaccessreviews',
  false,
);
export const distributedServices = resource<DistributedService>('frp.io/v1beta1', 'DistributedService', 'distributedservices');
export const mutatingWebhooks = resource<WebhookConfiguration>(
  admission,
  'MutatingWebhookConfiguration',
  'mutatingwebhookconfigurations',
  false,
);
export const validatingWebhooks = resource<WebhookConfiguration>(
  admission,
  'ValidatingWebhookConfiguration',
  'validatingwebhookconfigurations',
  false,
);

/** URL path of a collection, or of an object where there is a name. Without a namespace: the collection of all namespaces. */
export function pathOf(resource: Resource<KubeObject>, namespace?: string, name?: string): string {
  const root = resource.apiVersion.includes('/') ? `/apis/${resource.apiVersion}` : `/api/${resource.apiVersion}`;
  const scope = resource.namespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : '';
  return `${root}${scope}/${resource.plural}${name === undefined ? '' : `/${encodeURIComponent(name)}`}`;
}

/** For people: `Secret prod/frp-api-tls`; of a collection: `secrets`, `secrets of namespace prod`. */
export function describe(resource: Resource<KubeObject>, namespace?: string, name?: string): string {
  const scope = resource.namespaced ? namespace : undefined;
  if (name === undefined) return scope === undefined ? resource.plural : `${resource.plural} of namespace ${scope}`;
  return `${resource.kind} ${scope === undefined ? name : `${scope}/${name}`}`;
}

/** Drops what nobody here reads and what doubles an object's size in memory. Changes and returns the object. */
export function slim<T extends KubeObject>(object: T): T {
  delete object.metadata.managedFields;
  delete object.metadata.annotations?.['kubectl.kubernetes.io/last-applied-configuration'];
  return object;
}
