/** Services that claim the same host, at a real gateway: who is served, and how soon the next one is. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DistributedService } from '../../src/model/types.ts';
import { service } from '../support/services.ts';
import { Gateway } from './agent-harness.ts';
import { eventually } from './eventually.ts';

const host = 'fought.example.com';
const pod = (namespace: string, end: number) => ({ namespace, name: `app-${end}`, uid: `5c2a6c1e-0000-4000-8000-00000000000${end}` });
const claimant = (namespace: string, minute: number, domain = host): DistributedService => {
  const made = service('web', { expose: { type: 'domain', domain } }, namespace);
  return { ...made, metadata: { ...made.metadata, generation: 1, creationTimestamp: `2026-01-01T00:0${minute}:00Z` } };
};
const judged = (one: DistributedService): DistributedService => ({
  ...one,
  status: { observedGeneration: one.metadata.generation ?? 1, conditions: [{ type: 'ConfigurationValid', status: 'True' }] },
});

describe('a host that two services claim', { timeout: 120_000 }, () => {
  let gateway: Gateway;
  before(async () => {
    gateway = await Gateway.start();
    for (const [namespace, end] of [
      ['elder', 1],
      ['younger', 2],
    ] as const) {
      gateway.putService(claimant(namespace, end));
      gateway.putPod(pod(namespace, end));
      await gateway.sidecar(pod(namespace, end), 'web', (await gateway.app(namespace)).port);
    }
    const members = async () => JSON.parse((await gateway.get('/api/proxy/tcp', gateway.ports.frpsApi)).body) as { proxies: unknown[] };
    await eventually('both have members', async () => (await members()).proxies.length === 2);
    await eventually('the elder serves', async () => (await gateway.request(host)).body === 'elder');
  });
  after(() => gateway?.close());

  it('is the next one’s within moments of the deletion of its holder, and stays so whatever the deleted one is changed to', async () => {
    const elder = claimant('elder', 1);
    gateway.putService({ ...elder, metadata: { ...elder.metadata, deletionTimestamp: '2026-01-01T01:00:00Z', finalizers: ['a/b'] } });
    await eventually('the younger serves', async () => (await gateway.request(host)).body === 'younger', 2000);
    gateway.putService({ ...elder, metadata: { ...elder.metadata, generation: 3, deletionTimestamp: '2026-01-01T01:00:00Z' } });
    for (let asked = 0; asked < 20; asked++) {
      assert.equal((await gateway.request(host)).body, 'younger');
      await sleep(25);
    }
  });

  it('is not taken by an older service that moves to it, though admission did not look', async () => {
    gateway.putService(judged(claimant('younger', 2)));
    gateway.putService({ ...claimant('elder', 1), metadata: { ...claimant('elder', 1).metadata, uid: 'again', generation: 2 } });
    for (let asked = 0; asked < 40; asked++) {
      assert.equal((await gateway.request(host)).body, 'younger');
      await sleep(25);
    }
  });
});
