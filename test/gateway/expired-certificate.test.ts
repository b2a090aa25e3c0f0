/** A certificate of a sidecar that ends, as while no controller renews it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { service } from '../support/services.ts';
import { Gateway } from './agent-harness.ts';
import { eventually } from './eventually.ts';

test('a tunnel that is open serves on when its certificate has ended, and nobody dials with one that has', async (t) => {
  const gateway = await Gateway.start();
  t.after(() => gateway.close());
  const { port } = await gateway.app('web');
  const [open, late] = ['1', '2'].map((end) => ({
    namespace: 'shop',
    name: `web-${end}`,
    uid: `6d2a6c1e-0000-4000-8000-00000000000${end}`,
  }));
  gateway.putService(service('web'));
  gateway.putPod(open!);
  gateway.putPod(late!);
  const lifetimeMs = 15_000;
  const isServed = async () => (await gateway.request('web.example.com')).body === 'web';
  const begun = Date.now();
  await gateway.sidecar(open!, 'web', port, { lifetimeMs });
  await eventually('it serves', isServed);
  await sleep(Math.max(0, begun + lifetimeMs + 2000 - Date.now()));
  for (let count = 0; count < 20; count++) assert.ok(await isServed());
  const { log } = await gateway.sidecar(late!, 'web', port, { lifetimeMs: 1 });
  await eventually('it is turned away', () => (log().match(/connect to server error/g) ?? []).length >= 2);
  assert.doesNotMatch(log(), /login to server success/);
  assert.ok(await isServed());
});
