/** `status` as one screen: what it says of what it does not know. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { configSchema } from '../../../src/config/schema.ts';
import { readStatus, rowOf } from '../../../src/explain/status.ts';
import { statusText } from '../../../src/explain/status-text.ts';
import type { KubeObject } from '../../../src/kube/types.ts';
import type { DistributedService } from '../../../src/model/types.ts';
import { service } from '../../support/services.ts';
import { ApiServer } from '../kube/api-server.ts';

const config = configSchema.parse({ gateway: { addresses: ['gw.example.com'] } });
const options = { config, installation: 'frp-system', reach: { voices: [], problems: [] }, namespace: undefined };
const web = { ...service('web'), status: { state: 'Running' } } as unknown as KubeObject;

describe('status', () => {
  let api: ApiServer;
  before(async () => {
    api = await ApiServer.start();
    api.put('/apis/frp.io/v1beta1/namespaces/shop/distributedservices/web', web);
  });
  after(() => api.close());

  it('says after an uninstall that what it shows was last observed', async () => {
    assert.match(
      statusText(await readStatus(api.client, options)),
      /frp-k8s is not installed in namespace frp-system, so what is shown is what was last/,
    );
  });

  it('does not count services that it may not list, and names the right', async () => {
    api.intercept = ({ path }) =>
      path.endsWith('/distributedservices')
        ? { status: 403, body: { kind: 'Status', reason: 'Forbidden', message: 'distributedservices is forbidden', code: 403 } }
        : undefined;
    const text = statusText(await readStatus(api.client, options));
    api.intercept = () => undefined;
    assert.match(text, /services: not known/);
    assert.match(text, /this account may not list distributedservices/);
    assert.doesNotMatch(text, /0 services|no DistributedService/);
  });

  it('says why of a service that serves with less than all', () => {
    const conditions = [
      { type: 'Ready', status: 'True', reason: 'Serving', message: '' },
      { type: 'BackendsAvailable', status: 'True', reason: 'BackendsReady', message: '1 backends available; 1 unhealthy: web-2' },
    ];
    const row = rowOf({ ...service('web'), status: { state: 'Degraded', conditions } } as unknown as DistributedService, config);
    assert.deepEqual([row.reason, row.message], ['BackendPartlyDown', '1 backends available; 1 unhealthy: web-2']);
  });

  it('shows a long address whole where the screen is wide', () => {
    const at = `${'a'.repeat(70)}.example.com`;
    const status = { at: '', parts: [], unknown: [], services: [{ service: 'shop/web', type: 'http', state: 'Running', total: 1, at }] };
    assert.ok(statusText(status, { columns: 300 }).includes(at));
    assert.ok(!statusText(status).includes(at));
  });
});
