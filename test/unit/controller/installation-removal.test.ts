import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { freeRights } from '../../../src/controller/lifecycle/installation-removal.ts';
import { ApiServer, failure } from '../kube/api-server.ts';

let api: ApiServer;
beforeEach(async () => {
  api = await ApiServer.start();
});
afterEach(() => api.close());

const free = () => freeRights(api.client, 'frp-system', pino({ level: 'silent' }));
const freed = () =>
  api.requests
    .filter(({ method }) => method === 'PATCH')
    .map(({ path }) => path.split('/').at(-2))
    .sort();

describe('the removal of the installation', () => {
  it('frees all of its own rights, though the first that goes ends the others, and requests arrive one after another', async () => {
    let rights = 3;
    let arrived = 0;
    api.admit = async () => {
      await sleep(20 * arrived++);
      return rights === 3 ? undefined : failure(403, 'Forbidden', 'there is no such binding');
    };
    api.intercept = () => {
      rights--;
      return { status: 200, body: { metadata: {} } };
    };
    await free();
    assert.equal(arrived, 3);
    assert.deepEqual(freed(), ['clusterrolebindings', 'clusterroles', 'serviceaccounts']);
  });

  it('frees the others where one of them is refused from the start', async () => {
    api.admit = ({ path }) => Promise.resolve(path.includes('clusterroles/') ? failure(403, 'Forbidden', 'no') : undefined);
    api.intercept = () => ({ status: 200, body: { metadata: {} } });
    await free();
    assert.deepEqual(freed(), ['clusterrolebindings', 'serviceaccounts']);
  });
});
