import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { ServerView, type ServerHealth } from '../../../src/controller/backends/frp-status.ts';
import { PodBackends } from '../../../src/controller/backends/injected-pods.ts';
import { unhealthyBackends } from '../../../src/controller/status/remedies.ts';
import { partsOf } from '../../../src/frp/parts.ts';
import { membershipsIn, ownerOf } from '../../../src/frp/proxy-names.ts';
import { renderClientConfig } from '../../../src/frp/client-config.ts';
import { configSchema } from '../../../src/config/schema.ts';
import type { KubeObject } from '../../../src/kube/types.ts';
import { service } from '../../support/services.ts';

const urlOf = (of: Server): string => `http://127.0.0.1:${(of.address() as AddressInfo).port}`;

let server: Server;
/** path that answers with the proxies */
let served: string;
/** undefined: an error */
let proxies: { name: string; status: string; elsewhere?: string; reason?: string }[] | undefined;
let changes: string[];
let view: ServerView;
let password: string;

/** As it is now: the compiler believes what it was before. */
const health = (): ServerHealth => view.health;

beforeEach(async () => {
  proxies = [];
  served = '/api/proxy/http';
  changes = [];
  password = 'secret';
  server = createServer((request, response) => {
    const wanted = `Basic ${Buffer.from('frp-k8s:secret').toString('base64')}`;
    if (request.headers.authorization !== wanted) response.writeHead(401).end();
    else if (!proxies) response.writeHead(500).end();
    else response.end(JSON.stringify({ proxies: request.url === served ? proxies : [] }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  view = new ServerView({
    urls: [urlOf(server)],
    credentials: () => ({ user: 'frp-k8s', password }),
    isWanted: () => true,
    changed: (services) => changes.push(services ? [...services].join(' ') : 'health'),
    clock: { now: () => 1000 },
  });
});
afterEach(async () => {
  await view.close();
  server.close();
  server.closeAllConnections();
});

/** Without what is said of each proxy. */
function counts(service: string, id: string, of = view) {
  const { parts: _, ...counted } = of.countsOf(service, id) ?? {};
  return counted;
}

describe('the view of an frp server', { timeout: 20_000 }, () => {
  it('tells which proxies of a backend are online and offline, and which services have changed', async () => {
    proxies = [
      { name: 'prod.api.0a1b2c3d.api-0.u0', status: 'online' },
      { name: 'prod.api.4e5f6071.api-0.u0', status: 'offline' },
      { name: 'prod.web.0a1b2c3d.web-0.u1', status: 'online' },
      { name: 'somebody-elses', status: 'online' },
    ];
    await view.poll();
    assert.deepEqual(view.countsOf('prod/api', 'u0'), {
      online: 1,
      offline: 1,
      parts: { '0a1b2c3d': { isOnline: true }, '4e5f6071': { isOnline: false } },
    });
    assert.deepEqual(counts('prod/web', 'u1'), { online: 1, offline: 0 });
    proxies = proxies.map((proxy) => ({ ...proxy, status: proxy.name.includes('.api.') ? 'online' : proxy.status }));
    await view.poll();
    await view.poll();
    assert.deepEqual(changes, ['health', 'prod/api', '']);
  });

  it('tells why a backend of the gateway is offline, and whether it has been online since it came', async () => {
    await view.close();
    view = new ServerView({
      urls: [urlOf(server)],
      types: ['tcp'],
      listsUnchecked: true,
      credentials: () => ({ user: 'frp-k8s', password }),
      isWanted: () => true,
      changed: () => undefined,
    });
    served = '/api/proxy/tcp';
    const proxy = { name: 'prod.api.0a1b2c3d.api-0.u0', status: 'offline', reason: 'GET /health answered 404' };
    proxies = [proxy];
    await view.poll();
    assert.deepEqual(counts('prod/api', 'u0'), { online: 0, offline: 1, reason: proxy.reason, hasServed: false });
    proxies = [{ name: proxy.name, status: 'online' }];
    await view.poll();
    proxies = [proxy];
    await view.poll();
    assert.deepEqual(counts('prod/api', 'u0'), { online: 0, offline: 1, reason: proxy.reason, hasServed: true });
  });

  it('counts the server as unreachable only after two failures, with the cause, and gives sidecars time once it answers again', async () => {
    await view.poll();
    proxies = undefined;
    await view.poll();
    assert.equal(health().status, 'reachable');
    await view.poll();
    assert.equal(health().status, 'unreachable');
    assert.match(JSON.stringify(health()), /HTTP status 500/);
    assert.equal(view.graceUntil, 0);
    proxies = [];
    await view.poll();
    assert.deepEqual([health().status, view.graceUntil], ['reachable', 16_000]);
  });

  it('tells which services the gateway leaves out, and why, as long as one replica reports it', async () => {
    const refused = [{ service: 'prod/api', message: 'HAProxy says: no' }];
    let isRefused = true;
    const gateway = createServer((_, response) => response.end(JSON.stringify({ proxies: [], ...(isRefused && { refused }) })));
    gateway.listen(0, '127.0.0.1');
    await once(gateway, 'listening');
    const told: string[] = [];
    const both = new ServerView({
      urls: [urlOf(server), urlOf(gateway)],
      types: ['tcp'],
      credentials: () => ({ user: 'frp-k8s', password }),
      isWanted: () => true,
      changed: (services) => told.push(services ? [...services].join(' ') : 'health'),
    });
    await both.poll();
    assert.equal(both.refusalOf('prod/api'), 'HAProxy says: no');
    assert.equal(both.refusalOf('prod/web'), undefined);
    isRefused = false;
    await both.poll();
    assert.equal(both.refusalOf('prod/api'), undefined);
    assert.deepEqual(told, ['health', 'prod/api']);
    gateway.close();
    gateway.closeAllConnections();
    await both.close();
  });

  it('combines what all replicas of the gateway report, and loses nothing while one is unreachable', async () => {
    const name = 'prod.api.0a1b2c3d.api-0.u0';
    const other = createServer((_, response) => response.end(JSON.stringify({ proxies: [{ name, status: 'online' }] })));
    other.listen(0, '127.0.0.1');
    await once(other, 'listening');
    const options = { credentials: () => ({ user: 'frp-k8s', password }), isWanted: () => true, changed: () => {} };
    const both = new ServerView({ ...options, urls: [urlOf(server), urlOf(other)], types: ['tcp'] });
    proxies = [{ name, status: 'offline' }];
    served = '/api/proxy/tcp';
    await both.poll();
    assert.deepEqual(counts('prod/api', 'u0', both), { online: 1, offline: 0 });
    proxies = undefined;
    for (let times = 0; times < 3; times++) await both.poll();
    assert.deepEqual([both.health.status, counts('prod/api', 'u0', both)], ['reachable', { online: 1, offline: 0 }]);
    other.close();
    other.closeAllConnections();
    for (let times = 0; times < 2; times++) await both.poll();
    assert.equal(both.health.status, 'unreachable');
    await both.close();
  });

  it('names the backends of other clusters, which no watch here reports', async () => {
    proxies = [
      { name: 'prod.api.0a1b2c3d.api-0.u0', status: 'online' },
      { name: 'prod.api.0a1b2c3d.api-1.u1', status: 'offline', elsewhere: 'edge/api-1' },
    ];
    await view.poll();
    assert.deepEqual(view.elsewhere('prod/api'), [{ id: 'u1', name: 'edge/api-1', address: '', port: 0 }]);
    assert.deepEqual(counts('prod/api', 'u1'), { online: 0, offline: 1, elsewhere: 'edge/api-1' });
    assert.deepEqual(view.elsewhere('prod/web'), []);
  });

  it('reports a refused password as the cause', async () => {
    password = 'wrong';
    await view.poll();
    await view.poll();
    assert.match(JSON.stringify(health()), /401 \(user or password/);
  });
});

describe('names of proxies', () => {
  const tuning = { poolCount: 1, dialServerTimeout: 10, dialServerKeepalive: 60 };
  it('are read back as the sidecar has them', () => {
    const service = {
      apiVersion: 'frp.io/v1beta1' as const,
      kind: 'DistributedService' as const,
      metadata: { name: 'api', namespace: 'prod' },
      spec: { serviceType: 'http' as const, backends: {}, expose: { domain: 'a.example.com' } },
    };
    const text = renderClientConfig(
      { members: [{ service, localPort: 8080 }], namespace: 'prod', tuning, logLevel: 'info' },
      configSchema.parse({}),
    );
    const parts = [...partsOf(service.spec, false, undefined).keys()];
    assert.deepEqual(membershipsIn(text, 'prod'), [{ service: 'api', port: 8080, parts, isGateway: false }]);
    assert.deepEqual(membershipsIn(text, 'other'), []);
    assert.deepEqual(membershipsIn('no JSON', 'prod'), []);
    assert.deepEqual(ownerOf('prod.api.0a1b2c3d.a.pod.name.u0'), { service: 'prod/api', part: '0a1b2c3d', id: 'u0' });
    assert.equal(ownerOf('other'), undefined);
  });
});

describe('injected Pods as backends', () => {
  const config = JSON.stringify({ proxies: [{ name: 'prod.api.0a1b2c3d.{{ .Envs.POD_NAME }}.{{ .Envs.POD_UID }}', localPort: 80 }] });
  const pod = (changes: object = {}, metadata: object = {}) =>
    ({
      metadata: { name: 'api-0', namespace: 'prod', uid: 'u0', annotations: { 'frp.io/frpc.json': config }, ...metadata },
      status: {
        phase: 'Running',
        podIP: '10.0.0.1',
        conditions: [{ type: 'ContainersReady', status: 'True', lastTransitionTime: '2030-01-01T00:00:00Z' }],
        ...changes,
      },
    }) as KubeObject;

  it('are told when they come, change and go, and not otherwise', () => {
    const told: string[] = [];
    const pods = new PodBackends((service) => told.push(service));
    pods.set(pod());
    pods.set(pod());
    assert.deepEqual(told, ['prod/api']);
    assert.deepEqual(pods.of('prod/api'), [
      {
        id: 'u0',
        name: 'api-0',
        address: '10.0.0.1',
        port: 80,
        parts: ['0a1b2c3d'],
        startsUntil: Date.parse('2030-01-01T00:01:00Z'),
        isGateway: false,
      },
    ]);
    pods.set(pod({}, { deletionTimestamp: '2030-01-01T01:00:00Z' }));
    assert.deepEqual([told.length, pods.of('prod/api')], [2, []]);
    pods.set(pod({}, { uid: 'u1' }));
    pods.replace([]);
    assert.deepEqual([told.length, pods.of('prod/api')], [4, []]);
  });

  it('say what the kubelet says of a container that does not start, and what restarts them', () => {
    const pods = new PodBackends(() => undefined);
    const waiting = { reason: 'ImagePullBackOff', message: 'Back-off pulling image "nowhere/frpc:1"' };
    const labels = { 'pod-template-hash': '5d4f' };
    const ownerReferences = [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'api-5d4f', uid: 'r', controller: true }];
    pods.set(pod({ initContainerStatuses: [{ name: 'frpc', state: { waiting } }] }, { labels, ownerReferences }));
    const [backend] = pods.of('prod/api');
    assert.equal(backend?.problem, 'container frpc: ImagePullBackOff: Back-off pulling image "nowhere/frpc:1"');
    assert.equal(backend?.workload, 'deployment/api');
    const crashed = { name: 'app', ready: false, restartCount: 3, lastState: { terminated: { reason: 'Error', exitCode: 1 } } };
    for (const state of [{ waiting: { reason: 'CrashLoopBackOff' } }, { running: {} }]) {
      pods.set(pod({ containerStatuses: [{ ...crashed, state }] }));
      assert.equal(pods.of('prod/api')[0]?.problem, 'container app has ended: Error, exit code 1');
    }
    pods.set(pod({ containerStatuses: [{ ...crashed, ready: true, state: { running: {} } }] }));
    assert.equal(pods.of('prod/api')[0]?.problem, undefined);
  });

  it('name the sidecar that joins, of several the first, whose log says why one is not healthy', () => {
    const pods = new PodBackends(() => undefined);
    const containers = (...names: string[]) => {
      pods.set(pod({}, { annotations: Object.fromEntries(names.map((name) => [`frp.io/${name}.json`, config])) }));
      return pods.of('prod/api').map(({ container }) => container);
    };
    assert.deepEqual(containers('frpc'), [undefined]);
    assert.deepEqual(containers('frpc-1'), ['frpc-1']);
    assert.deepEqual(containers('frpc-2', 'frpc-1'), ['frpc-1']);
    assert.deepEqual(containers('frpc-1', 'frpc'), [undefined]);
    const refused = { id: 'u0', name: 'api-0', address: '10.0.0.1', port: 80, health: 'unhealthy', isRefused: true } as const;
    assert.match(unhealthyBackends(service('api'), [{ ...refused, container: 'frpc-1' }], true, new Set()), /logs api-0 -c frpc-1$/);
  });

  it('are counted by what they go to, a plain frp server or the gateway', () => {
    const pods = new PodBackends(() => undefined);
    const through = { annotations: { 'frp.io/frpc.json': JSON.stringify({ ...JSON.parse(config), auth: { method: 'oidc' } }) } };
    pods.set(pod({}, through));
    assert.deepEqual([pods.isThereAny(true), pods.isThereAny(false)], [true, false]);
    pods.set(pod({}, { uid: 'u1' }));
    assert.deepEqual([pods.isThereAny(true), pods.isThereAny(false)], [false, true]);
    pods.replace([]);
    assert.deepEqual([pods.isThereAny(true), pods.isThereAny(false)], [false, false]);
  });

  it('that have ended are none', () => {
    const pods = new PodBackends(() => undefined);
    pods.set(pod({ phase: 'Succeeded' }));
    assert.deepEqual(pods.of('prod/api'), []);
  });
});
