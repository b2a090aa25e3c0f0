/** Faults of workloads and their annotations. */
import { apply, get, kubectl } from '../kubectl.ts';
import { httpService, images, pod, podSecurity, script } from '../objects.ts';
import { changesIn, hostOf, name, quickDeployment, workset, type Lane } from './faults.ts';
import { eventually } from '../run.ts';

function annotations(): Lane {
  const namespace = 'check-annotations';
  const { annotate, container, patch } = changesIn(namespace);
  return {
    namespace,
    faults: [
      { fault: 'a misspelled group', make: () => annotate({ 'frp.io/group': 'chekced' }), reason: 'UnknownGroup' },
      { fault: 'a misspelled annotation', make: () => annotate({ 'frp.io/wieght': '3' }), reason: 'AnnotationUnknown' },
      { fault: 'an annotation with another prefix', make: () => annotate({ 'frp-io/weight': '3' }), reason: 'AnnotationUnknown' },
      { fault: 'a weight that is no number', make: () => annotate({ 'frp.io/weight': "it's many" }), reason: 'InvalidAnnotation' },
      { fault: 'a port that was renamed', make: () => annotate({ 'frp.io/port': 'web' }), reason: 'InvalidAnnotation' },
      {
        fault: 'two ports of which none is named',
        make: async () => {
          await container({ ports: [{ name: 'admin', containerPort: 9090 }] });
          await annotate({ 'frp.io/port': null });
        },
        reason: 'MissingPort',
      },
      {
        fault: 'a group on the Deployment itself',
        make: () =>
          patch('deployment', 'merge', {
            metadata: { annotations: { 'frp.io/group': name } },
            spec: { template: { metadata: { annotations: { 'frp.io/group': null } } } },
          }),
        reason: 'AnnotationMisplaced',
      },
    ],
  };
}

function workloads(): Lane {
  const namespace = 'check-workloads';
  const { annotate, kubectl: own } = changesIn(namespace);
  return {
    namespace,
    faults: [
      { fault: 'a workload that is scaled to 0', make: () => own('scale', `deployment/${name}`, '--replicas=0'), reason: 'ScaledToZero' },
      { fault: 'a Pod template that has opted out', make: () => annotate({ 'frp.io/inject': 'false' }), reason: 'OptedOut' },
      {
        fault: 'a namespace where injection is switched off',
        make: () => kubectl('label', 'namespace', namespace, 'frp.io/injection=disabled'),
        reason: 'NamespaceOptedOut',
      },
      {
        fault: 'an annotation of the Namespace that is for Pods',
        make: () => kubectl('annotate', 'namespace', namespace, `frp.io/group=${name}`),
        reason: 'AnnotationIneffective',
      },
      {
        fault: 'a quota that lets no further Pod in',
        make: async () => {
          await apply({ apiVersion: 'v1', kind: 'ResourceQuota', metadata: { namespace, name: 'small' }, spec: { hard: { pods: '1' } } });
          await eventually('the quota counts', async () => {
            if ((await get(namespace, 'resourcequota', 'small')).status?.used?.pods !== '1') throw new Error('it does not yet');
          });
          await own('rollout', 'restart', `deployment/${name}`);
        },
        reason: 'QuotaExceeded',
      },
    ],
  };
}

function rollouts(): Lane {
  const namespace = 'check-rollouts';
  const { annotate, container } = changesIn(namespace);
  return {
    namespace,
    faults: [
      {
        fault: "a tag of the app's image that there is none of",
        make: () => container({ image: 'lab/echo:typo' }),
        reason: 'ImageNotPulled',
      },
      {
        fault: 'another image for the sidecar that there is none of',
        make: () => annotate({ 'frp.io/sidecar-image': 'fatedier/frpc:typo' }),
        reason: 'ImageNotPulled',
      },
      {
        fault: 'an app that ends again and again',
        make: () => container({ image: images.program, command: ['node', '-e', 'process.exit(3)'] }),
        reason: 'ContainerCrashing',
      },
      {
        fault: 'a ConfigMap that is not there',
        make: () => container({ envFrom: [{ configMapRef: { name: 'nowhere' } }] }),
        reason: 'ContainerNotCreated',
      },
      {
        fault: 'an app that asks for more than a node has',
        make: () => container({ resources: { requests: { cpu: '1000' } } }),
        reason: 'PodUnschedulable',
      },
    ],
  };
}

/** An app that answers at one path alone, and at an address that a test chooses. */
function apps(): Lane {
  const namespace = 'check-apps';
  const { annotate, spec, container } = changesIn(namespace);
  const app = { namespace, name, frp: { group: name }, pod: { securityContext: podSecurity } };
  const listening = script(
    'require("http").createServer((_, r) => r.end("hostname: " + process.env.HOSTNAME + "\\n")).listen(8080, process.env.AT)',
  );
  return {
    namespace,
    objects: [
      httpService(namespace, name, hostOf(namespace)),
      quickDeployment({
        ...app,
        container: {
          ...listening,
          env: [{ name: 'AT', value: '0.0.0.0' }],
          readinessProbe: { httpGet: { path: '/', port: 'http' }, periodSeconds: 1 },
        },
      }),
    ],
    faults: [
      { fault: 'a port that the app does not listen on', make: () => annotate({ 'frp.io/port': '9999' }), reason: 'AppNotListening' },
      {
        fault: "an app that listens at the Pod's address alone",
        make: () => container({ env: [{ name: 'AT', value: null, valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } }] }),
        reason: 'AppNotListening',
      },
      {
        fault: 'a path for the health check that the app does not have',
        make: async () => {
          await container({
            command: [
              'node',
              '-e',
              'require("http").createServer((q, r) => { r.statusCode = q.url === "/" ? 200 : 404; r.end() }).listen(8080, process.env.AT)',
            ],
          });
          await spec({ loadBalancing: { healthCheck: { path: '/healthz' } } });
        },
        reason: 'HealthCheckFails',
      },
    ],
  };
}

function leftovers(): Lane {
  const namespace = 'check-leftovers';
  const { kubectl: own } = changesIn(namespace);
  const lone = (of: string) => pod({ namespace, name: of, frp: { group: of }, pod: { terminationGracePeriodSeconds: 1 } });
  const ready = (of: string) => own('wait', '--for=condition=Ready', `pod/${of}`, '--timeout=60s');
  return {
    namespace,
    objects: [...workset(namespace), httpService(namespace, 'lone', 'lone.example.com'), lone('lone')],
    faults: [
      {
        fault: 'a Pod from when the webhooks were not asked',
        make: async () => {
          await kubectl('label', 'namespace', namespace, 'frp.io/injection=disabled');
          await apply({ ...lone('bare'), metadata: { ...lone('bare').metadata, annotations: { 'frp.io/group': name } } });
          await ready('bare');
          await kubectl('label', 'namespace', namespace, 'frp.io/injection-');
        },
        reason: 'PodNotInjected',
      },
      {
        fault: 'a Pod of a service that is gone',
        make: async () => {
          await ready('lone');
          await own('delete', 'dsvc', 'lone');
        },
        reason: 'OrphanedPod',
      },
      {
        fault: 'a Secret of a service that is gone',
        make: () =>
          apply({
            apiVersion: 'v1',
            kind: 'Secret',
            metadata: { namespace, name: 'frp-old-tls', labels: { 'app.kubernetes.io/managed-by': 'frp-k8s', 'frp.io/service': 'old' } },
          }),
        reason: 'OrphanedSecret',
      },
      { fault: 'a workload whose service was deleted', make: () => own('delete', 'dsvc', name), reason: 'UnknownGroup' },
    ],
  };
}

export const workloadLanes = (): Lane[] => [annotations(), workloads(), rollouts(), apps(), leftovers()];
