/** The controller of a cluster whose gateway is in another one. */
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
import { ApiServer } from '../kube/api-server.ts';

const config = configSchema.parse({ gateway: { addresses: ['gw-0.hub.example.com', 'gw-1.hub.example.com'], elsewhere: true } });
const log = pino({ level: 'silent' });
const path = '/apis/frp.io/v1beta1/namespaces/shop/distributedservices/web';

describe('the controller of a cluster whose gateway is elsewhere', { timeout: 60_000 }, () => {
  let api: ApiServer;
  let controller: RunningController;
  const conditions = () => Object.fromEntries((stored()?.status?.conditions ?? []).map((condition) => [condition.type, condition]));
  const stored = () => api.objects.get(path) as DistributedService | undefined;

  before(async () => {
    api = await ApiServer.start();
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
    controller = startController({ client: api.client, config, log, registry: new Registry(), outdated: () => [], connectors });
    await until(() => stored()?.status?.totalBackends === 1);
  });
  after(async () => {
    await controller.close();
    api.close();
  });

  it('runs connectors that dial the gateway there', () => {
    const map: ConfigMap | undefined = api.objects.get('/api/v1/namespaces/shop/configmaps/frp-web-connector');
    assert.match(map?.data?.['frpc.json'] ?? '', /"serverAddr":"gw-0\.hub\.example\.com"/);
    assert.ok(api.objects.has('/apis/apps/v1/namespaces/shop/deployments/frp-web-connector'));
  });

  it('says that the health of backends is not known here, and never that the server does not answer', () => {
    for (const type of ['NetworkReady', 'BackendsAvailable', 'Ready']) {
      const { status, reason, message = '' } = conditions()[type]!;
      assert.deepEqual([type, status, reason], [type, 'Unknown', 'GatewayElsewhere']);
      if (type !== 'BackendsAvailable') assert.match(message, /gateway is in another cluster.*gateway\.elsewhere/);
    }
    assert.deepEqual(stored()?.status?.endpoints, [{ name: '10.0.0.1:80', address: '10.0.0.1', port: 80 }]);
    assert.equal(stored()?.status?.activeBackends, undefined);
  });

  it("leaves users' credentials to the cluster of the gateway: nothing is copied, and none is missed", () => {
    assert.equal(conditions().ConfigurationValid?.status, 'True');
    assert.deepEqual(
      api.requests.filter(({ path: of, method }) => method !== 'GET' && of.includes('/frp-gateway/')),
      [],
    );
    assert.ok(!api.objects.has('/api/v1/namespaces/frp-system/secrets/frp-server-api'));
  });
});
