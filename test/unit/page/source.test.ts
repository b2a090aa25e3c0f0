/** What the page shows comes from the status of services and from the replicas' answers, and nothing of it is guessed. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { GatewayVoice } from '../../../src/explain/gateway-voice.ts';
import { remembering } from '../../../src/page/remember.ts';
import { sourceOf, type Knowledge } from '../../../src/page/source.ts';
import { serviceKey, ServiceStore } from '../../../src/model/store.ts';
import type { DistributedService } from '../../../src/model/types.ts';
import { service } from '../../support/services.ts';
import { backend, installation, report } from './setup.ts';

const traffic = { current: 1, perSecond: 2.5, p99: 0.1 };

/** A replica with answers by path; what it does not have it does not know. */
const voice = (replica: string, answers: Record<string, unknown>): GatewayVoice => ({
  replica,
  ask: async <T>(path: string) => (path in answers ? { ok: answers[path] as T } : { absent: `this gateway knows no ${path}` }),
});

const summary = (replica: string, up: number) => ({
  '/api/summary': { replica, services: [{ service: 'shop/web', up, registered: 2, ...traffic }] },
  '/api/installation': { ...installation.answer, replica },
  '/api/services/shop/web': report([backend('web-1'), backend('web-2', { state: 'down', reason: 'GET /health answered 404' })]),
});

const turned = (name: string, at: string, state: 'Running' | 'Degraded'): DistributedService => ({
  ...service(name),
  status: {
    state,
    activeBackends: 1,
    totalBackends: 2,
    conditions: [
      {
        type: 'Ready',
        status: state === 'Running' ? 'True' : 'False',
        reason: 'BackendsUnhealthy',
        message: 'one is away',
        lastTransitionTime: at,
      },
    ],
    endpoints: [{ name: 'web-1', address: '10.0.0.1', port: 8080, healthy: false, reason: 'GET / answered 500' }],
  },
});

function cluster(services: DistributedService[], voices: GatewayVoice[], problems: string[] = []): Knowledge {
  const store = new ServiceStore();
  store.replace(services);
  return {
    title: 'https://cluster.example.com',
    reach: () => ({ voices, problems }),
    cluster: {
      config: {},
      services: () => store.all(),
      service: (key) => store.byKey(key),
      certificates: () => [{ name: 'Secret frp-system/frp-ca', subject: 'authority', expires: '2025-01-01T00:00:00.000Z' }],
      links: () => [{ cluster: 'this cluster', gateway: 'gw.example.com', isUp: true, detail: '' }],
    },
  };
}

describe('what the page of a cluster shows', () => {
  it('is the status of the services, those that do not run first, with the rates of all replicas', async () => {
    const services = [turned('alone', '2026-01-01T00:00:00Z', 'Running'), turned('web', '2026-01-02T00:00:00Z', 'Degraded')];
    const shown = await sourceOf(
      cluster(services, [voice('frp-gateway-0', summary('frp-gateway-0', 1)), voice('frp-gateway-1', summary('frp-gateway-1', 1))]),
    ).overview();
    assert.deepEqual(
      shown.services.map((each) => [each.service, each.state, each.perSecond]),
      [
        ['shop/web', 'Degraded', 5],
        ['shop/alone', 'Running', undefined],
      ],
    );
    assert.deepEqual(
      shown.turns.map(({ service: of, what }) => `${of}: ${what}`),
      ['shop/web: Ready is False', 'shop/alone: Ready is True'],
    );
    assert.deepEqual(
      shown.certificates.map(({ name }) => name),
      ['Secret frp-system/frp-ca', 'users of shop/web'],
    );
    assert.deepEqual(
      shown.links.map(({ gateway, cluster: from, isUp }) => [from, gateway, isUp]),
      [
        ['this cluster', 'gw.example.com', true],
        ['edge', 'this gateway', false],
      ],
    );
    assert.deepEqual(shown.unknown, []);
  });

  it('says what a replica that cannot be asked leaves open', async () => {
    const away: GatewayVoice = { replica: 'frp-gateway-1', ask: async () => ({ failed: 'connect ECONNREFUSED' }) };
    const source = sourceOf(
      cluster(
        [turned('web', '2026-01-02T00:00:00Z', 'Running')],
        [voice('frp-gateway-0', summary('frp-gateway-0', 2)), away],
        ['elsewhere'],
      ),
    );
    assert.deepEqual((await source.overview()).unknown, ['elsewhere', 'frp-gateway-1: connect ECONNREFUSED']);
    assert.deepEqual((await source.service('shop/web'))?.unknown, ['elsewhere', 'frp-gateway-1: connect ECONNREFUSED']);
  });

  it('is of one service what its replicas say, and the status where none says anything', async () => {
    const web = turned('web', '2026-01-02T00:00:00Z', 'Degraded');
    const heard = await sourceOf(cluster([web], [voice('frp-gateway-0', summary('frp-gateway-0', 1))])).service('shop/web');
    assert.equal(heard?.heard[0]?.answer.backends.length, 2);
    assert.deepEqual(heard?.backends, []);
    assert.deepEqual(heard?.routes, ['web.example.com']);
    const silent = await sourceOf(cluster([web], [])).service('shop/web');
    assert.deepEqual(silent?.backends, [{ name: 'web-1', address: '10.0.0.1:8080', isHealthy: false, reason: 'GET / answered 500' }]);
    assert.equal(silent?.routes.length, 1);
    assert.equal(silent?.status.perSecond, undefined);
  });

  it('is nothing of a service that there is not', async () => {
    assert.equal(await sourceOf(cluster([], [])).service('shop/web'), undefined);
  });
});

describe('what the page of a gateway without a cluster shows', () => {
  const home = sourceOf({
    title: 'gateway gw.example.com',
    reach: () => ({ voices: [voice('gateway', summary('gateway', 1))], problems: [] }),
  });

  it('is what the gateway itself knows', async () => {
    const shown = await home.overview();
    assert.deepEqual(
      shown.services.map(({ service: of, state }) => [of, state]),
      [['shop/web', 'Degraded']],
    );
    assert.equal(shown.own, 'clients');
    assert.equal((await home.service('shop/web'))?.status.state, 'Degraded');
    assert.equal(await home.service('shop/none'), undefined);
  });
});

describe('what was found a moment ago', () => {
  it('is found anew after that, and each service by itself', async () => {
    let [now, asked] = [0, 0];
    const counted = remembering(
      { overview: async () => Promise.reject(new Error(String(++asked))), service: async (key) => (asked++, { key } as never) },
      1000,
      () => now,
    );
    await assert.rejects(counted.overview(), /1/);
    await assert.rejects(counted.overview(), /1/);
    now = 1000;
    await assert.rejects(counted.overview(), /2/);
    await counted.service(serviceKey(service('a')));
    await counted.service(serviceKey(service('b')));
    assert.equal(asked, 4);
  });
});
