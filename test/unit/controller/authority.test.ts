import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { pino } from 'pino';
import { isSignedBy, splitBundle } from '../../../certs/inspect.ts';
import { configSchema } from '../../../src/config/schema.ts';
import { AuthorityKeeper } from '../../../src/controller/identity/authority-keeper.ts';
import { ensureIdentity, ensureServerCertificates } from '../../../src/controller/identity/service-identity.ts';
import { type IdentityDeps } from '../../../src/controller/identity/deps.ts';
import { ObjectStore } from '../../../src/kube/object-store.ts';
import { text } from '../../../src/kube/authority-secret.ts';
import { secrets as secretResource, type Secret } from '../../../src/kube/types.ts';
import { ServiceStore } from '../../../src/model/store.ts';
import type { DistributedService } from '../../../src/model/types.ts';
import { FakeClock } from '../certs/fake-clock.ts';
import { ApiServer } from '../kube/api-server.ts';

const minute = 60_000;
const path = '/api/v1/namespaces/frp-system/secrets/frp-ca';
const service: DistributedService = {
  apiVersion: 'frp.io/v1beta1',
  kind: 'DistributedService',
  metadata: { name: 'api', namespace: 'prod', uid: 'u1' },
  spec: { serviceType: 'http', backends: {} },
};

describe('the rotation that the controller drives', () => {
  const config = configSchema.parse({ certificates: { rotationPause: '10m' } });
  const log = pino({ level: 'silent' });
  let api: ApiServer;
  let clock: FakeClock;
  let secrets: ObjectStore<Secret>;
  let services: ServiceStore;
  let keeper: AuthorityKeeper;
  /** namespaces whose Secrets may not be read */
  let forbidden: Set<string>;
  /** gateways elsewhere that have not heard of the authority */
  let behind: string[];
  beforeEach(async () => {
    forbidden = new Set();
    behind = [];
    api = await ApiServer.start();
    clock = new FakeClock();
    secrets = new ObjectStore<Secret>(() => undefined);
    services = new ServiceStore();
    services.set(service);
    await controllerStarts();
  });
  afterEach(() => api.close());

  async function controllerStarts(): Promise<void> {
    const isKnown = (namespace: string) => !forbidden.has(namespace);
    keeper = new AuthorityKeeper({ client: api.client, config, clock, log, secrets, services, isKnown, gatewaysWithout: () => behind });
    await keeper.load();
    secrets.set(await api.client.get(secretResource, 'frp-system', 'frp-ca'));
  }
  async function everythingReconciles(): Promise<void> {
    const userSecrets = new ObjectStore<Secret>(() => undefined);
    const deps: IdentityDeps = { client: api.client, config, clock, log, secrets, userSecrets, authority: () => keeper.current };
    await ensureServerCertificates(deps);
    if (!forbidden.has(service.metadata.namespace!)) await ensureIdentity(deps, service);
  }
  async function ask(): Promise<void> {
    const patch = { metadata: { annotations: { 'frp.io/rotate': 'now' } } };
    secrets.set(await api.client.mergePatch(secretResource, 'frp-system', 'frp-ca', patch));
  }
  const stored = () => api.objects.get(path) as Secret;
  const phase = () => stored().metadata.annotations?.['frp.io/rotation-phase'] ?? 'stable';
  const bundle = () => splitBundle(text(stored(), 'tls.crt'));
  const client = () => api.objects.get('/api/v1/namespaces/prod/secrets/frp-api-tls') as Secret;
  /** That many minutes, with the controller looking at each. */
  async function minutes(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      clock.advance(minute);
      await keeper.reconcile();
    }
  }
  /** Half an hour, with everybody looking each minute. */
  async function halfAnHour(): Promise<Set<string>> {
    const phases = new Set<string>();
    for (let i = 0; i < 30; i++) {
      clock.advance(minute);
      await keeper.reconcile();
      await everythingReconciles();
      phases.add(phase());
    }
    return phases;
  }

  it('ends with another authority, and its key alone in the Secret', async () => {
    await everythingReconciles();
    const [old] = bundle();
    await ask();
    assert.deepEqual([...(await halfAnHour())], ['spread', 'reissue', 'stable']);
    assert.equal(bundle().length, 1);
    assert.notEqual(bundle()[0], old);
    assert.ok(isSignedBy(text(client(), 'tls.crt'), bundle()[0]!));
    assert.equal(text(client(), 'ca.crt'), text(stored(), 'tls.crt'));
    assert.deepEqual(Object.keys(stored().data ?? {}).sort(), ['tls.crt', 'tls.key']);
    assert.deepEqual(stored().metadata.annotations, {});
  });

  it('is not begun without a reason, and writes nothing then', async () => {
    await everythingReconciles();
    api.requests.length = 0;
    assert.deepEqual([...(await halfAnHour())], ['stable']);
    assert.deepEqual(
      api.requests.filter(({ method }) => method !== 'GET'),
      [],
    );
  });

  it('goes on where it stood when the controller starts again, and gives every process its time again', async () => {
    await everythingReconciles();
    await ask();
    await keeper.reconcile();
    await everythingReconciles();
    await minutes(9);
    await controllerStarts();
    await minutes(10);
    assert.equal(phase(), 'spread');
    await minutes(1);
    assert.equal(phase(), 'reissue');
    assert.equal(bundle().length, 2);
  });

  it('waits for a service whose Secret does not have the bundle yet', async () => {
    await everythingReconciles();
    await ask();
    await keeper.reconcile();
    await minutes(30);
    assert.equal(phase(), 'spread');
    await everythingReconciles();
    await minutes(9);
    assert.equal(phase(), 'spread');
    await minutes(1);
    assert.equal(phase(), 'reissue');
  });

  it('waits for a gateway elsewhere that has not heard of the next authority, as long as the one of now can issue', async () => {
    await everythingReconciles();
    await ask();
    behind = ['gw.example.com:7000'];
    assert.deepEqual([...(await halfAnHour())], ['spread']);
    behind = [];
    await minutes(9);
    assert.equal(phase(), 'spread');
    await minutes(2);
    assert.equal(phase(), 'reissue');
    behind = ['gw.example.com:7000'];
    assert.deepEqual([...(await halfAnHour())].at(-1), 'stable');
  });

  it('does not wait for a gateway elsewhere when the authority of now would have to cut certificates short', async () => {
    await everythingReconciles();
    await ask();
    behind = ['gw.example.com:7000'];
    await halfAnHour();
    const { authorityLifetime, lifetime, serverLifetime, rotationPause } = config.certificates;
    clock.advance(authorityLifetime - Math.max(lifetime, serverLifetime) - rotationPause);
    assert.ok((await halfAnHour()).has('reissue'));
  });

  it('does not wait for a service whose Secrets may not be read any more', async () => {
    await everythingReconciles();
    await ask();
    await keeper.reconcile();
    forbidden.add(service.metadata.namespace!);
    await everythingReconciles();
    await minutes(10);
    assert.equal(phase(), 'reissue');
  });

  it('does not count the time in which nobody looked, asleep or led by another', async () => {
    await everythingReconciles();
    await ask();
    await keeper.reconcile();
    await everythingReconciles();
    clock.advance(30 * minute);
    await keeper.reconcile();
    assert.equal(phase(), 'spread');
    await minutes(10);
    assert.equal(phase(), 'reissue');
  });

  it('begins anew where the next key was lost', async () => {
    await everythingReconciles();
    await ask();
    await keeper.reconcile();
    secrets.set(await api.client.mergePatch(secretResource, 'frp-system', 'frp-ca', { metadata: {}, data: { 'next.key': null } }));
    await keeper.reconcile();
    assert.equal(phase(), 'spread');
    await halfAnHour();
    assert.deepEqual([phase(), bundle().length], ['stable', 1]);
  });
});
