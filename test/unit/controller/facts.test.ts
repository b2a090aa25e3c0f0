import assert from 'node:assert/strict';
import type { Problem } from '../../../src/model/problem.ts';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { configSchema } from '../../../src/config/schema.ts';
import { FactSource } from '../../../src/controller/facts.ts';
import { nextStatus } from '../../../src/controller/status/status.ts';
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
  api = createServer((_, response) => response.end(JSON.stringify({ proxies, refused, pools })));
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
    services: storeOf(front, auth, database),
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
