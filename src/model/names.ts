import { createHash } from 'node:crypto';

/** Every name that users, manifests and the parts of the program share. */
export const group = 'frp.io';
export const version = 'v1beta1';
export const apiVersion = `${group}/${version}`;
export const kind = 'DistributedService';
export const plural = 'distributedservices';

export const annotation = {
  group: 'frp.io/group',
  port: 'frp.io/port',
  /** prefix of the port annotation of one group of several: frp.io/port.<group> */
  portOf: 'frp.io/port.',
  weight: 'frp.io/weight',
  inject: 'frp.io/inject',
  drain: 'frp.io/drain',
  profile: 'frp.io/profile',
  readinessGate: 'frp.io/readiness-gate',
  sidecarImage: 'frp.io/sidecar-image',
  sidecarCpuRequest: 'frp.io/sidecar-cpu-request',
  sidecarCpuLimit: 'frp.io/sidecar-cpu-limit',
  sidecarMemoryRequest: 'frp.io/sidecar-memory-request',
  sidecarMemoryLimit: 'frp.io/sidecar-memory-limit',
  sidecarLogLevel: 'frp.io/sidecar-log-level',
  appAddress: 'frp.io/app-address',
  injected: 'frp.io/injected',
  /** on Pods of connectors: hash of the configuration that they should have read */
  configHash: 'frp.io/config-hash',
  /** on a Secret with an authority, frp-ca or frp-webhook-authority: asks for another; any value */
  rotate: 'frp.io/rotate',
  /** on such a Secret, while its authority is being replaced */
  rotationPhase: 'frp.io/rotation-phase',
  rotationSince: 'frp.io/rotation-since',
  /** on copies for the gateway: namespace/name of the Secret that it is one of, and what it is for */
  copyOf: 'frp.io/copy-of',
  copyKind: 'frp.io/copy-kind',
  /** on the Secret with a join token: why the cluster has not joined */
  joinProblem: 'frp.io/join-problem',
} as const;

/** Readiness gate of Pods: open once each of their groups has them online. */
export const registeredGate = 'frp.io/registered';

export const label = {
  /** on Pods: `injected` */
  sidecar: 'frp.io/sidecar',
  /** on Namespaces: `enabled` or `disabled` */
  injection: 'frp.io/injection',
  /** on Secrets of users that the controller may read: "true" */
  use: 'frp.io/use',
  /** on Secrets in the gateway's namespace: "true" */
  gatewayCopy: 'frp.io/gateway-copy',
  managedBy: 'app.kubernetes.io/managed-by',
  /** on Secrets that the controller made: the DistributedService's name */
  service: 'frp.io/service',
  component: 'app.kubernetes.io/component',
} as const;

/** Value of `app.kubernetes.io/managed-by` on what this program writes. */
export const manager = 'frp-k8s';

/** Secret with the client certificate of a service: tls.crt, tls.key, ca.crt. */
export const tlsSecretName = (service: string): string => `frp-${service}-tls`;
/** Secret with the client certificate of a service in mode external, written by cert-manager. */
export const externalSecretName = (service: string): string => `frp-${service}-external-tls`;
/** cert-manager's Certificate of a service in mode external. */
export const certificateName = (service: string): string => `frp-${service}`;
/** cert-manager's Certificate of a service with `expose.tls.issuerRef`, and the Secret that it writes for it. */
export const usersCertificateName = (service: string): string => `frp-${service}-https`;
/** Secret of a service with its frp group key (plain mode): key; and with the proxy on the way to the gateway: proxyKey. */
export const groupSecretName = (service: string): string => `frp-${service}-group`;
/** Keys of that Secret: what the plain frp server wants besides the group's key, and the URL of the proxy with user and password. */
export const frpsTokenKey = 'frps.token';
export const frpsAuthorityKey = 'frps-ca.crt';
export const proxyKey = 'proxy';
/** Deployment, ConfigMap and PodDisruptionBudget of a service's connector. */
export const connectorName = (service: string): string => `frp-${service}-connector`;
/** Secret with the installation's certificate authority: tls.crt (bundle), tls.key. */
export const authoritySecretName = 'frp-ca';
/** Secret with the authority of the webhooks' serving certificate: it opens no tunnel. */
export const webhookAuthoritySecretName = 'frp-webhook-authority';
/** Secret in the gateway's namespace with what it may know of another. @param original namespace/name */
export const gatewayCopyName = (original: string, kind: string): string =>
  `frp-gw-${createHash('sha256').update(`${original}/${kind}`).digest('hex').slice(0, 12)}`;
/** Secret in the gateway's namespace with the certificate that its replicas know each other by: tls.crt, tls.key, ca.crt. */
export const replicaSecretName = 'frp-gateway-replicas';
/** StatefulSet of the gateway, and its headless Service. */
export const gatewayName = 'frp-gateway';
/** A replica of the gateway as its headless Service names it, below the gateway's namespace. */
export const gatewayPodHost = (ordinal: number): string => `${gatewayName}-${ordinal}.${gatewayName}`;

/** Secret with a join token, key `token`, until the cluster has joined; what went wrong is in its annotation. */
export const joinSecretName = 'frp-gateway-join';
/** What stands before a problem in that annotation where the controller does not try again: for good, or until it is configured otherwise. */
export const joinProblemPrefix = { final: 'final: ', notConfigured: 'configuration: ' } as const;
/** Secret with what the cluster is known by to the gateways that it has joined: a key for each (controller/link/link-secret.ts). */
export const linkSecretName = 'frp-gateway-link';

/** Secret with the server certificate of the plain frp server: tls.crt, tls.key, ca.crt. */
export const serverSecretName = 'frp-server-tls';
/** The same of the gateway: a plain frp server restarts for each change of its own, and a gateway that is added is none. */
export const gatewayTlsSecretName = 'frp-gateway-tls';

/** UIDs of a gateway's clients outside any cluster begin so: no cluster that has joined may have one. */
export const clientUidPrefix = 'client-';

/** On each service, and on what the controller needs to take it off again (controller/lifecycle/installation-removal.ts). */
export const cleanupFinalizer = `${group}/cleanup`;
/** Secret with user and password of the frp server's own API. */
export const serverApiSecretName = 'frp-server-api';
/**
 * ConfigMaps in the installation's namespace: SHA-256 fingerprint of a revoked client certificate → when it expires, and
 * the namespace that it was of. The next one is used when those before it are full.
 */
export const revokedConfigMapNames = ['frp-revoked', 'frp-revoked-1', 'frp-revoked-2', 'frp-revoked-3'] as const;
/** Lease of the leading controller. */
export const leaseName = 'frp-controller';
/** Deployment of the controller in the installation's namespace. */
export const controllerName = 'frp-controller';
/** ServiceAccount of the controller in the installation's namespace. */
export const controllerAccountName = 'frp-controller';
/** ClusterRole and ClusterRoleBinding of the controller. */
export const controllerRoleName = 'frp-k8s-controller';
/** ClusterRole with the rights to Secrets, bound for the cluster or by namespace. */
export const secretsRoleName = 'frp-k8s-secrets';
