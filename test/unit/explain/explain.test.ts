/** Explanations of objects of a cluster, each as its text. FRPK8S_GOLDEN=1 writes the texts anew. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { configSchema } from '../../../src/config/schema.ts';
import { explanationText, exitCodeOf, type Explanation } from '../../../src/explain/explanation.ts';
import { wantedIn } from '../../../src/cli/explain-words.ts';
import { explainHost, hostIn } from '../../../src/explain/host.ts';
import { explainPod } from '../../../src/explain/pod.ts';
import { rowOf } from '../../../src/explain/status.ts';
import { explainService } from '../../../src/explain/service.ts';
import { explainWorkload } from '../../../src/explain/workload.ts';
import type { World } from '../../../src/explain/world.ts';
import type { ServiceReport, Trace } from '../../../src/gateway/api/report-types.ts';
import type { KubeObject } from '../../../src/kube/types.ts';
import { annotation } from '../../../src/model/names.ts';
import type { DistributedService } from '../../../src/model/types.ts';
import { decidePod } from '../../../webhooks/pods/decide.ts';
import jsonpatch, { type Operation } from 'fast-json-patch';
import { service, storeOf } from '../../support/services.ts';
import { ApiServer } from '../kube/api-server.ts';

const now = Date.parse('2026-01-02T03:04:05Z');
const config = configSchema.parse({ gateway: { addresses: ['gw.example.com'] } });
const web = service('web', { loadBalancing: { algorithm: 'least-conn' } });
const plain = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web-1', namespace: 'shop', uid: 'uid-1', annotations: { [annotation.group]: 'web' } },
  spec: { containers: [{ name: 'app', image: 'app', ports: [{ containerPort: 8080 }] }] },
};

function injected(): KubeObject {
  const { patch } = decidePod(plain, { namespace: 'shop', services: storeOf(web), config, selectorMode: false });
  return jsonpatch.applyPatch(structuredClone(plain), (patch ?? []) as Operation[]).newDocument;
}

const report: ServiceReport = {
  replica: 'frp-gateway-0',
  service: 'shop/web',
  up: 0,
  registered: 1,
  current: 2,
  perSecond: 14.2,
  p50: 0.003,
  p99: 1.24,
  exposures: ['web.example.com/'],
  access: { kind: 'apikey', clients: 3 },
  rules: [{ path: '/admin/*', methods: ['GET'], roles: ['ops'] }],
  limits: { requestsPerSecond: 50 },
  algorithm: 'least-conn',
  backends: [
    {
      proxy: 'shop.web.0a1b2c3d.web-1.uid-1',
      pod: 'web-1',
      address: '10.0.0.7:8080',
      since: '2026-01-02T03:00:05Z',
      weight: 1,
      state: 'down',
      check: 'L7STS 404',
      reason: 'GET /health answered 404',
      current: 0,
      perSecond: 0,
    },
  ],
  routes: [
    { at: 'web.example.com', entry: 'shop/web', order: 1, headers: {}, share: 1 },
    { at: 'shop.example.com/v2', entry: 'shop/front', order: 1, headers: { 'x-beta': 'yes' }, share: 0.2 },
  ],
  refusals: [],
};

const trace: Trace = {
  replica: 'frp-gateway-0',
  steps: [
    { at: 'frontend', passes: true, text: 'frp-http: the http port of users' },
    { at: 'host', passes: false, text: 'no service is published under wbe.example.com' },
  ],
  ends: [{ share: 1, steps: [], end: { status: 404, text: 'no service is published under this host name' } }],
};

describe('explain', () => {
  let api: ApiServer;
  let world: World;
  const answers: Record<string, unknown> = {};

  before(async () => {
    api = await ApiServer.start();
    const voice = (replica: string) => ({
      replica,
      ask: <T>(path: string) => Promise.resolve(path in answers ? { ok: answers[path] as T } : { failed: 'the connection was refused' }),
    });
    world = {
      client: api.client,
      config,
      gaps: [],
      isConfigKnown: true,
      isConfigInvalid: false,
      installation: 'frp-system',
      isInstallationMissing: false,
      reach: { voices: [voice('frp-gateway-0')], problems: [] },
      now,
    };
    api.put('/api/v1/namespaces/shop', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } });
    putWeb({});
    answers['/api/services/shop/web'] = report;
    api.intercept = ({ path }) =>
      path.endsWith('/log')
        ? {
            status: 200,
            body: '2026-01-02 [I] nothing of note\n2026-01-02 [W] [proxy] start proxy success\n\u001b[33m2026-01-02 [E] work connection error\u001b[0m\n',
          }
        : undefined;
  });
  after(() => api.close());

  function putWeb(status: DistributedService['status'] & object): void {
    api.put('/apis/frp.io/v1beta1/namespaces/shop/distributedservices/web', { ...web, status } as unknown as KubeObject);
  }

  function putPod(pod: KubeObject, status: object = {}): void {
    api.put('/api/v1/namespaces/shop/pods/web-1', { ...pod, status } as KubeObject);
  }

  function isAsBefore(name: string, explanation: Explanation): void {
    const file = new URL(`golden/${name}.txt`, import.meta.url);
    const text = explanationText(explanation);
    if (process.env.FRPK8S_GOLDEN) writeFileSync(file, text);
    assert.equal(text, readFileSync(file, 'utf8'));
  }

  it('tells of a Pod what was decided, what its sidecar says, and what the gateway makes of it', async () => {
    putPod(injected(), {
      phase: 'Running',
      initContainerStatuses: [
        { name: 'frpc', ready: true, restartCount: 2, state: { running: {} }, lastState: { terminated: { reason: 'Error', exitCode: 1 } } },
      ],
    });
    const explanation = await explainPod(world, 'shop', 'web-1');
    isAsBefore('pod', explanation);
    assert.equal(exitCodeOf([explanation]), 1);
  });

  it('says of a Pod without its sidecar that it would get one, and how', async () => {
    putPod(plain);
    isAsBefore('pod-without-sidecar', await explainPod(world, 'shop', 'web-1'));
  });

  it('refuses in the words of the webhook', async () => {
    const pod = { ...plain, metadata: { ...plain.metadata, annotations: { [annotation.group]: 'wbe', [annotation.weight]: 'much' } } };
    putPod(pod);
    const { message } = decidePod(pod, { namespace: 'shop', services: storeOf(web), config, selectorMode: false });
    const text = explanationText(await explainPod(world, 'shop', 'web-1'));
    assert.match(text, /refused, UnknownGroup: /);
    for (const sentence of [/no DistributedService "wbe"/, /frp\.io\/weight/]) {
      assert.match(message, sentence);
      assert.match(text, sentence);
    }
  });

  it('names a misspelt annotation, and the one that was meant, of a Pod with a sidecar and of one without', async () => {
    const { metadata } = injected();
    putPod({ ...injected(), metadata: { ...metadata, annotations: { ...metadata.annotations, 'frp.io/wieght': '3' } } });
    assert.match(
      explanationText(await explainPod(world, 'shop', 'web-1')),
      /frp\.io\/wieght is not known .*did you mean frp\.io\/weight\?/,
    );
    putPod({ ...plain, metadata: { ...plain.metadata, annotations: { 'frp.io/gruop': 'web' } } });
    assert.match(explanationText(await explainPod(world, 'shop', 'web-1')), /frp\.io\/gruop is not known .*did you mean frp\.io\/group\?/);
  });

  it('tells of a service its status, who may use it, and each backend at each replica', async () => {
    putWeb({
      state: 'Degraded',
      activeBackends: 0,
      totalBackends: 1,
      conditions: [
        { type: 'Ready', status: 'False', reason: 'BackendsUnhealthy', message: 'web-1: GET /health answered 404' },
        { type: 'BackendsAvailable', status: 'False', reason: 'BackendsUnhealthy', message: 'web-1: GET /health answered 404' },
      ],
    });
    isAsBefore('service', await explainService(world, 'shop', 'web'));
  });

  it('tells of a service that users reach which of its backends are down', async () => {
    const message = '1 backends available; 1 unhealthy: web-1: GET /health answered 503';
    putWeb({
      state: 'Degraded',
      activeBackends: 1,
      totalBackends: 2,
      conditions: [
        { type: 'Ready', status: 'True', reason: 'Serving', message: 'Users reach the service' },
        { type: 'BackendsAvailable', status: 'True', reason: 'BackendsReady', message },
      ],
    });
    const { lines } = (await explainService(world, 'shop', 'web')).sections[0]!;
    assert.deepEqual(
      lines.filter(({ level }) => level !== 'info').map(({ level, text, reason }) => ({ level, text, reason })),
      [{ level: 'warning', text: `BackendsAvailable: ${message}`, reason: 'BackendPartlyDown' }],
    );
    const row = rowOf(
      {
        ...web,
        status: {
          state: 'Degraded',
          conditions: [
            { type: 'Ready', status: 'True', reason: 'Serving', message: '' },
            { type: 'BackendsAvailable', status: 'True', reason: 'BackendsReady', message },
          ],
        },
      },
      {},
    );
    assert.deepEqual([row.reason, row.message], ['BackendPartlyDown', message]);
  });

  it('says why the gateway cannot be asked, and what the status knows all the same', async () => {
    const away = {
      ...world,
      reach: { voices: [], problems: ['the gateway cannot be asked: this account may not get Secret frp-system/frp-server-api'] },
    };
    putWeb({
      state: 'Running',
      activeBackends: 1,
      totalBackends: 1,
      endpoints: [{ name: 'web-1', address: '10.0.0.7', port: 8080, healthy: true }],
    });
    const explanation = await explainService(away, 'shop', 'web');
    isAsBefore('service-without-gateway', explanation);
    assert.equal(exitCodeOf([explanation]), 2);
  });

  it('tells of a Deployment whose annotation is in the wrong place', async () => {
    const deployment = {
      metadata: { name: 'web', namespace: 'shop', annotations: { [annotation.group]: 'web' } },
      spec: {
        replicas: 1,
        selector: { matchLabels: { app: 'web' } },
        template: { metadata: { labels: { app: 'web' } }, spec: plain.spec },
      },
      status: { readyReplicas: 1 },
    };
    api.put('/apis/apps/v1/namespaces/shop/deployments/web', deployment);
    isAsBefore('deployment', await explainWorkload(world, 'Deployment', 'shop', 'web'));
  });

  it('says of a workload, and of its service, why there are no Pods, as check does', async () => {
    const message = 'admission webhook "annotated.pods.frp.io" denied the request: there is no DistributedService "web"';
    const deployment = {
      metadata: { name: 'web', namespace: 'shop' },
      spec: {
        replicas: 1,
        selector: { matchLabels: { app: 'web' } },
        template: { ...plain, metadata: { annotations: plain.metadata.annotations } },
      },
      status: { conditions: [{ type: 'ReplicaFailure', status: 'True', message }] },
    };
    api.put('/apis/apps/v1/namespaces/shop/deployments/web', deployment);
    const none = { type: 'BackendsAvailable', status: 'False', reason: 'NoBackendsFound', message: '0 backends available' } as const;
    putWeb({ state: 'Provisioning', activeBackends: 0, totalBackends: 0, conditions: [none] });
    for (const explanation of [await explainWorkload(world, 'Deployment', 'shop', 'web'), await explainService(world, 'shop', 'web')]) {
      const text = explanationText(explanation);
      assert.match(text, /PodsHeldBack: .*its Pods were refused, and would not be now/);
      assert.match(text, /→ kubectl -n shop rollout restart deployment\/web/);
    }
  });

  it('follows a request, and names the service that wants the host', async () => {
    const asked = { host: 'wbe.example.com', path: '/', scheme: 'http', method: 'GET', headers: [], roles: undefined } as const;
    answers['/api/routes?host=wbe.example.com&path=%2F&scheme=http&method=GET'] = trace;
    isAsBefore('host', await explainHost(world, asked));
  });

  it('names the service that was probably meant', async () => {
    putWeb({});
    await assert.rejects(explainService(world, 'shop', 'wbe'), /there is no DistributedService shop\/wbe; did you mean shop\/web\?/);
    await assert.rejects(explainService(world, 'other', 'web'), /did you mean shop\/web\?/);
  });

  it('takes the namespace before the name', () => {
    for (const words of [['service', 'shop/web'], ['service/shop/web']])
      assert.deepEqual(wantedIn(words, false), { kind: 'service', name: 'web', namespace: 'shop' });
    assert.deepEqual(wantedIn(['host', 'a.example.com/b'], false), { kind: 'host', name: 'a.example.com/b' });
  });

  it('says of a sidecar that waits for the app that it does', async () => {
    answers['/api/services/shop/web'] = { ...report, backends: [] };
    putPod(injected(), { phase: 'Pending', initContainerStatuses: [{ name: 'frpc', started: false, state: { running: {} } }] });
    const text = explanationText(await explainPod(world, 'shop', 'web-1'));
    answers['/api/services/shop/web'] = report;
    assert.match(
      text,
      /AppNotListening: frp-gateway-0: its sidecar is not registered there: it waits until the app's port takes a connection/,
    );
  });

  it('says of a connector what it is', async () => {
    const labels = { 'app.kubernetes.io/managed-by': 'frp-k8s', 'app.kubernetes.io/component': 'connector', 'frp.io/service': 'web' };
    putPod({ ...plain, metadata: { ...plain.metadata, labels, annotations: { [annotation.inject]: 'false' } } });
    assert.match(explanationText(await explainPod(world, 'shop', 'web-1')), /the connector of shop\/web: it dials the backends/);
  });

  it('does not judge what the gateway cannot know, such as whether a credential is a good one', async () => {
    const asked = {
      host: 'web.example.com',
      path: '/',
      scheme: 'http',
      method: 'GET',
      headers: ['Authorization: x'],
      roles: undefined,
    } as const;
    const step = {
      at: 'access',
      passes: true,
      isUnknown: true,
      text: 'whether the credential of this request is one is not judged here',
    } as const;
    answers['/api/routes?host=web.example.com&path=%2F&scheme=http&method=GET&header=Authorization%3A+x'] = { ...trace, steps: [step] };
    const explanation = await explainHost(world, asked);
    assert.match(explanationText(explanation), /\? access {3}whether the credential/);
  });

  it('calls a port a port', async () => {
    const asked = { host: ':5432', path: '/', scheme: 'http', method: 'GET', headers: [], roles: undefined } as const;
    const text = explanationText(await explainHost(world, asked));
    assert.match(text, /^Connection to port 5432\n/);
    assert.match(text, /no DistributedService of this cluster has port 5432/);
  });

  it('reads hosts as people write them', () => {
    assert.deepEqual(hostIn('https://Web.example.com/v1'), { host: 'web.example.com', path: '/v1', scheme: 'https' });
    assert.deepEqual(hostIn('web.example.com:443'), { host: 'web.example.com', path: '/', scheme: undefined });
    assert.deepEqual(hostIn(':5432'), { host: ':5432', path: '/', scheme: undefined });
    assert.equal(hostIn('a b'), undefined);
  });
});
