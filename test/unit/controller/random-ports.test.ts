/** `port: 0`: which port a service gets, that it stays, and that nobody else has it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Registry } from '@prometheus-io/client';
import { pino } from 'pino';
import { configSchema } from '../../../src/config/schema.ts';
import { startController } from '../../../src/controller/controller.ts';
import { RandomPorts } from '../../../src/controller/random-ports.ts';
import { Claims } from '../../../src/model/claims.ts';
import { exposuresOf } from '../../../src/model/exposure.ts';
import { randomPorts } from '../../../src/model/random-ports.ts';
import type { ServiceStore } from '../../../src/model/store.ts';
import type { DistributedService } from '../../../src/model/types.ts';
import { service, storeOf } from '../../support/services.ts';
import { until } from '../../support/until.ts';
import { ApiServer } from '../kube/api-server.ts';

const config = configSchema.parse({ gateway: { addresses: ['gw-0.example.com'], publicAddress: 'apps.example.com' } });

const asking = (name: string, status?: DistributedService['status']): DistributedService => {
  const asks = service(name, { serviceType: 'tcp', expose: { type: 'port', port: 0 } });
  return { ...asks, metadata: { ...asks.metadata, uid: `uid-${name}` }, ...(status && { status }) };
};
const fixed = (name: string, port: number) => service(name, { serviceType: 'tcp', expose: { type: 'port', port } });
function portsOf(store: ServiceStore): RandomPorts {
  const claims = new Claims(store, { exposure: [] });
  const isLost = (of: DistributedService, port: number) =>
    claims.conflictsOf(of).some(({ exposure }) => 'port' in exposure && exposure.port === port);
  return new RandomPorts(store, config, isLost);
}
/** Writes what a service was given into its status, as the controller does. */
function state(store: ServiceStore, name: string, ports = portsOf(store)): number {
  const found = store.get('shop', name)!;
  const given = ports.of(found)!;
  store.set({ ...asking(name), status: { ports: given } });
  return given[0]!.port;
}
const exposed = (store: ServiceStore, name: string) => exposuresOf(store.get('shop', name)!.spec, undefined);

describe('a service that asks for any port', () => {
  it('is exposed nowhere until it has one, and then there, for whoever reads its status', () => {
    const store = storeOf(asking('game'));
    assert.deepEqual(exposed(store, 'game'), []);
    const port = state(store, 'game');
    assert.ok(port >= randomPorts.first && port <= randomPorts.last);
    assert.deepEqual(exposed(store, 'game'), [{ kind: 'tcp', port }]);
    const several = service('mail', {
      serviceType: 'tcp',
      expose: {
        type: 'port',
        ports: [
          { name: 'a', port: 0, backendPort: 1 },
          { name: 'b', port: 25 },
        ],
      },
    });
    store.set({
      ...several,
      status: {
        ports: [
          { name: 'a', port: 31_000 },
          { name: 'b', port: 31_001 },
        ],
      },
    });
    assert.deepEqual(exposed(store, 'mail'), [
      { kind: 'tcp', port: 31_000, name: 'a' },
      { kind: 'tcp', port: 25, name: 'b' },
    ]);
  });

  it('is not exposed at a port that a hand has put into its status', () => {
    for (const port of [22, 80, 29_999, 32_768]) assert.deepEqual(exposed(storeOf(asking('game', { ports: [{ port }] })), 'game'), []);
  });

  it('has a port that no other service has, keeps it over restarts of the controller, and has it again where its status is lost', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 0, max: 500 }), { minLength: 1, maxLength: 30 }), (numbers) => {
        const names = numbers.map((number) => `game-${number}`);
        const store = storeOf(...names.map((name) => asking(name)));
        const own = portsOf(store);
        const given = names.map((name) => own.of(store.get('shop', name)!)![0]!.port);
        assert.equal(new Set(given).size, names.length);
        names.forEach((name) => state(store, name, own));
        assert.deepEqual(
          names.map((name) => portsOf(store).of(store.get('shop', name)!)![0]!.port),
          given,
        );
        const [name] = names;
        store.set(asking(name!));
        assert.equal(portsOf(store).of(store.get('shop', name!)!)![0]!.port, given[0]);
      }),
    );
  });

  it('gets another one where a service has it that came first, and leaves that one its own', () => {
    const store = storeOf(asking('game'));
    const port = state(store, 'game');
    const other = fixed('fixed', port);
    other.metadata.creationTimestamp = '2020-01-01T00:00:00Z';
    store.set(other);
    const next = portsOf(store).of(store.get('shop', 'game')!)![0]!.port;
    assert.notEqual(next, port);
    assert.deepEqual(portsOf(store).of(store.get('shop', 'fixed')!), undefined);
  });

  it('reads its port in its status, with the address of users', { timeout: 60_000 }, async () => {
    const api = await ApiServer.start();
    const path = '/apis/frp.io/v1beta1/namespaces/shop/distributedservices/game';
    const stored = () => api.objects.get(path) as DistributedService | undefined;
    api.put(path, asking('game'));
    const controller = startController({
      client: api.client,
      config,
      log: pino({ level: 'silent' }),
      registry: new Registry(),
      outdated: () => [],
    });
    try {
      await until(() => stored()?.status?.externalEndpoint !== undefined);
      const { ports, externalEndpoint } = stored()!.status!;
      assert.equal(externalEndpoint, `apps.example.com:${ports![0]!.port}`);
      assert.equal(stored()!.spec.expose!.port, 0);
      await until(() => exposed(controller.services, 'game').length === 1);
    } finally {
      await controller.close();
      api.close();
    }
  });
});
