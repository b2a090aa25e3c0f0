import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { pino } from 'pino';
import { ReadinessGates } from '../../../src/controller/backends/readiness-gates.ts';
import type { KubeEvent, KubeObject } from '../../../src/kube/types.ts';
import { ApiServer, failure } from '../kube/api-server.ts';

type Conditions = { type: string; status: string; lastTransitionTime?: string; reason?: string }[];

const path = '/api/v1/namespaces/shop/pods/web-0';
const start = Date.parse('2030-01-01T00:00:00Z');
const configOf = (service: string) =>
  JSON.stringify({ proxies: [{ name: `shop.${service}.0a1b2c3d.{{ .Envs.POD_NAME }}.{{ .Envs.POD_UID }}`, localPort: 80 }] });
const isTrue = (type: string) => ({ type, status: 'True', lastTransitionTime: '2030-01-01T00:00:00Z' });

let api: ApiServer;
let gates: ReadinessGates;
let online: Set<string>;
let now: number;
beforeEach(async () => {
  api = await ApiServer.start();
  online = new Set();
  now = start;
  gates = new ReadinessGates({
    client: api.client,
    log: pino({ level: 'silent' }),
    isRegistered: (service, uid) => online.has(`${service} ${uid}`),
    clock: { now: () => now },
  });
});
afterEach(() => api.close());

function put(conditions: Conditions = [], more: object = {}): KubeObject {
  const pod = {
    metadata: {
      name: 'web-0',
      namespace: 'shop',
      uid: 'u0',
      annotations: { 'frp.io/frpc.json': configOf('web'), 'frp.io/frpc-1.json': configOf('web'), 'frp.io/frpc-2.json': configOf('admin') },
    },
    spec: { readinessGates: [{ conditionType: 'frp.io/registered' }] },
    status: { conditions },
    ...more,
  } as KubeObject;
  return api.put(path, pod);
}
const opened = () => api.requests.filter(({ method }) => method === 'PATCH').map(({ path: of, body }) => [of, body] as const);
const condition = () => (opened().at(-1)?.[1] as { status: { conditions: Conditions } }).status.conditions;

describe('a readiness gate', () => {
  it('opens for the next Pod of a name too, when that one comes while the gate of the one before is being opened', async () => {
    const { metadata } = put();
    gates.set(put());
    for (const uid of ['u0', 'u1']) for (const name of ['web', 'admin']) online.add(`shop/${name} ${uid}`);
    api.intercept = ({ method }) => {
      if (method !== 'PATCH') return undefined;
      api.intercept = () => undefined;
      api.remove(path);
      gates.set(put([], { metadata: { ...metadata, uid: 'u1' } }));
      return failure(409, 'Conflict', 'another Pod of the name');
    };
    await gates.look();
    await gates.look();
    assert.equal((opened().at(-1)?.[1] as KubeObject).metadata.uid, 'u1');
  });

  it('opens once every group has the Pod online, by its own condition alone', async () => {
    gates.set(put());
    online.add('shop/web u0');
    await gates.look();
    assert.deepEqual(opened(), []);
    online.add('shop/admin u0');
    await gates.look();
    assert.equal(opened()[0]?.[0], `${path}/status`);
    assert.deepEqual(
      condition().map(({ type, status, reason }) => [type, status, reason]),
      [['frp.io/registered', 'True', 'Registered']],
    );
    await gates.look();
    assert.equal(opened().length, 1);
  });

  it('opens two minutes after the containers are ready all the same, with an Event that says why', async () => {
    gates.set(put());
    now = start + 3_600_000;
    await gates.look();
    assert.deepEqual(opened(), [], 'its containers are not ready');
    now = start + 119_000;
    gates.set(put([isTrue('ContainersReady')]));
    await gates.look();
    assert.deepEqual(opened(), []);
    now = start + 120_000;
    await gates.look();
    assert.equal(condition()[0]?.reason, 'NotRegistered');
    const event = [...api.objects].find(([of]) => of.includes('/events/'))?.[1] as KubeEvent;
    assert.deepEqual([event.involvedObject.kind, event.involvedObject.name, event.reason], ['Pod', 'web-0', 'NotRegistered']);
    assert.match(event.message, /shop\/web, shop\/admin/);
  });

  it('is tried again where it could not be written', async () => {
    online = new Set(['shop/web u0', 'shop/admin u0']);
    gates.set(put());
    api.intercept = ({ method }) => (method === 'PATCH' ? failure(500, 'InternalError', 'boom') : undefined);
    await gates.look();
    api.intercept = () => undefined;
    await gates.look();
    assert.equal(opened().length, 2);
  });

  it('is left alone where it is open, where the Pod ends, and where there is none', async () => {
    online = new Set(['shop/web u0', 'shop/admin u0']);
    for (const pod of [
      put([isTrue('frp.io/registered')]),
      put([], { spec: {} }),
      put([], { status: { phase: 'Succeeded' } }),
      { ...put(), metadata: { ...put().metadata, deletionTimestamp: '2030-01-01T00:00:00Z' } },
    ]) {
      gates.set(pod);
      await gates.look();
    }
    assert.deepEqual(opened(), []);
  });
});
