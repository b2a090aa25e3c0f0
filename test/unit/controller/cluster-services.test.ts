/** The Service of a service in the cluster: what is written, to whom it leads, and what is left alone. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import fc from 'fast-check';
import { pino } from 'pino';
import { configSchema } from '../../../src/config/schema.ts';
import { ClusterServices } from '../../../src/controller/cluster-service/cluster-services.ts';
import { ClusterPorts } from '../../../src/controller/cluster-service/ports.ts';
import type { ClusterServiceOutcome } from '../../../src/controller/problem.ts';
import type { ClusterService, EndpointSlice, KubeObject } from '../../../src/kube/types.ts';
import { isClusterPort } from '../../../src/model/cluster-service.ts';
import { ServiceStore } from '../../../src/model/store.ts';
import type { DistributedService, DistributedServiceSpec } from '../../../src/model/types.ts';
import { ApiServer, failure } from '../kube/api-server.ts';
import { service } from '../../support/services.ts';
import { until } from '../../support/until.ts';

const withGateway = configSchema.parse({ gateway: { addresses: ['gw-0.example.com', 'gw-1.example.com'] } });
const paths = {
  service: (name: string) => `/api/v1/namespaces/shop/services/${name}`,
  slice: (name: string) => `/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices/${name}`,
  gatewayPod: (ordinal: number) => `/api/v1/namespaces/frp-gateway/pods/frp-gateway-${ordinal}`,
};

let api: ApiServer;
let store: ServiceStore;
let told: string[];
let clusterServices: ClusterServices;

beforeEach(async () => {
  api = await ApiServer.start();
  store = new ServiceStore();
  told = [];
  for (const ordinal of [0, 1]) gatewayPod(ordinal, [`10.244.0.${ordinal + 5}`]);
  start();
});
afterEach(async () => {
  await clusterServices.close();
  api.close();
});

function start(config = withGateway, isGatewayHere = true): void {
  const log = pino({ level: 'silent' });
  clusterServices = new ClusterServices({
    client: api.client,
    config,
    log,
    services: store,
    isGatewayHere: () => isGatewayHere,
    changed: (key) => told.push(key),
  });
}

function gatewayPod(
  ordinal: number,
  addresses: string[],
  { ready = 'True', ...metadata }: { ready?: string; deletionTimestamp?: string } = {},
): void {
  api.put(paths.gatewayPod(ordinal), {
    metadata: { name: `frp-gateway-${ordinal}`, namespace: 'frp-gateway', labels: { app: 'frp-gateway' }, ...metadata },
    spec: { nodeName: 'node-a' },
    status: { podIPs: addresses.map((ip) => ({ ip })), conditions: [{ type: 'Ready', status: ready }] },
  } as KubeObject);
}

type Expose = NonNullable<DistributedServiceSpec['expose']>;
const web = (
  clusterService: Expose['clusterService'] = {},
  spec: Partial<DistributedServiceSpec> = {},
  name = 'web',
): DistributedService => {
  const subject = service(name, { expose: { type: 'domain', domain: `${name}.example.com`, clusterService }, ...spec });
  return { ...subject, metadata: { ...subject.metadata, uid: `uid-${name}` } };
};

/** As the controller does: again while the watches begin, and once the status has been written. */
async function reconciled(subject: DistributedService, isServed = true): Promise<ClusterServiceOutcome | undefined> {
  store.set(subject);
  for (;;) {
    try {
      const outcome = await clusterServices.reconcile(store.get('shop', subject.metadata.name)!, isServed);
      if (outcome?.reason !== 'Preparing') return outcome;
      store.set({ ...subject, status: { clusterService: outcome.status } });
    } catch (error) {
      if (!/not known yet/.test((error as Error).message)) throw error;
      await wait(5);
    }
  }
}
const stored = <T extends KubeObject>(path: string): T | undefined => api.objects.get(path) as T | undefined;
const serviceNamed = (name: string) => stored<ClusterService>(paths.service(name));
const sliceNamed = (name: string) => stored<EndpointSlice>(paths.slice(name));
const written = () => [...api.objects.keys()].filter((path) => !path.includes('/frp-gateway/')).sort();

describe('the Service of a service in the cluster', { timeout: 60_000 }, () => {
  it('leads to a port of its own of every Pod of the gateway, and then nothing is written any more', async () => {
    const outcome = await reconciled(web());
    assert.equal(outcome?.message, 'http at web.shop.svc:80 leads to the gateway, by 2 Pods of it');
    const { gatewayPort } = outcome.status!;
    assert.ok(isClusterPort(gatewayPort));
    const { spec, metadata } = serviceNamed('web')!;
    assert.deepEqual(spec?.ports, [{ name: 'http', appProtocol: 'http', port: 80, protocol: 'TCP', targetPort: gatewayPort }]);
    assert.ok(!('selector' in spec));
    assert.deepEqual(
      metadata.ownerReferences?.map(({ uid }) => uid),
      ['uid-web'],
    );
    const slice = sliceNamed('web-frp-ipv4')!;
    assert.equal(slice.metadata.labels?.['kubernetes.io/service-name'], 'web');
    assert.deepEqual(slice.ports, [{ name: 'http', appProtocol: 'http', port: gatewayPort, protocol: 'TCP' }]);
    assert.deepEqual(
      slice.endpoints?.map(({ addresses, conditions, nodeName }) => [addresses[0], conditions?.ready, nodeName]),
      [
        ['10.244.0.5', true, 'node-a'],
        ['10.244.0.6', true, 'node-a'],
      ],
    );
    const before = api.requests.length;
    await reconciled(web());
    assert.deepEqual(
      api.requests.slice(before).filter(({ method }) => method !== 'GET'),
      [],
    );
  });

  it('is made only when the status has told the gateway of its port', async () => {
    const subject = web();
    store.set(subject);
    await until(async () => (await clusterServices.reconcile(subject, true).catch(() => undefined))?.reason === 'Preparing');
    assert.deepEqual(written(), []);
  });

  it('follows the Pods of the gateway: addresses of both families, readiness, the end of one', async () => {
    await reconciled(web());
    told = [];
    gatewayPod(0, ['10.244.0.9', 'fd00::9'], { ready: 'False' });
    gatewayPod(1, ['10.244.0.6'], { deletionTimestamp: '2026-01-01T00:00:00Z' });
    await until(() => told.includes('shop/web'));
    await until(async () => (await reconciled(store.get('shop', 'web')!))?.reason === 'NoGatewayReady');
    assert.deepEqual(
      sliceNamed('web-frp-ipv4')!.endpoints?.map(({ addresses, conditions }) => [addresses[0], conditions]),
      [
        ['10.244.0.9', { ready: false, serving: false, terminating: false }],
        ['10.244.0.6', { ready: false, serving: true, terminating: true }],
      ],
    );
    assert.deepEqual(
      sliceNamed('web-frp-ipv6')!.endpoints?.map(({ addresses }) => addresses[0]),
      ['fd00::9'],
    );
    gatewayPod(0, ['10.244.0.9']);
    await until(async () => (await reconciled(store.get('shop', 'web')!))?.isReady === true);
    assert.equal(sliceNamed('web-frp-ipv6'), undefined);
  });

  it('says that nobody is served while the gateway leaves the service out', async () => {
    const outcome = await reconciled(web(), false);
    assert.equal(outcome?.reason, 'NotServed');
    assert.ok(sliceNamed('web-frp-ipv4')!.endpoints!.every(({ conditions }) => conditions?.ready === false));
  });

  it('never touches a Service or a slice of somebody else, and is made when that one has gone', async () => {
    const theirs = api.put(paths.service('web'), { metadata: { name: 'web', namespace: 'shop' } });
    const outcome = await reconciled(web());
    assert.equal(outcome?.reason, 'NameTaken');
    assert.match(
      outcome.message,
      /Service shop\/web exists and was not made by frp-k8s .* set spec\.expose\.clusterService\.name to another/,
    );
    assert.deepEqual(serviceNamed('web'), theirs);
    assert.deepEqual(written(), [paths.service('web')]);
    api.remove(paths.service('web'));
    assert.equal((await reconciled(web()))?.isReady, true);
  });

  it('takes no object over that has its labels and belongs to another service', async () => {
    await reconciled(web());
    const other = await reconciled(web({ name: 'web' }, {}, 'other'));
    assert.equal(other?.reason, 'NameTaken');
    assert.deepEqual(
      serviceNamed('web')?.metadata.ownerReferences?.map(({ uid }) => uid),
      ['uid-web'],
    );
  });

  it('changes its name and port with the field, and is gone without it, or with the service', async () => {
    await reconciled(web());
    await reconciled(web({ name: 'pool', port: 8080 }));
    assert.deepEqual(written(), [paths.slice('pool-frp-ipv4'), paths.service('pool')].sort());
    assert.deepEqual(
      serviceNamed('pool')?.spec?.ports?.map(({ port }) => port),
      [8080],
    );
    assert.equal(await reconciled(service('web')), undefined);
    assert.deepEqual(written().length, 2, 'of a service with another uid');
    const plain = { ...service('web'), metadata: web().metadata };
    assert.equal(await reconciled(plain), undefined);
    assert.deepEqual(written(), []);
    await reconciled(web());
    const ending = web();
    await reconciled({ ...ending, metadata: { ...ending.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } });
    assert.deepEqual(written(), []);
  });

  it('is not made without a gateway in the cluster, and says why', async () => {
    assert.equal((await reconciled(web({}, { gateway: false })))?.reason, 'GatewayRequired');
    await clusterServices.close();
    start(withGateway, false);
    const outcome = await reconciled(web());
    assert.equal(outcome?.reason, 'GatewayElsewhere');
    assert.deepEqual(written(), []);
  });

  it('is the only thing that fails where the controller has no right to Services', async () => {
    for (const refused of ['GET', 'POST']) {
      await clusterServices.close();
      api.intercept = ({ method, path }) =>
        method === refused && path.endsWith('/services') ? failure(403, 'Forbidden', `cannot ${method} services`) : undefined;
      start();
      const outcome = await reconciled(web());
      assert.equal(outcome?.reason, 'Forbidden');
      assert.match(outcome.message, new RegExp(`cannot ${refused} services.*apply manifests/install again`));
    }
  });
});

describe('ports of the gateway for the cluster', () => {
  const asking = (name: string, gatewayPort?: number, created = '2026-01-01T00:00:00Z'): DistributedService => ({
    ...web({}, {}, name),
    metadata: { name, namespace: 'shop', uid: `uid-${name}`, creationTimestamp: created },
    ...(gatewayPort !== undefined && { status: { clusterService: { gatewayPort } } }),
  });

  it('are each one service’s, whatever came before, and stay with it', () => {
    const names = fc.uniqueArray(fc.integer({ min: 0, max: 30 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(names, fc.array(fc.constantFrom(61_000, 61_001, 65_535, 80, undefined), { maxLength: 20 }), (ids, stated) => {
        const services = new ServiceStore();
        const ports = new ClusterPorts(services);
        const all = ids.map((id, index) => asking(`s-${id}`, stated[index]));
        for (const each of all) services.set(each);
        const given = new Map(all.map((each) => [each.metadata.name, ports.of(each)!]));
        assert.equal(new Set(given.values()).size, all.length);
        for (const port of given.values()) assert.ok(isClusterPort(port));
        for (const each of all) services.set(asking(each.metadata.name, given.get(each.metadata.name)));
        for (const each of all) assert.equal(ports.of(each), given.get(each.metadata.name));
        ports.close();
      }),
    );
  });

  it('come back to a service whose status was lost, and stay with the older of two that have one by mistake', () => {
    const services = new ServiceStore();
    const ports = new ClusterPorts(services);
    const port = ports.of(asking('a'))!;
    ports.free('shop/a');
    assert.equal(ports.of(asking('a')), port);
    const young = asking('a', 61_007, '2026-02-01T00:00:00Z');
    const old = asking('b', 61_007);
    services.set(young);
    services.set(old);
    assert.equal(ports.of(old), 61_007);
    assert.notEqual(ports.of(young), 61_007);
  });
});
