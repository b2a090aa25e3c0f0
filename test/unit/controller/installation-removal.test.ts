import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { freeRights, isBeingRemoved } from '../../../src/controller/lifecycle/installation-removal.ts';
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

/** Answers of the API server by the kind in the path: whether an object is there, being deleted, or gone. */
const answering = (states: Record<string, () => 'there' | 'ending' | 'gone'>) => {
  api.intercept = ({ path }) => {
    const state = Object.entries(states).find(([kind]) => path.includes(`/${kind}/`))?.[1]() ?? 'there';
    if (state === 'gone') return failure(404, 'NotFound', 'gone');
    return { status: 200, body: { metadata: state === 'ending' ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {} } };
  };
};

describe('the removal of the installation', () => {
  it('is noticed by the CRD or the namespace, which kubectl deletes with everything else', async () => {
    answering({ customresourcedefinitions: () => 'ending' });
    assert.equal(await isBeingRemoved(api.client, 'frp-system'), true);
    answering({ namespaces: () => 'gone' });
    assert.equal(await isBeingRemoved(api.client, 'frp-system'), true);
  });

  it('is noticed by the rights, which Helm deletes after the Deployment and without CRD and namespace', async () => {
    let asked = 0;
    answering({ deployments: () => 'gone', clusterroles: () => (asked++ < 2 ? 'there' : 'ending') });
    assert.equal(await isBeingRemoved(api.client, 'frp-system'), true);
  });

  it('is none where the controller is rolled, or its Deployment alone is deleted', async () => {
    answering({});
    assert.equal(await isBeingRemoved(api.client, 'frp-system'), false);
    answering({ deployments: () => 'gone' });
    assert.equal(await isBeingRemoved(api.client, 'frp-system', 600), false);
  });

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
