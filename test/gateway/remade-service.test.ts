/** A service that is deleted and made again under its name, at a real gateway: its Pods go on as they are. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { service } from '../support/services.ts';
import { Gateway } from './agent-harness.ts';
import { eventually } from './eventually.ts';

const host = 'web.example.com';
const apps = ['one', 'two'];
/** From the moment that the service is there again; milliseconds. */
const backWithinMs = 10_000;

test('a service that is deleted and made again under its name is served within ten seconds by the Pods that it had, whose sidecars dial no more for it', async (t) => {
  const gateway = await Gateway.start();
  t.after(() => gateway.close());
  const path = '/apis/frp.io/v1beta1/namespaces/shop/distributedservices/web';
  const made = () => gateway.putService(service('web', { expose: { type: 'domain', domain: host } }));
  const all = (limitMs?: number) =>
    eventually(
      'both apps answer',
      async () => {
        const answers = await Promise.all(Array.from({ length: 8 }, () => gateway.request(host)));
        return apps.every((app) => answers.some(({ body }) => body === app)) && answers.every(({ status }) => status === 200);
      },
      limitMs,
    );
  made();
  const sidecars = await Promise.all(
    apps.map(async (name, end) => {
      const pod = { namespace: 'shop', name, uid: `6d2a6c1e-0000-4000-8000-00000000000${end}` };
      gateway.putPod(pod);
      return gateway.sidecar(pod, 'web', (await gateway.app(name)).port);
    }),
  );
  await all();
  for (let round = 0; round < 3; round++) {
    const { uid } = gateway.api.objects.get(path)!.metadata;
    gateway.api.remove(path);
    await eventually('nobody is served', async () => (await gateway.request(host)).status === 404);
    made();
    assert.notEqual(gateway.api.objects.get(path)!.metadata.uid, uid, 'it is another object');
    await all(backWithinMs);
  }
  for (const { log } of sidecars) assert.equal(log().match(/login to server success/g)?.length, 1);
});
