import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { defaultConfig } from '../../../src/config/schema.ts';
import { ServiceStore } from '../../../src/model/store.ts';
import { webhooksOf } from '../../../src/webhook/webhooks.ts';
import { service } from '../../support/services.ts';
import { keepAlive, podReview, send, serving, type ServiceConfig } from './harness.ts';

const resources = { requests: { cpu: '100m', memory: '64Mi', 'example.com/gpu': '1' }, limits: { cpu: '1', memory: '1Gi' } };
const handler = {
  httpGet: { path: '/health', port: 'http', host: 'localhost', scheme: 'HTTP', httpHeaders: [{ name: 'X-A', value: 'b' }] },
};
const container = {
  name: 'app',
  image: 'docker.io/library/app:1',
  imagePullPolicy: 'IfNotPresent',
  restartPolicy: 'Always',
  command: ['/app'],
  args: ['--port=8080'],
  workingDir: '/srv',
  env: [
    { name: 'PORT', value: '8080' },
    { name: 'POD', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.name' } } },
    { name: 'KEY', valueFrom: { secretKeyRef: { name: 'secret', key: 'key' } } },
    { name: 'CPU', valueFrom: { resourceFieldRef: { containerName: 'app', resource: 'limits.cpu', divisor: '1m' } } },
  ],
  envFrom: [{ prefix: 'P_', configMapRef: { name: 'settings' } }],
  ports: [{ name: 'http', containerPort: 8080, protocol: 'TCP', hostIP: '127.0.0.1' }],
  resources,
  lifecycle: { preStop: { exec: { command: ['/bin/sleep', '5'] } }, postStart: handler },
  livenessProbe: handler,
  readinessProbe: { grpc: { port: 9090, service: 'a.B' } },
  startupProbe: { tcpSocket: { port: 'http', host: 'localhost' } },
  securityContext: {
    capabilities: { add: ['NET_ADMIN'], drop: ['ALL'] },
    seLinuxOptions: { level: 's0', role: 'r', type: 't', user: 'u' },
  },
  volumeMounts: [{ name: 'data', mountPath: '/data', subPath: 'a', mountPropagation: 'None' }],
  terminationMessagePath: '/dev/log',
  terminationMessagePolicy: 'File',
};
const labelSelector = { matchLabels: { app: 'web' }, matchExpressions: [{ key: 'tier', operator: 'In', values: ['front'] }] };

/** A Pod with a text in every place that an annotated Pod commonly has one. */
const pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    generateName: 'web-',
    namespace: 'shop',
    labels: { app: 'web', 'frp.io/sidecar': 'mine', 'app.kubernetes.io/name': 'web' },
    annotations: {
      'frp.io/group': 'web',
      'frp.io/port': '8080',
      'frp.io/weight': '1',
      'frp.io/inject': 'true',
      'frp.io/readiness-gate': 'true',
      'frp.io/injected': '{}',
      'frp.io/frpc.json': '{}',
      'linkerd.io/inject': 'enabled',
      'sidecar.istio.io/status': '{}',
    },
    ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web-1', uid: 'uid' }],
    finalizers: ['example.com/f'],
  },
  spec: {
    containers: [container, { ...container, name: 'second' }],
    initContainers: [{ ...container, name: 'first' }],
    volumes: [
      { name: 'data', emptyDir: { medium: 'Memory', sizeLimit: '1Gi' } },
      { name: 'claim', persistentVolumeClaim: { claimName: 'data' } },
      { name: 'secret', secret: { secretName: 'secret', items: [{ key: 'a', path: 'b' }] } },
      { name: 'token', projected: { sources: [{ serviceAccountToken: { path: 'token', audience: 'vault' } }] } },
    ],
    nodeSelector: { 'kubernetes.io/os': 'linux', 'beta.kubernetes.io/os': 'linux' },
    affinity: {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: [{ matchExpressions: [{ key: 'kubernetes.io/os', operator: 'In', values: ['linux'] }] }],
        },
      },
      podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ labelSelector, topologyKey: 'zone', namespaces: ['shop'] }] },
    },
    tolerations: [{ key: 'a', operator: 'Equal', value: 'b', effect: 'NoSchedule' }],
    topologySpreadConstraints: [{ maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'ScheduleAnyway', labelSelector }],
    dnsPolicy: 'ClusterFirst',
    dnsConfig: { nameservers: ['10.0.0.1'], searches: ['a.b'], options: [{ name: 'ndots', value: '2' }] },
    hostAliases: [{ ip: '10.0.0.1', hostnames: ['a'] }],
    imagePullSecrets: [{ name: 'registry' }],
    readinessGates: [{ conditionType: 'example.com/ready' }],
    os: { name: 'linux' },
    overhead: { cpu: '1m' },
    resources,
    restartPolicy: 'Always',
    hostname: 'web',
    subdomain: 'web',
    nodeName: 'node',
    priorityClassName: 'low',
    preemptionPolicy: 'Never',
    runtimeClassName: 'gvisor',
    schedulerName: 'default-scheduler',
    serviceAccountName: 'default',
    securityContext: { seccompProfile: { type: 'Localhost', localhostProfile: 'p' }, sysctls: [{ name: 'a', value: 'b' }] },
  },
};

type Path = readonly (string | number)[];

/** Where a value has texts: those of its leaves. */
function textsIn(value: unknown, path: Path = []): Path[] {
  if (typeof value === 'string') return [path];
  if (Array.isArray(value)) return value.flatMap((item, index) => textsIn(item, [...path, index]));
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) => textsIn(item, [...path, key]));
}

function withText(path: Path, text: string): object {
  const copy = structuredClone(pod) as Record<string, unknown>;
  const parent = path.slice(0, -1).reduce<Record<string, unknown>>((at, key) => at[key] as Record<string, unknown>, copy);
  parent[path.at(-1)!] = text;
  return copy;
}

/** What long text is made of, in turn: what a number, a name or an object may begin with, and none of them ends with. */
const kinds = ['1', ' ', 'a', '1e', 'a-', '{"a":['].map((part) => `${part.repeat(100_000 / part.length)}!`);
/** A review needs a few. Where the work grows with the square of the text, it is some ten thousand. */
const mostCpuMs = 1000;

describe('a Pod with 100 KB in one field', { timeout: 120_000 }, () => {
  let served: ServiceConfig;
  before(async () => {
    const services = new ServiceStore();
    const web = service('web');
    services.set({ ...web, metadata: { ...web.metadata, namespace: 'shop' } });
    served = await serving(webhooksOf(services, defaultConfig));
  });
  after(() => served.close(0));

  it('does not hold up the next review, whichever field it is', async () => {
    const agent = keepAlive(served);
    const review = async (path: string, object: object) =>
      await send(served, podReview({ namespace: 'shop', object }), { agent, path: `${path}?timeout=10s` });
    const { json } = await review('/mutate/pods', pod);
    const first = json.response;
    assert.ok(first.allowed && first.patch, JSON.stringify(first));
    const paths = textsIn(pod);
    assert.ok(paths.length > 200, `${paths.length} fields`);
    const slow: string[] = [];
    for (const [index, path] of paths.entries()) {
      const isAnnotation = path[1] === 'annotations' || path.some((key) => /^(cpu|memory|divisor|sizeLimit)$/.test(String(key)));
      for (const text of isAnnotation ? kinds : [kinds[index % kinds.length]!]) {
        const before = process.cpuUsage();
        assert.equal((await review('/mutate/pods', withText(path, text))).status, 200, path.join('.'));
        const { user, system } = process.cpuUsage(before);
        if ((user + system) / 1000 > mostCpuMs) slow.push(`${path.join('.')}, ${text.slice(0, 8)}…: ${(user + system) / 1000} ms`);
      }
    }
    assert.deepEqual(slow, []);
    assert.deepEqual((await review('/mutate/pods', pod)).json.response, first);
    agent.destroy();
  });
});
