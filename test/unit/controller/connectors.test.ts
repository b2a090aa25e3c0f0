import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { pino } from 'pino';
import { configSchema } from '../../../src/config/schema.ts';
import { Connectors } from '../../../src/controller/connectors/connectors.ts';
import { originOf, originsIn, type Target } from '../../../src/frp/origins.ts';
import type { ConfigMap, KubeObject } from '../../../src/kube/types.ts';
import type { DistributedService } from '../../../src/model/types.ts';
import { service } from '../../support/services.ts';
import { until } from '../../support/until.ts';
import type { ApiServer } from '../kube/api-server.ts';
import { reconciled, startApiServer } from './connector-setup.ts';

const name = 'frp-web-connector';
const paths = {
  deployment: `/apis/apps/v1/namespaces/shop/deployments/${name}`,
  configMap: `/api/v1/namespaces/shop/configmaps/${name}`,
  budget: `/apis/policy/v1/namespaces/shop/poddisruptionbudgets/${name}`,
  pod: (pod: string) => `/api/v1/namespaces/shop/pods/${pod}`,
};

let api: ApiServer;
let connectors: Connectors;
let told: string[];
let records: Record<string, string[]>;

beforeEach(async () => {
  api = await startApiServer();
  told = [];
  records = {};
  start();
});
afterEach(async () => {
  await connectors.close();
  api.close();
});

function start(config = configSchema.parse({})): void {
  const resolve = (host: string) =>
    records[host] ? Promise.resolve(records[host]) : Promise.reject(Object.assign(new Error(host), { code: 'ENOTFOUND' }));
  connectors = new Connectors({ client: api.client, config, log: pino({ level: 'silent' }), resolve });
  connectors.subscribe((key) => told.push(key));
}

const web = (backends: DistributedService['spec']['backends'], uid = 'uid-web'): DistributedService => {
  const subject = service('web', { backends });
  return { ...subject, metadata: { ...subject.metadata, uid } };
};
const listed = (...hosts: string[]) => web({ endpoints: hosts.map((host) => ({ host, port: 80 })) });
const selected = web({ discovery: { mode: 'selector', selector: { matchLabels: { app: 'web' } } } });

const reconcile = (subject: DistributedService, isRefused = false) => reconciled(connectors, subject, isRefused);
interface Proxy {
  localIP: string;
  localPort: number;
}
const dialled = (): string[] => {
  const { data } = api.objects.get(paths.configMap) as ConfigMap;
  return (JSON.parse(data!['frpc.json']!) as { proxies: Proxy[] }).proxies.map(({ localIP, localPort }) => `${localIP}:${localPort}`);
};
const writes = () => api.requests.filter(({ method }) => method !== 'GET').map(({ method, path }) => `${method} ${path}`);

const runningPod = (pod: string, labels: Record<string, string>, more: object = {}): KubeObject =>
  ({
    metadata: { name: pod, namespace: 'shop', uid: `uid-${pod}`, labels },
    spec: { containers: [{ name: 'app', ports: [{ containerPort: 9000 }] }], ...more },
    status: { podIP: `10.0.1.${pod.length}`, conditions: [{ type: 'Ready', status: 'True' }] },
  }) as KubeObject;
const connectorPod = (pod: string) =>
  runningPod(pod, {
    'app.kubernetes.io/managed-by': 'frp-k8s',
    'app.kubernetes.io/component': 'connector',
    'frp.io/service': 'web',
  });
const sidecar = (group: string) => ({
  initContainers: [
    {
      name: 'frpc',
      restartPolicy: 'Always',
      env: [{ name: 'FRP_GROUP', value: group }],
      volumeMounts: [{ name: 'frpc-config', mountPath: '/etc/frp' }],
    },
  ],
});

describe('connectors', { timeout: 60_000 }, () => {
  it('have for the gateway one container for each of its addresses, with a configuration and a token of their own', async () => {
    await connectors.close();
    start(configSchema.parse({ gateway: { addresses: ['gw-0.example.com', 'gw-1.example.com:7443'] } }));
    await reconcile(listed('10.0.0.1'));
    const { data } = api.objects.get(paths.configMap) as ConfigMap;
    const clients = ['frpc.json', 'frpc-1.json'].map(
      (key) => JSON.parse(data![key]!) as { serverAddr: string; webServer: { port: number }; proxies: { type: string }[] },
    );
    assert.deepEqual(
      clients.map(({ serverAddr, webServer, proxies }) => [serverAddr, webServer.port, proxies.map(({ type }) => type)]),
      [
        ['gw-0.example.com', 7400, ['tcp']],
        ['gw-1.example.com', 7401, ['tcp']],
      ],
    );
    const { spec } = api.objects.get(paths.deployment) as unknown as {
      spec: { template: { spec: { containers: { name: string; env: { name: string }[] }[]; volumes: object[] } } };
    };
    const { containers, volumes } = spec.template.spec;
    assert.deepEqual(
      containers.map((container) => container.name),
      ['frpc', 'frpc-1'],
    );
    assert.ok(!JSON.stringify(containers).includes('FRP_GROUP_KEY'));
    assert.match(JSON.stringify(volumes), /"items":\[\{"key":"frpc-1.json","path":"frpc.json"\}\]/);
    assert.equal(JSON.stringify(volumes).match(/"audience":"frp.io\/gateway"/g)?.length, 2);
    assert.deepEqual(connectors.backendsOf(listed('10.0.0.1'))[0]?.parts?.length, 1);
  });

  it('are made of a configuration and a Deployment that belong to the service, and then nothing is written any more', async () => {
    assert.deepEqual(await reconcile(listed('10.0.0.2', '10.0.0.1')), {});
    assert.deepEqual(dialled(), ['10.0.0.1:80', '10.0.0.2:80']);
    for (const path of [paths.configMap, paths.deployment]) {
      const { metadata } = api.objects.get(path)!;
      assert.equal(metadata.ownerReferences?.[0]?.uid, 'uid-web');
      assert.equal(metadata.labels?.['app.kubernetes.io/managed-by'], 'frp-k8s');
      assert.equal(metadata.labels?.['frp.io/service'], 'web');
    }
    const before = writes().length;
    await reconcile(listed('10.0.0.1', '10.0.0.2'));
    assert.equal(writes().length, before);
  });

  it('run restricted, without a token, and without what the webhook would inject', async () => {
    await reconcile(listed('10.0.0.1'));
    const { spec } = api.objects.get(paths.deployment) as unknown as {
      spec: { template: { metadata: { annotations: object }; spec: Record<string, unknown> & { containers: Record<string, unknown>[] } } };
    };
    const { automountServiceAccountToken, enableServiceLinks, containers } = spec.template.spec;
    assert.deepEqual([automountServiceAccountToken, enableServiceLinks, containers.length], [false, false, 1]);
    assert.deepEqual(containers[0]!.securityContext, {
      runAsUser: 65532,
      runAsGroup: 65532,
      runAsNonRoot: true,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
      seccompProfile: { type: 'RuntimeDefault' },
    });
    assert.deepEqual(spec.template.metadata.annotations, { 'frp.io/inject': 'false' });
  });

  it('take a change without a new Pod: the configuration, then the annotation that makes the kubelet look', async () => {
    api.put(paths.pod('c-1'), connectorPod('c-1'));
    await reconcile(listed('10.0.0.1'));
    const hash = () => api.objects.get(paths.pod('c-1'))?.metadata.annotations?.['frp.io/config-hash'];
    const first = hash();
    const before = writes().length;
    await reconcile(listed('10.0.0.1', '10.0.0.2'));
    assert.deepEqual(writes().slice(before), [`PATCH ${paths.configMap}`, `PATCH ${paths.pod('c-1')}`]);
    assert.notEqual(hash(), first);
  });

  it('have one backend for each endpoint, however many Pods serve it', async () => {
    api.put(paths.pod('c-1'), connectorPod('c-1'));
    api.put(paths.pod('c-2'), connectorPod('c-2'));
    const subject = listed('10.0.0.1', '10.0.0.2');
    await reconcile(subject);
    const backends = connectors.backendsOf(subject);
    assert.deepEqual(
      backends.map(({ name, parts }) => [name, parts?.length]),
      [
        ['10.0.0.1:80', 1],
        ['10.0.0.2:80', 1],
      ],
    );
    const named = backends.flatMap(({ id, also = [] }) => [id, ...also]);
    assert.deepEqual(
      named.map((id) => id.replace(/^[0-9a-f]{12}-/, '')),
      ['uid-c-1', 'uid-c-2', 'uid-c-1', 'uid-c-2'],
    );
    assert.equal(new Set(named).size, 4);
  });

  it('put right what somebody changed, and make again what somebody deleted', async () => {
    await reconcile(listed('10.0.0.1'));
    const deployment = api.objects.get(paths.deployment) as KubeObject & { spec: object };
    // As often as something is told: the first may be our own writes.
    const mended = (isMended: () => boolean) =>
      until(async () => {
        if (told.splice(0).length > 0) await reconcile(listed('10.0.0.1'));
        return isMended();
      });
    told = [];
    api.put(paths.deployment, { ...deployment, spec: { ...deployment.spec, replicas: 7 } } as KubeObject);
    await mended(() => (api.objects.get(paths.deployment) as unknown as { spec: { replicas: number } }).spec.replicas === 1);
    told = [];
    api.remove(paths.configMap);
    await mended(() => api.objects.has(paths.configMap));
    assert.deepEqual(dialled(), ['10.0.0.1:80']);
  });

  it('have a disruption budget while there are several Pods', async () => {
    const endpoints = [{ host: '10.0.0.1', port: 80 }];
    await reconcile(web({ endpoints, replicas: 2 }));
    assert.deepEqual((api.objects.get(paths.budget) as unknown as { spec: { maxUnavailable: number } }).spec.maxUnavailable, 1);
    await reconcile(web({ endpoints, replicas: 1 }));
    assert.equal(api.objects.has(paths.budget), false);
  });

  for (const [why, subject, isRefused] of [
    ['its backends became annotated Pods', web({ discovery: { mode: 'auto' } }), false],
    ['nothing of it may be exposed', listed('10.0.0.1'), true],
    [
      'it is being deleted',
      { ...listed('10.0.0.1'), metadata: { ...listed().metadata, deletionTimestamp: '2030-01-01T00:00:00Z' } },
      false,
    ],
  ] as const) {
    it(`go when ${why}`, async () => {
      await reconcile(listed('10.0.0.1'));
      await reconcile(subject, isRefused);
      assert.deepEqual(
        [paths.deployment, paths.configMap].filter((path) => api.objects.has(path)),
        [],
      );
      assert.deepEqual(connectors.backendsOf(subject), []);
    });
  }

  for (const [whose, owner, reason] of [
    ['somebody else', undefined, 'NameTaken'],
    ['an earlier service of the name', 'uid-earlier', 'Replacing'],
  ] as const) {
    it(`leave an object of ${whose} alone`, async () => {
      const labels = { 'app.kubernetes.io/managed-by': 'frp-k8s', 'frp.io/service': 'web' };
      const ownerReferences = [{ apiVersion: 'frp.io/v1beta1', kind: 'DistributedService', name: 'web', uid: owner! }];
      const metadata = { name, namespace: 'shop', ...(owner !== undefined && { labels, ownerReferences }) };
      const theirs = api.put(paths.configMap, { metadata, data: { mine: 'yes' } } as KubeObject);
      const { problem } = await reconcile(listed('10.0.0.1'));
      assert.equal(problem?.reason, reason);
      assert.match(problem.message, /ConfigMap shop\/frp-web-connector/);
      assert.deepEqual(api.objects.get(paths.configMap), theirs);
      await reconcile(listed('10.0.0.1'), true);
      assert.deepEqual(api.objects.get(paths.configMap), theirs);
    });
  }

  it('dial what a name leads to, checked, and not the name', async () => {
    records = { 'db.example.com': ['10.0.0.9', '127.0.0.1', '192.0.2.7', '::ffff:10.96.0.1'] };
    await reconcile(listed('db.example.com'));
    await until(() => told.includes('shop/web'));
    const { problem } = await reconcile(listed('db.example.com'));
    assert.deepEqual(dialled(), ['10.0.0.9:80']);
    assert.equal(problem?.reason, 'AddressRefused');
    assert.match(problem.message, /127\.0\.0\.1, which is a loopback address.*192\.0\.2\.7, which is the address of the API server/);
    assert.match(problem.message, /::ffff:10\.96\.0\.1, which is the address of the API server/);
  });

  it('tell the gateway which name an address is of, and write nothing when only a weight has changed', async () => {
    await connectors.close();
    start(configSchema.parse({ gateway: { addresses: ['gw-0.example.com'] } }));
    records = { 'a.example.com': ['10.0.0.1', '10.0.0.2'], 'b.example.com': ['10.0.0.2', '10.0.0.3'] };
    const [a, b] = ['a.example.com', 'b.example.com'].map((host) => ({ host, port: 80 })) as [Target, Target];
    const weighted = (ofA: number) => web({ endpoints: [{ ...a, weight: ofA }, b] });
    await reconcile(weighted(70));
    const dialledFor = () => {
      const { data } = (api.objects.get(paths.configMap) ?? {}) as ConfigMap;
      const { proxies } = JSON.parse(data?.['frpc.json'] ?? '{"proxies":[]}') as { proxies: (Proxy & { metadatas: unknown })[] };
      return proxies.map(({ localIP, metadatas }) => [localIP, originsIn(metadatas).sort()]);
    };
    await until(async () => {
      await reconcile(weighted(70));
      return dialledFor().length === 3;
    });
    assert.deepEqual(dialledFor(), [
      ['10.0.0.1', [originOf(a)]],
      ['10.0.0.2', [originOf(a), originOf(b)].sort()],
      ['10.0.0.3', [originOf(b)]],
    ]);
    const before = writes().length;
    await reconcile(weighted(1));
    assert.equal(writes().length, before);
  });

  it('resolve a DNS service by its own name', async () => {
    records = { 'web.shop.svc.cluster.local': ['10.0.0.1', '10.0.0.2'] };
    const dns = web({ discovery: { mode: 'dns', port: 5432 } });
    await reconcile(dns);
    await until(() => told.includes('shop/web'));
    await reconcile(dns);
    assert.deepEqual(dialled(), ['10.0.0.1:5432', '10.0.0.2:5432']);
  });

  it('keep what is served after a restart of the controller, until the names were asked for', async () => {
    records = { 'db.example.com': ['10.0.0.9'] };
    await reconcile(listed('db.example.com'));
    await until(() => told.includes('shop/web'));
    await reconcile(listed('db.example.com'));
    await connectors.close();
    records = {};
    start();
    await reconcile(listed('db.example.com'));
    assert.deepEqual(dialled(), ['10.0.0.9:80']);
    assert.equal(connectors.backendsOf(listed('db.example.com')).length, 1, 'the status goes on as well');
  });

  it('serve selected Pods that are Ready and have no sidecar of the group, and are not connectors', async () => {
    api.put(paths.pod('a'), runningPod('a', { app: 'web' }));
    api.put(paths.pod('bb'), runningPod('bb', { app: 'web' }, sidecar('web')));
    api.put(paths.pod('ccc'), runningPod('ccc', { app: 'web' }, sidecar('other')));
    api.put(paths.pod('dddd'), { ...runningPod('dddd', { app: 'web' }), status: { podIP: '10.0.1.4' } } as KubeObject);
    api.put(paths.pod('eeeee'), runningPod('eeeee', { app: 'other' }));
    api.put(paths.pod('ffffff'), {
      ...connectorPod('ffffff'),
      metadata: { ...connectorPod('ffffff').metadata, labels: { ...connectorPod('x').metadata.labels, app: 'web' } },
    });
    await reconcile(selected);
    await until(() => told.includes('shop/web'));
    await until(async () => {
      await reconcile(selected);
      return api.objects.has(paths.configMap);
    });
    assert.deepEqual(dialled(), ['10.0.1.1:9000', '10.0.1.3:9000']);
  });

  it('are not there where every selected Pod has its sidecar', async () => {
    api.put(paths.pod('a'), runningPod('a', { app: 'web' }));
    await reconcile(selected);
    await until(() => told.includes('shop/web'));
    await reconcile(selected);
    assert.ok(api.objects.has(paths.deployment));
    told = [];
    api.put(paths.pod('a'), runningPod('a', { app: 'web' }, sidecar('web')));
    await until(() => told.includes('shop/web'));
    await reconcile(selected);
    assert.equal(api.objects.has(paths.deployment), false);
  });

  it('say of a selected Pod what port is missing', async () => {
    api.put(paths.pod('a'), runningPod('a', { app: 'web' }, { containers: [{ name: 'app' }] }));
    await reconcile(selected);
    await until(() => told.includes('shop/web'));
    const { problem } = await reconcile(selected);
    assert.equal(problem?.reason, 'MissingPort');
    assert.match(problem.message, /Pod a: .*spec\.backends\.discovery\.port/);
  });

  it('serve nothing while the addresses of the API server are not known', async () => {
    api.intercept = ({ path }) =>
      path.endsWith('/services/kubernetes') ? { status: 403, body: { kind: 'Status', reason: 'Forbidden', message: 'no' } } : undefined;
    await assert.rejects(reconcile(listed('10.0.0.1')), /get Service default\/kubernetes: no/);
    assert.equal(api.objects.has(paths.configMap), false);
  });
});
