/** The controller of a cluster that has no gateway yet: neither its own nor one elsewhere that it has joined. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Registry } from '@prometheus-io/client';
import { pino } from 'pino';
import { configSchema } from '../../../src/config/schema.ts';
import { Connectors } from '../../../src/controller/connectors/connectors.ts';
import { startController, type RunningController } from '../../../src/controller/controller.ts';
import type { ConfigMap, KubeObject } from '../../../src/kube/types.ts';
import type { DistributedService } from '../../../src/model/types.ts';
import { service } from '../../support/services.ts';
import { until } from '../../support/until.ts';
import { FakeClock } from '../certs/fake-clock.ts';
import { ApiServer } from '../kube/api-server.ts';

const config = configSchema.parse({ gateway: { addresses: ['gw-0.hub.example.com', 'gw-1.hub.example.com'] } });
const log = pino({ level: 'silent' });
const path = '/apis/frp.io/v1beta1/namespaces/shop/distributedservices/web';

const clock = new FakeClock(Date.now());

describe('the controller of a cluster that has no gateway yet', { timeout: 60_000 }, () => {
  let api: ApiServer;
  let controller: RunningController;
  const conditions = () => Object.fromEntries((stored()?.status?.conditions ?? []).map((condition) => [condition.type, condition]));
  const stored = () => api.objects.get(path) as DistributedService | undefined;

  before(async () => {
    api = await ApiServer.start();
    api.absent.add('frp-gateway');
    const labels = { 'frp.io/use': 'true' };
    api.put('/api/v1/namespaces/shop/secrets/keys', {
      metadata: { name: 'keys', namespace: 'shop', labels },
      data: { token: 'eA==' },
    } as KubeObject);
    api.put(
      path,
      service('web', {
        backends: { endpoints: [{ host: '10.0.0.1', port: 80 }] },
        security: { authentication: { type: 'token', tokenSecret: 'keys' } },
      }),
    );
    const connectors = new Connectors({ client: api.client, config, log });
    controller = startController({ client: api.client, config, log, registry: new Registry(), outdated: () => [], connectors, clock });
    await until(() => stored()?.status?.totalBackends === 1);
  });
  after(async () => {
    await controller.close();
    api.close();
  });

  it('runs connectors that dial the gateway’s addresses', () => {
    const map: ConfigMap | undefined = api.objects.get('/api/v1/namespaces/shop/configmaps/frp-web-connector');
    assert.match(map?.data?.['frpc.json'] ?? '', /"serverAddr":"gw-0\.hub\.example\.com"/);
    assert.ok(api.objects.has('/apis/apps/v1/namespaces/shop/deployments/frp-web-connector'));
  });

  it('says that there is none and how to join one, and not that one does not answer', () => {
    for (const type of ['NetworkReady', 'BackendsAvailable', 'Ready']) {
      const { status, reason, message = '' } = conditions()[type]!;
      assert.deepEqual([type, status, reason], [type, type === 'BackendsAvailable' ? 'Unknown' : 'False', 'NoGateway']);
      if (type !== 'BackendsAvailable') assert.match(message, /no gateway in this cluster.*joined none elsewhere.*frp-k8s join TOKEN/);
    }
    assert.deepEqual(stored()?.status?.endpoints, [{ name: '10.0.0.1:80', address: '10.0.0.1', port: 80 }]);
    assert.equal(stored()?.status?.activeBackends, undefined);
  });

  it('makes nothing for a gateway', () => {
    assert.equal(conditions().ConfigurationValid?.status, 'True');
    const made = [...api.objects.keys()].filter((of) => /frp-gateway|frp-server-api/.test(of));
    assert.deepEqual(made, []);
  });

  it('looks after one soon after its namespace is there', async () => {
    api.absent.clear();
    clock.sleep(15_000);
    clock.advance(6000);
    await until(() => api.objects.has('/api/v1/namespaces/frp-gateway/secrets/frp-gateway-replicas'));
    await until(() => api.objects.has('/api/v1/namespaces/frp-system/secrets/frp-gateway-tls'));
    assert.ok(api.objects.has('/api/v1/namespaces/frp-system/secrets/frp-server-api'));
    const copies = () => [...api.objects.keys()].filter((of) => of.includes('/frp-gateway/secrets/frp-gw-'));
    await until(() => copies().length === 1);
    await until(() => conditions().NetworkReady?.reason !== 'NoGateway');
  });
});
