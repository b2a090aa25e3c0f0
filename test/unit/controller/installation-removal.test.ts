import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { pino } from 'pino';
import { freeRights } from '../../../src/controller/lifecycle/installation-removal.ts';
import { ApiServer } from '../kube/api-server.ts';

let api: ApiServer;
beforeEach(async () => {
  api = await ApiServer.start();
});
afterEach(() => api.close());

describe('the removal of the installation', () => {
  it('frees its own rights over connections that are open already, so that no request comes after the rights have gone', async () => {
    let openAtFirst: number | undefined;
    api.intercept = ({ method }) => {
      if (method === 'PATCH') openAtFirst ??= api.connections;
      return { status: 200, body: { metadata: {} } };
    };
    await freeRights(api.client, 'frp-system', pino({ level: 'silent' }));
    const freed = api.requests.filter(({ method }) => method === 'PATCH').map(({ path }) => path);
    assert.deepEqual(freed.map((path) => path.split('/').at(-2)).sort(), ['clusterrolebindings', 'clusterroles', 'serviceaccounts']);
    assert.equal(api.connections, openAtFirst);
  });
});
