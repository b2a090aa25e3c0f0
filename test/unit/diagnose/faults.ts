/* eslint-disable @typescript-eslint/no-unsafe-call, @typescript-eslint/no-unsafe-return -- a fault may be anywhere in what was read */
/** Faults of an installation, as changes of a healthy Snapshot, each with all that is to be said of it. */
import type { Probes } from '../../../src/diagnose/probes.ts';
import { condition, foreign, ok } from './healthy.ts';

/** What is changed of a healthy Snapshot is what a test is about; it is a copy of its own. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- a fault may be anywhere
export type Draft = any;

export interface Fault {
  /** what is broken */
  fault: string;
  breaks?: (draft: Draft) => void;
  probes?: Partial<Probes>;
  options?: { isPre?: boolean; isTraffic?: boolean };
  /** check and reason of each thing that is said to be wrong */
  says: readonly string[];
}

const setCondition = (draft: Draft, type: string, ...rest: ['True' | 'False' | 'Unknown', string, string?]) => {
  const { status } = draft.services.ok[0];
  status.conditions = [...status.conditions.filter((each: Draft) => each.type !== type), condition(type, ...rest)];
};
const unhealthyBackend = (draft: Draft, reason: string) => {
  draft.services.ok[0].status.endpoints = [{ name: 'web-1', healthy: false, reason }];
  setCondition(draft, 'BackendsAvailable', 'False', 'BackendsUnhealthy', `0 backends available, 1 unhealthy: web-1: ${reason}`);
};
const noBackends = (draft: Draft) => {
  draft.pods.ok = [];
  draft.services.ok[0].status.endpoints = [];
  setCondition(
    draft,
    'BackendsAvailable',
    'False',
    'NoBackendsFound',
    '0 backends available; no Pod of this namespace has a sidecar for it',
  );
};
const refusedPods = (draft: Draft, message: string) =>
  (draft.workloads.ok[0].status = { conditions: [{ type: 'ReplicaFailure', status: 'True', message }] });
const hooks = (draft: Draft, kind: 'mutating' | 'validating') => draft[kind].ok[0].webhooks;
const deployment = (draft: Draft, name: string) => draft.installation.workloads.ok.find((each: Draft) => each.metadata.name === name);
export const annotate = (draft: Draft, annotations: object) =>
  Object.assign(draft.workloads.ok[0].spec.template.metadata.annotations, annotations);
const waiting = (reason: string, message = '') => [{ name: 'app', ready: false, state: { waiting: { reason, message } } }];
const policy = (namespace: string, spec: object) => ({ metadata: { namespace, name: 'deny' }, spec: { podSelector: {}, ...spec } });
const secretOf = (draft: Draft, name: string) => draft.installation.secrets.get(name).ok;

export const faults: readonly Fault[] = [
  {
    fault: 'an API server that does not answer',
    breaks: (d) => (d.server = { failed: 'connect ECONNREFUSED' }),
    says: ['api ApiUnreachable'],
  },
  { fault: 'Kubernetes 1.29', breaks: (d) => (d.server.ok.minor = '29'), says: ['version KubernetesTooOld'] },
  { fault: 'a clock that is a minute ahead', probes: { clock: () => Promise.resolve(ok(60_000)) }, says: ['clock ClockSkewed'] },
  {
    fault: 'an account that may not install',
    probes: { mayI: (_verb, _group, resource) => Promise.resolve(ok(resource !== 'namespaces')) },
    options: { isPre: true },
    says: ['may-install MayNotInstall'],
  },
  {
    fault: 'no installation',
    breaks: (d) => (d.installation.namespace = { absent: 'get Namespace' }),
    says: ['namespace NamespaceMissing'],
  },
  {
    fault: 'an installation that is being removed',
    breaks: (d) => (d.installation.namespace.ok.metadata.deletionTimestamp = 'now'),
    says: ['namespace InstallationEnding'],
  },
  { fault: 'no CRD', breaks: (d) => (d.crd = { absent: 'get CRD' }), says: ['crd CrdMissing'] },
  { fault: 'a CRD that is not served', breaks: (d) => (d.crd.ok.status.conditions[0].status = 'False'), says: ['crd CrdNotEstablished'] },
  {
    fault: 'an older CRD',
    breaks: (d) => delete d.crd.ok.spec.versions[0].schema.openAPIV3Schema.properties.spec.properties.expose,
    says: ['crd-equal CrdDiffers'],
  },
  {
    fault: 'no Deployment of the webhooks',
    breaks: (d) => (d.installation.workloads.ok = d.installation.workloads.ok.filter((w: Draft) => w.metadata.name !== 'frp-webhook')),
    says: ['webhook-pods WorkloadMissing'],
  },
  { fault: 'webhooks scaled to 0', breaks: (d) => (deployment(d, 'frp-webhook').spec.replicas = 0), says: ['webhook-pods ScaledToZero'] },
  {
    fault: 'a controller that is not Ready',
    breaks: (d) => (deployment(d, 'frp-controller').status.readyReplicas = 0),
    says: ['controller-pods WorkloadNotReady'],
  },
  {
    fault: 'an image of the controller that cannot be pulled',
    breaks: (d) => {
      deployment(d, 'frp-controller').status.readyReplicas = 1;
      const pod = d.installation.pods.ok.find((p: Draft) => p.metadata.labels.app === 'frp-controller');
      pod.status = { conditions: [{ type: 'Ready', status: 'False' }], containerStatuses: waiting('ImagePullBackOff') };
    },
    says: ['controller-pods ImageNotPulled'],
  },
  {
    fault: 'a quota that lets no Pod of the webhooks in',
    breaks: (d) =>
      (deployment(d, 'frp-webhook').status = {
        readyReplicas: 1,
        conditions: [{ type: 'ReplicaFailure', status: 'True', message: 'pods "x" is forbidden: exceeded quota: q' }],
      }),
    says: ['webhook-pods QuotaExceeded'],
  },
  {
    fault: 'no ConfigMap',
    breaks: (d) => (d.config = d.configMap = { absent: 'get ConfigMap' }),
    says: ['configuration ConfigurationMissing'],
  },
  {
    fault: 'a configuration with a slip',
    breaks: (d) => (d.config = { failed: 'gatway: there is no such key' }),
    says: ['configuration ConfigurationInvalid'],
  },
  {
    fault: 'a controller of another image',
    breaks: (d) => (deployment(d, 'frp-controller').spec.template.spec.containers[0].image = 'frp-k8s:old'),
    says: ['versions VersionSkew'],
  },
  {
    fault: 'no ClusterRole of the controller',
    breaks: (d) => (d.roles.ok = d.roles.ok.filter((r: Draft) => r.metadata.name !== 'frp-k8s-controller')),
    says: ['rights RightsMissing'],
  },
  {
    fault: 'a binding of the webhook to somebody else',
    breaks: (d) => (d.bindings.ok.find((b: Draft) => b.metadata.name === 'frp-k8s-webhook').subjects[0].name = 'other'),
    says: ['rights RightsMissing'],
  },
  { fault: 'a Lease that nobody renews', breaks: (d) => (d.lease.ok.spec.renewTime = '2020-01-01T00:00:00Z'), says: ['leader NoLeader'] },
  {
    fault: 'a Secret of a service that is gone',
    breaks: (d) => (d.ownedSecrets.ok[0].metadata.labels['frp.io/service'] = 'old'),
    says: ['orphaned-secrets OrphanedSecret'],
  },

  {
    fault: 'no authority',
    breaks: (d) => d.installation.secrets.set('frp-ca', { absent: 'Secret' }),
    says: ['authority AuthorityMissing'],
  },
  { fault: 'an authority without key', breaks: (d) => (secretOf(d, 'frp-ca').keys = ['tls.crt']), says: ['authority AuthorityUnusable'] },
  {
    fault: 'an authority that has ended, and with it all that it has issued',
    breaks: (d) => (d.at = Date.now() + 4000 * 86_400_000),
    says: ['authority AuthorityExpired', 'webhook-authority AuthorityExpired', 'leader NoLeader'],
  },
  {
    fault: 'a certificate of the gateway of another authority',
    breaks: (d) => (secretOf(d, 'frp-ca').certificates['tls.crt'] = foreign.bundle),
    says: ['gateway-certificate AuthorityForeign'],
  },
  {
    fault: 'no certificate of the gateway',
    breaks: (d) => d.installation.secrets.set('frp-gateway-tls', { absent: 'Secret' }),
    says: ['gateway-certificate ServerCertificateMissing'],
  },
  {
    fault: 'a name of the gateway that its certificate lacks',
    breaks: (d) => (d.config.ok.gateway.addresses[1] = 'gw.example.com'),
    says: ['gateway-names NameNotCovered', 'replicas ReplicasDiffer'],
  },
  {
    fault: 'a client certificate that has ended',
    breaks: (d) => setCondition(d, 'CertificatesReady', 'False', 'CertificateExpired', 'it expired'),
    says: ['service-certificates CertificateExpired'],
  },

  { fault: 'no mutating webhooks', breaks: (d) => (d.mutating.ok = []), says: ['mutating WebhookMissing'] },
  { fault: 'an entry that was taken out', breaks: (d) => hooks(d, 'validating').pop(), says: ['validating WebhookMissing'] },
  {
    fault: 'an empty caBundle',
    breaks: (d) => hooks(d, 'mutating').forEach((h: Draft) => delete h.clientConfig.caBundle),
    says: ['ca-bundle-present CaBundleMissing'],
  },
  {
    fault: 'a caBundle of another authority',
    breaks: (d) => hooks(d, 'mutating').forEach((h: Draft) => (h.clientConfig.caBundle = Buffer.from(foreign.bundle).toString('base64'))),
    says: ['ca-bundle CaBundleMismatch'],
  },
  {
    fault: 'no Service of the webhooks',
    breaks: (d) => (d.installation.services.ok = []),
    says: ['webhook-service WebhookServiceMissing', 'webhook-service WebhookServiceMissing'],
  },
  {
    fault: 'no endpoint of the webhooks',
    breaks: (d) => (d.installation.endpointSlices.ok = []),
    says: ['webhook-endpoints WebhookNoEndpoints'],
  },
  {
    fault: 'a failure policy that lets Pods by',
    breaks: (d) => (hooks(d, 'mutating')[0].failurePolicy = 'Ignore'),
    says: ['failure-policy FailurePolicyWeak'],
  },
  {
    fault: 'an objectSelector on the webhooks',
    breaks: (d) => (hooks(d, 'mutating')[0].objectSelector = { matchLabels: { a: 'b' } }),
    says: ['scope WebhookNarrowed'],
  },
  {
    fault: 'webhooks that the API server cannot ask',
    probes: { dryRunPod: () => Promise.resolve({ failed: 'failed calling webhook "annotated.pods.frp.io": EOF' }) },
    says: ['dry-run WebhookUnreachable'],
  },
  {
    fault: 'a Pod that comes back without a sidecar',
    probes: { dryRunPod: (pod) => Promise.resolve(ok(pod)) },
    says: ['dry-run SidecarNotAdded'],
  },
  {
    fault: 'another webhook that takes the sidecar out',
    probes: {
      dryRunPod: (pod) => Promise.resolve(ok({ ...pod, metadata: { ...pod.metadata, annotations: { 'frp.io/frpc.json': '{}' } } })),
    },
    says: ['dry-run SidecarRemoved'],
  },
  {
    fault: 'a quota that is used up, and keeps nobody from anything',
    probes: { dryRunPod: () => Promise.resolve({ failed: 'pods "frp-k8s-check" is forbidden: exceeded quota: small, requested: pods=1' }) },
    says: [],
  },
  {
    fault: 'a policy that takes no Pod with a sidecar',
    probes: { dryRunPod: () => Promise.resolve({ failed: 'violates PodSecurity' }) },
    says: ['dry-run PodRejected'],
  },

  {
    fault: 'a namespace that has opted out',
    breaks: (d) => (d.namespaces.ok[0].metadata.labels = { 'frp.io/injection': 'disabled' }),
    says: ['opted-out NamespaceOptedOut'],
  },
  { fault: 'a group that no service has', breaks: (d) => annotate(d, { 'frp.io/group': 'wep' }), says: ['templates UnknownGroup'] },
  {
    fault: 'an annotation with a wrong value',
    breaks: (d) => annotate(d, { 'frp.io/weight': 'many' }),
    says: ['templates InvalidAnnotation'],
  },
  {
    fault: 'a port that cannot be told',
    breaks: (d) => (d.workloads.ok[0].spec.template.spec.containers[0].ports = []),
    says: ['templates MissingPort'],
  },
  {
    fault: 'a group on the workload itself',
    breaks: (d) => {
      d.workloads.ok[0].metadata.annotations = { 'frp.io/group': 'web' };
      d.workloads.ok[0].spec.template.metadata.annotations = {};
    },
    says: ['misplaced AnnotationMisplaced'],
  },
  {
    fault: 'a misspelled annotation',
    breaks: (d) => annotate(d, { 'frp.io/wieght': '3' }),
    says: ['unknown-annotations AnnotationUnknown'],
  },
  {
    fault: 'an annotation of a Namespace that has no effect',
    breaks: (d) => (d.namespaces.ok[0].metadata.annotations = { 'frp.io/group': 'web' }),
    says: ['namespace-annotations AnnotationIneffective'],
  },
  { fault: 'a Pod without its sidecar', breaks: (d) => (d.pods.ok[0].spec.initContainers = []), says: ['pods-injected PodNotInjected'] },
  {
    fault: 'an image that cannot be pulled',
    breaks: (d) => (d.pods.ok[0].status.containerStatuses = waiting('ErrImagePull', 'not found')),
    says: ['pods-run ImageNotPulled'],
  },
  {
    fault: 'an app that ends again and again',
    breaks: (d) => (d.pods.ok[0].status.containerStatuses = waiting('CrashLoopBackOff')),
    says: ['pods-run ContainerCrashing'],
  },
  {
    fault: 'a quota of the namespace',
    breaks: (d) => {
      d.quotas.ok = [{ metadata: { namespace: 'shop', name: 'small' } }];
      d.workloads.ok[0].status.readyReplicas = 0;
      d.events.ok = [
        {
          metadata: { name: 'e' },
          involvedObject: { kind: 'ReplicaSet', namespace: 'shop', name: 'web-7d9f' },
          reason: 'FailedCreate',
          message: 'exceeded quota: small',
        },
      ];
    },
    says: ['pods-made QuotaExceeded'],
  },
  {
    fault: 'a Pod of a service that is gone',
    breaks: (d) => (d.pods.ok[0].metadata.annotations['frp.io/group'] = 'gone'),
    says: ['orphaned-pods OrphanedPod'],
  },

  { fault: 'a status that is behind', breaks: (d) => (d.services.ok[0].metadata.generation = 2), says: ['status-current StatusOutdated'] },
  {
    fault: 'a host of another service',
    breaks: (d) => setCondition(d, 'ConfigurationValid', 'False', 'HostConflict', 'it belongs to DistributedService a/b'),
    says: ['configuration-valid HostConflict'],
  },
  {
    fault: 'a Secret without the label',
    breaks: (d) => setCondition(d, 'ConfigurationValid', 'False', 'SecretMissing', 'is not there'),
    says: ['configuration-valid SecretMissing'],
  },
  {
    fault: 'a server that does not answer',
    breaks: (d) => setCondition(d, 'NetworkReady', 'False', 'ServerUnreachable', 'does not answer'),
    says: ['network ServerUnreachable'],
  },
  {
    fault: 'a service without backend',
    breaks: (d) => setCondition(d, 'BackendsAvailable', 'False', 'NoBackendsFound', '0 backends'),
    says: ['backends NoBackendsFound'],
  },
  {
    fault: 'a workload that is scaled to 0',
    breaks: (d) => {
      noBackends(d);
      d.workloads.ok[0].spec.replicas = 0;
      d.workloads.ok[0].status = {};
    },
    says: ['backends ScaledToZero'],
  },
  {
    fault: 'a workload whose Pods were refused before its service was there, and that waits',
    breaks: (d) => {
      noBackends(d);
      refusedPods(d, 'admission webhook "annotated.pods.frp.io" denied the request: there is no DistributedService "web"');
    },
    says: ['pods-made PodsHeldBack', 'backends PodsHeldBack'],
  },
  {
    fault: 'a workload that a quota kept from its Pods, which is gone',
    breaks: (d) => {
      noBackends(d);
      refusedPods(d, 'pods "web-1" is forbidden: exceeded quota: small, requested: pods=1, used: pods=0, limited: pods=0');
    },
    says: ['pods-made PodsHeldBack', 'backends PodsHeldBack'],
  },
  {
    fault: 'a quota that keeps a service from its backends',
    breaks: (d) => {
      noBackends(d);
      refusedPods(d, 'pods "web-1" is forbidden: exceeded quota: small, requested: pods=1, used: pods=0, limited: pods=0');
      d.quotas.ok = [{ metadata: { namespace: 'shop', name: 'small' } }];
    },
    says: ['pods-made QuotaExceeded', 'backends QuotaExceeded'],
  },
  {
    fault: 'a service whose only workload is in a namespace that has opted out',
    breaks: (d) => {
      noBackends(d);
      d.namespaces.ok[0].metadata.labels = { 'frp.io/injection': 'disabled' };
    },
    says: ['opted-out NamespaceOptedOut', 'backends NamespaceOptedOut'],
  },
  {
    fault: 'a service whose only workload has opted out',
    breaks: (d) => {
      noBackends(d);
      annotate(d, { 'frp.io/inject': 'false' });
    },
    says: ['backends OptedOut'],
  },
  {
    fault: 'a service whose only workload has its group under a misspelt name',
    breaks: (d) => {
      noBackends(d);
      const { metadata } = d.workloads.ok[0].spec.template;
      metadata.annotations = { 'frp.io/gruop': 'web' };
    },
    says: ['unknown-annotations AnnotationUnknown', 'backends AnnotationUnknown'],
  },
  {
    fault: 'a service whose only workload names it wrong',
    breaks: (d) => {
      noBackends(d);
      annotate(d, { 'frp.io/group': 'wep' });
    },
    says: ['templates UnknownGroup', 'backends UnknownGroup'],
  },
  {
    fault: 'a service whose hosts have no address',
    breaks: (d) => {
      d.workloads.ok = d.pods.ok = [];
      d.services.ok[0].spec.backends = { endpoints: [{ host: 'db.example.com', port: 1 }] };
      setCondition(
        d,
        'BackendsAvailable',
        'False',
        'NoBackendsFound',
        '0 backends available; list hosts in spec.backends.endpoints that have an address',
      );
    },
    says: ['backends NoBackendsFound'],
  },
  {
    fault: 'an app that listens elsewhere',
    breaks: (d) => unhealthyBackend(d, 'its port takes no connections'),
    says: ['backends AppNotListening'],
  },
  {
    fault: 'an app that has gone, of which the health check knows only that it says nothing',
    breaks: (d) => unhealthyBackend(d, 'GET /health got no HTTP answer'),
    probes: {
      logOf: () =>
        Promise.resolve(ok('[E] connect to local service [127.0.0.1:8080] error: dial tcp 127.0.0.1:8080: connect: connection refused')),
    },
    says: ['backends AppNotListening'],
  },
  {
    fault: 'a health check that fails',
    breaks: (d) => unhealthyBackend(d, 'GET /health answered 404'),
    says: ['backends HealthCheckFails'],
  },
  {
    fault: 'a sidecar that the gateway turns away',
    breaks: (d) => unhealthyBackend(d, 'refused by the gateway, WrongAudience: the token is for x'),
    says: ['backends WrongAudience'],
  },
  {
    fault: 'one backend of two that is not healthy',
    breaks: (d) => d.services.ok[0].status.endpoints.push({ name: 'web-2', healthy: false, reason: 'GET /health answered 500' }),
    says: ['all-backends HealthCheckFails'],
  },
  {
    fault: 'Pods of an older configuration',
    breaks: (d) => {
      d.services.ok[0].status.state = 'Updating';
      setCondition(
        d,
        'BackendsAvailable',
        'True',
        'BackendsReady',
        '1 runs an older configuration: restart its Pods: kubectl -n shop rollout restart deployment/web',
      );
    },
    says: ['pods-current PodsOutdated'],
  },
  {
    fault: 'a service that has moved to the plain frp server without its Pods',
    breaks: (d) => {
      d.services.ok[0].status.state = 'Updating';
      setCondition(
        d,
        'BackendsAvailable',
        'False',
        'RestartPods',
        '0 backends available through the plain frp server; 1 Pod is still configured for the gateway; restart its Pods: kubectl -n shop rollout restart deployment/web',
      );
    },
    says: ['backends RestartPods'],
  },
  {
    fault: 'a Service in the cluster that is not there',
    breaks: (d) => setCondition(d, 'ClusterServiceReady', 'False', 'NameTaken', 'it exists'),
    says: ['cluster-service NameTaken'],
  },
  {
    fault: 'two clusters that disagree',
    breaks: (d) => setCondition(d, 'SpecDiffers', 'True', 'AnotherClusterDecides', 'differs'),
    says: ['clusters-agree AnotherClusterDecides'],
  },
  {
    fault: 'a service that cannot end',
    breaks: (d) => (d.services.ok[0].metadata.deletionTimestamp = new Date(d.at - 600_000).toISOString()),
    says: ['templates ServiceDeleting', 'deletions DeletionStuck'],
  },

  {
    fault: 'a policy that lets no Pod out',
    breaks: (d) => (d.networkPolicies.ok = [policy('shop', { policyTypes: ['Egress'] })]),
    says: ['egress PolicyBlocksTunnel', 'dns PolicyBlocksDns'],
  },
  {
    fault: 'a policy that lets Pods out to the DNS alone',
    breaks: (d) =>
      (d.networkPolicies.ok = [policy('shop', { policyTypes: ['Egress'], egress: [{ ports: [{ protocol: 'UDP', port: 53 }] }] })]),
    says: ['egress PolicyBlocksTunnel'],
  },
  {
    fault: 'a policy that lets nobody in to the gateway',
    breaks: (d) => (d.gateway.networkPolicies.ok = [policy('frp-gateway', { policyTypes: ['Ingress'] })]),
    says: ['ingress PolicyBlocksServer'],
  },
  {
    fault: 'tunnels beyond what a namespace may have',
    breaks: (d) => setCondition(d, 'TunnelsRefused', 'True', 'TooManyTunnels', 'too many'),
    says: ['refusals TooManyTunnels'],
  },
  {
    fault: 'an frp server that is not Ready',
    breaks: (d) => {
      d.config.ok.gateway.addresses = [];
      d.installation.workloads.ok.push({
        kind: 'Deployment',
        metadata: { namespace: 'frp-system', name: 'frp-server' },
        spec: { replicas: 1 },
        status: {},
      });
    },
    says: ['plain-server ServerNotReady'],
  },
  {
    fault: 'a udp service where only the gateway is installed',
    breaks: (d) =>
      (d.workloads.ok = []) &&
      Object.assign(d.services.ok[0].spec, { serviceType: 'udp', gateway: false, expose: { type: 'port', port: 53 } }),
    says: ['plain-server WorkloadMissing'],
  },
  {
    fault: 'a tunnel that is not encrypted',
    breaks: (d) => {
      d.config.ok.gateway.addresses = [];
      d.config.ok.frps.tls = 'off';
      d.config.ok.frps.address = 'frps.example.com';
    },
    says: ['tunnel-tls TunnelUnauthenticated'],
  },

  { fault: 'no gateway', breaks: (d) => (d.gateway.namespace = { absent: 'Namespace' }), says: ['gateway GatewayMissing'] },
  {
    fault: 'a gateway that is not Ready',
    breaks: (d) => (d.gateway.workloads.ok[0].status.readyReplicas = 1),
    says: ['gateway WorkloadNotReady'],
  },
  { fault: 'a replica that nobody dials', breaks: (d) => d.config.ok.gateway.addresses.pop(), says: ['replicas ReplicasDiffer'] },
  {
    fault: 'an address of another namespace',
    breaks: (d) => {
      d.config.ok.gateway.addresses = ['frp-gateway.other.svc'];
      d.installation.secrets.set('frp-gateway-tls', { forbidden: 'get Secret' });
    },
    says: ['gateway-certificate NotReadable', 'addresses GatewayAddressUnknown'],
  },
  {
    fault: 'no Service for users',
    breaks: (d) => (d.gateway.services.ok = d.gateway.services.ok.filter((s: Draft) => s.metadata.name !== 'frp-gateway-users')),
    says: ['users-service UsersServiceMissing'],
  },
  {
    fault: 'a port that the Service for users lacks',
    breaks: (d) => d.gateway.services.ok.find((s: Draft) => s.metadata.name === 'frp-gateway-users').spec.ports.pop(),
    says: ['users-service UsersPortMissing'],
  },
  {
    fault: 'a Service for users without Pods',
    breaks: (d) => (d.gateway.endpointSlices.ok = []),
    says: ['users-service UsersServiceNoEndpoints'],
  },
  {
    fault: 'a link that is down',
    breaks: (d) => setCondition(d, 'LinkReady', 'False', 'Unreachable', 'No link'),
    says: ['links Unreachable'],
  },
  {
    fault: 'a token that was not taken',
    breaks: (d) =>
      d.installation.secrets.set(
        'frp-gateway-join',
        ok({ metadata: { name: 'frp-gateway-join', annotations: { 'frp.io/join-problem': 'final: used' } }, keys: [], certificates: {} }),
      ),
    says: ['join JoinFailed'],
  },
  {
    fault: 'a webhook that does not answer at its metrics',
    probes: {
      getFromPod: (_namespace, pod) =>
        Promise.resolve(pod.startsWith('frp-webhook') ? { failed: 'timed out' } : ok({ status: 200, ms: 1, body: '', headers: {} })),
    },
    says: ['webhook-metrics MetricsUnreachable', 'webhook-metrics MetricsUnreachable'],
  },
  {
    fault: 'an app that real requests do not reach',
    probes: {
      getFromPod: (_namespace, pod, _port, _path, how) =>
        Promise.resolve(
          ok({ status: how?.host === 'web.example.com' && pod === 'frp-gateway-1' ? 503 : 200, ms: 1, body: '', headers: {} }),
        ),
    },
    options: { isTraffic: true },
    says: ['traffic RequestFailed'],
  },
];
