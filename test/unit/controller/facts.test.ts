import assert from 'node:assert/strict';
import type { Problem } from '../../../src/model/problem.ts';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { configSchema } from '../../../src/config/schema.ts';
import { FactSource } from '../../../src/controller/facts.ts';
import { nextStatus } from '../../../src/controller/status/status.ts';
import { partsOf } from '../../../src/frp/parts.ts';
import type { KubeObject } from '../../../src/kube/types.ts';
import type { DistributedService, DistributedServiceStatus } from '../../../src/model/types.ts';
import { service, storeOf } from '../../support/services.ts';

let api: Server;
let facts: FactSource;
let told: string[];
let proxies: object[];
let refused: object[];
let pools: object[];
beforeEach(async () => {
  refused = [];
  pools = [];
  proxies = [{ name: 'shop.auth.0a1b2c3d.auth-0.u0', status: 'online' }];
  api = createServer(({ url }, response) => response.end(JSON.stringify(url === '/api/proxy/tcp' ? { proxies, refused, pools } : {})));
  api.listen(0, '127.0.0.1');
  await once(api, 'listening');
});
afterEach(async () => {
  await facts.close();
  api.close();
  api.closeAllConnections();
});

function start(gateway: boolean): void {
  const url = `http://127.0.0.1:${(api.address() as AddressInfo).port}`;
  const config = configSchema.parse({ frps: { api: { url } }, ...(gateway && { gateway: { addresses: ['127.0.0.1'] } }) });
  told = [];
  facts = new FactSource({
    hasOwnGateway: () => true,
    config,
    gatewayUrls: [url],
    services: storeOf(front, auth, database, mail),
    outdated: () => [],
    changed: (key) => told.push(key),
    outdatedChanged: () => {},
    credentials: () => ({ user: 'u', password: 'p' }),
  });
}
const front = service('front', { routes: [{ path: '/auth', groups: [{ name: 'auth', weight: 1 }] }] });
const database = service('pg', {
  serviceType: 'tcp',
  backends: { discovery: { mode: 'auto' }, readWrite: { writePort: 5432, readPort: 5433 } },
});
const auth = service('auth', { expose: { path: '/auth' } });
const mail = service('mail', {
  serviceType: 'tcp',
  expose: {
    type: 'port',
    ports: [
      { name: 'smtp', port: 25 },
      { name: 'imap', port: 143 },
    ],
  },
});
const pod = {
  metadata: {
    name: 'auth-0',
    namespace: 'shop',
    uid: 'u0',
    annotations: {
      'frp.io/frpc.json': JSON.stringify({
        auth: { method: 'oidc' },
        proxies: [{ name: 'shop.auth.0a1b2c3d.{{ .Envs.POD_NAME }}.{{ .Envs.POD_UID }}', localPort: 80 }],
      }),
    },
  },
  status: { podIP: '10.0.0.1' },
} as KubeObject;
const judged = (of = front) => facts.of(of, { ready: true }, undefined, 0).judgement.backends.map(({ name, health }) => [name, health]);

describe('a service without backends of its own', () => {
  it('is served by the groups of its routes, and told of them', async () => {
    start(true);
    facts.pods.set(pod);
    assert.deepEqual(told.slice(-2), ['shop/auth', 'shop/front']);
    await facts.meetServers();
    assert.deepEqual(judged(), [['auth-0', 'healthy']]);
  });

  it('has none where it does not go through the gateway, which alone has routes', async () => {
    start(false);
    facts.pods.set(pod);
    await facts.meetServers();
    assert.deepEqual(judged(), []);
  });
});

describe('a whole installation that moves', () => {
  it('has its services counted that go another way than their Pods, with namespaces and the command', () => {
    start(false);
    facts.pods.set(pod);
    assert.match(
      facts.leftBehind() ?? '',
      /^1 service has Pods that are still configured for the server that the service has left.*\(namespaces: shop\).*kubectl -n NAMESPACE rollout restart WORKLOAD$/,
    );
  });

  it('has nothing to say where all Pods go the way of their service', () => {
    start(true);
    facts.pods.set(pod);
    assert.equal(facts.leftBehind(), undefined);
  });
});

describe('members of another cluster', () => {
  const elsewhere = { name: 'shop.auth.0a1b2c3d.auth-1.u1', status: 'online', elsewhere: 'edge/auth-1' };

  it('are backends beside the Pods that are watched, of their service and of those whose routes lead to it', async () => {
    proxies.push(elsewhere);
    start(true);
    facts.pods.set(pod);
    await facts.meetServers();
    const both = [
      ['auth-0', 'healthy'],
      ['edge/auth-1', 'healthy'],
    ];
    assert.deepEqual(judged(auth), both);
    assert.deepEqual(judged(), both);
  });

  it('may be all that there is', async () => {
    proxies = [elsewhere, { ...elsewhere, name: 'shop.auth.0a1b2c3d.auth-2.u2', status: 'offline', elsewhere: 'edge/auth-2' }];
    start(true);
    await facts.meetServers();
    assert.deepEqual(judged(auth), [
      ['edge/auth-1', 'healthy'],
      ['edge/auth-2', 'unhealthy'],
    ]);
  });
});

describe('a service that the gateway leaves out', () => {
  it('has the problem GatewayRefused in the words of HAProxy, unless something else speaks against it', async () => {
    refused = [{ service: 'shop/auth', message: 'HAProxy says: no' }];
    start(true);
    await facts.meetServers();
    const problem = (of: typeof auth, own?: Problem) => facts.of(of, { ready: true }, own, 0).problem;
    assert.equal(problem(auth)?.reason, 'GatewayRefused');
    assert.match(problem(auth)!.message, /leaves the service out: HAProxy says: no\. It is tried again when/);
    assert.equal(problem(front), undefined);
    assert.equal(problem(auth, { reason: 'HostConflict', message: '' })?.reason, 'HostConflict');
  });

  it('stays left out while the gateway cannot be asked, until it is changed; then its state is no longer Failed', async () => {
    start(true);
    api.close();
    api.closeAllConnections();
    await facts.meetServers();
    const refusal = {
      type: 'ConfigurationValid',
      status: 'False',
      reason: 'GatewayRefused',
      message: 'as it was said',
      observedGeneration: 1,
    };
    const stored = (generation: number): DistributedService => ({
      ...auth,
      metadata: { ...auth.metadata, generation },
      status: { state: 'Failed', conditions: [refusal] } as DistributedServiceStatus,
    });
    const found = (of: DistributedService) => facts.of(of, { ready: true }, undefined, 0);
    assert.equal(found(auth).server.status, 'unreachable');
    assert.deepEqual(found(stored(1)).problem, { reason: 'GatewayRefused', message: 'as it was said' });
    assert.equal(nextStatus(stored(1), found(stored(1)), 0)?.state, 'Failed');
    assert.equal(found(stored(2)).problem, undefined);
    const after = nextStatus(stored(2), found(stored(2)), 0);
    assert.equal(after?.state, 'Provisioning');
    const again = { ...stored(2), status: after };
    assert.equal(nextStatus(again, found(again), 0), undefined);
  });
});

describe('a service whose Pods want more tunnels than they may have', () => {
  it('is served by those that it has, and its status says which limit was reached', async () => {
    refused = [{ service: 'shop/auth', reason: 'TooManyTunnels', message: 'Pod shop/auth-1 has 32 tunnels open' }];
    start(true);
    await facts.meetServers();
    const { problem, refusedTunnels } = facts.of(auth, { ready: true }, undefined, 0);
    assert.equal(problem, undefined);
    assert.deepEqual(refusedTunnels, { reason: 'TooManyTunnels', message: 'Pod shop/auth-1 has 32 tunnels open' });
    assert.equal(facts.of(front, { ready: true }, undefined, 0).refusedTunnels, undefined);
  });
});

describe('a database of which the gateway says who is the primary', () => {
  const member = (end: number, more: object) => ({ name: `shop.pg.0a1b2c3d.pg-${end}.u${end}`, elsewhere: `edge/pg-${end}`, ...more });
  const readyOf = (status: DistributedServiceStatus | undefined) => status?.conditions?.find(({ type }) => type === 'Ready');
  const told = async () => {
    start(true);
    await facts.meetServers();
    return readyOf(nextStatus(database, facts.of(database, { ready: true }, undefined, 0), 0));
  };

  it('is not Ready while two say that they are, and names them', async () => {
    proxies = [1, 2].map((end) => member(end, { status: 'online', isPrimary: true }));
    pools = [
      { service: 'shop/pg', up: 2 },
      { service: 'shop/pg', pool: 'read', up: 0 },
    ];
    const ready = await told();
    assert.deepEqual([ready?.status, ready?.reason], ['False', 'SeveralPrimaries']);
    assert.match(
      ready?.message ?? '',
      /^2 backends available; edge\/pg-1 and edge\/pg-2 say that they are the primary, so nobody may begin/,
    );
  });

  it('is not Ready while none is, though all can be read', async () => {
    proxies = [1, 2].map((end) => member(end, { status: 'online' }));
    pools = [
      { service: 'shop/pg', up: 0 },
      { service: 'shop/pg', pool: 'read', up: 2 },
    ];
    assert.equal((await told())?.reason, 'NoPrimary');
  });

  it('is Ready with one, and where the gateway does not say', async () => {
    proxies = [member(1, { status: 'online', isPrimary: true }), member(2, { status: 'online' })];
    assert.equal((await told())?.status, 'True');
    await facts.close();
    pools = [{ service: 'shop/pg', up: 1 }];
    assert.equal((await told())?.status, 'True');
  });
});

describe('a service with several ports, of which each backend lacks another one', () => {
  /** Of a Pod, as the server lists it. */
  const hashes = (isGateway: boolean) => [...partsOf(mail.spec, isGateway, undefined).keys()] as [string, string];
  const proxy = (isGateway: boolean, end: number, part: 0 | 1, status: string, more: object = {}) => ({
    name: `shop.mail.${hashes(isGateway)[part]}.mail-${end}.m${end}`,
    status,
    ...more,
  });
  const podOf = (isGateway: boolean, end: number) =>
    ({
      metadata: {
        name: `mail-${end}`,
        namespace: 'shop',
        uid: `m${end}`,
        annotations: {
          'frp.io/frpc.json': JSON.stringify({
            auth: { method: isGateway ? 'oidc' : 'token' },
            proxies: hashes(isGateway).map((hash, at) => ({
              name: `shop.mail.${hash}.{{ .Envs.POD_NAME }}.{{ .Envs.POD_UID }}`,
              localPort: [25, 143][at],
              metadatas: { port: ['smtp', 'imap'][at] },
            })),
          }),
        },
      },
      status: {
        podIP: `10.0.0.${end}`,
        conditions: [{ type: 'ContainersReady', status: 'True', lastTransitionTime: '2020-01-01T00:00:00Z' }],
      },
    }) as KubeObject;
  const settled = async (isGateway: boolean) => {
    start(isGateway);
    for (const end of [0, 1]) facts.pods.set(podOf(isGateway, end));
    await facts.meetServers();
    let status: DistributedServiceStatus = { state: 'Running' };
    for (let at = 0; at < 5; at++)
      status = nextStatus({ ...mail, status }, facts.of({ ...mail, status }, { ready: true }, undefined, Date.now()), 0) ?? status;
    return status;
  };
  const of = (status: DistributedServiceStatus, type: string) => status.conditions?.find((each) => each.type === type);

  for (const isGateway of [true, false])
    it(`serves at both, and says which port is not served by whom (${isGateway ? 'the gateway' : 'a plain frp server'})`, async () => {
      const why = (port: string) => (isGateway ? { reason: `port ${port}: its port takes no connections` } : {});
      proxies = [
        proxy(isGateway, 0, 0, 'offline', why('smtp')),
        proxy(isGateway, 0, 1, 'online'),
        proxy(isGateway, 1, 0, 'online'),
        proxy(isGateway, 1, 1, 'offline', why('imap')),
      ];
      pools = ['smtp', 'imap'].map((pool) => ({ service: 'shop/mail', pool, up: 1 }));
      const status = await settled(isGateway);
      assert.deepEqual([status.state, status.activeBackends, of(status, 'Ready')?.status], ['Degraded', 2, 'True']);
      const said = of(status, 'BackendsAvailable')?.message ?? '';
      const because = isGateway ? ': its port takes no connections' : '';
      assert.ok(
        said.startsWith(
          `2 backends available; port 25 (smtp) is not served by mail-0${because}; port 143 (imap) is not served by mail-1${because}; `,
        ),
        said,
      );
      assert.deepEqual(
        status.endpoints?.map(({ name, healthy }) => [name, healthy]),
        [
          ['mail-0', false],
          ['mail-1', false],
        ],
      );
    });

  for (const isGateway of [true, false])
    it(`is not Ready where one of them is served by nobody (${isGateway ? 'the gateway' : 'a plain frp server'})`, async () => {
      proxies = [0, 1].flatMap((end) => [proxy(isGateway, end, 0, 'online'), proxy(isGateway, end, 1, 'offline')]);
      pools = [
        { service: 'shop/mail', pool: 'smtp', up: 2 },
        { service: 'shop/mail', pool: 'imap', up: 0 },
      ];
      const status = await settled(isGateway);
      const ready = of(status, 'Ready');
      assert.deepEqual([status.state, status.activeBackends, ready?.status, ready?.reason], ['Degraded', 2, 'False', 'PortWithoutBackend']);
      assert.match(ready?.message ?? '', /^2 backends available; nobody serves port 143 \(imap\), so users get no connection there;/);
    });

  it('has a port that a Pod’s sidecar has never registered, such as one that a plain frp server does not allow', async () => {
    proxies = [proxy(false, 0, 0, 'online'), proxy(false, 0, 1, 'online'), proxy(false, 1, 0, 'online')];
    const status = await settled(false);
    assert.deepEqual([status.state, status.activeBackends, of(status, 'Ready')?.status], ['Degraded', 2, 'True']);
    assert.match(of(status, 'BackendsAvailable')?.message ?? '', /^2 backends available; port 143 \(imap\) is not served by mail-1;/);
  });
});

describe('a service whose routes lead to several groups', () => {
  const serviceAt = (routes: DistributedService['spec']['routes']) => service('front', { routes });
  const readyOf = async (of: DistributedService, ups: Record<string, number>, before: DistributedServiceStatus['state'] = 'Running') => {
    pools = Object.entries(ups).map(([name, up]) => ({ service: `shop/${name}`, up }));
    start(true);
    facts.pods.set(pod);
    await facts.meetServers();
    const status = nextStatus({ ...of, status: { state: before } }, facts.of(of, { ready: true }, undefined, 0), 0);
    await facts.close();
    const ready = status?.conditions?.find(({ type }) => type === 'Ready');
    return { state: status?.state, ready: ready?.status, reason: ready?.reason, message: ready?.message };
  };
  const auths = [{ path: '/auth/*', groups: [{ name: 'auth' }] }];
  const rest = { groups: [{ name: 'auth' }] };

  it('is not Ready while a group that users come to has no backend, and says by which requests they do', async () => {
    const found = await readyOf(serviceAt([{ path: '/pay', groups: [{ name: 'pg', weight: 1 }] }, ...auths, rest]), {
      front: 0,
      auth: 1,
      pg: 0,
    });
    assert.deepEqual([found.state, found.ready, found.reason], ['Degraded', 'False', 'RouteWithoutBackend']);
    assert.match(found.message ?? '', /: requests for \/pay come to pg; give each of these groups a backend/);
  });

  it('is not Ready while what no route takes has no backend', async () => {
    const found = await readyOf(serviceAt(auths), { front: 0, auth: 1 });
    assert.deepEqual([found.state, found.ready, found.reason], ['Degraded', 'False', 'RouteWithoutBackend']);
    assert.match(found.message ?? '', /: requests that no route takes come to its own; /);
  });

  it('is Ready where every route leads to somebody, where no request comes to the empty group, and where the gateway does not say', async () => {
    const shadowed = { path: '/auth/old', groups: [{ name: 'pg' }] };
    for (const [routes, ups] of [
      [[...auths, rest], { front: 0, auth: 1 }],
      [[...auths, shadowed, rest], { front: 0, auth: 1, pg: 0 }],
      [[{ path: '/pay', groups: [{ name: 'pg', weight: 0 }] }, rest], { front: 0, auth: 1, pg: 0 }],
      [[{ path: '/gone', groups: [{ name: 'gone' }] }, rest], { front: 0, auth: 1 }],
      [auths, {}],
    ] as const)
      assert.equal((await readyOf(serviceAt(structuredClone(routes) as never), ups)).ready, 'True', JSON.stringify(routes));
  });
});
