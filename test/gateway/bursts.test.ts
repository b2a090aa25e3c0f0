/** Hundreds of services that are made and deleted at once, at a real gateway: whoever is served meanwhile loses no request. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { service } from '../support/services.ts';
import { Gateway } from './agent-harness.ts';
import { eventually } from './eventually.ts';
import { tally } from './haproxy-harness.ts';

const host = 'web.example.com';
const names = Array.from({ length: 300 }, (_, index) => `burst-${index}`);
const hostOf = (name: string) => `${name}.example.com`;

test('three hundred services that are made and deleted in a burst cost the users of another one no request', async (t) => {
  const gateway = await Gateway.start();
  t.after(() => gateway.close());
  const pod = { namespace: 'shop', name: 'web', uid: '6d2a6c1e-0000-4000-8000-000000000001' };
  gateway.putService(service('web', { expose: { type: 'domain', domain: host } }));
  gateway.putPod(pod);
  await gateway.sidecar(pod, 'web', (await gateway.app('web')).port);
  const answer = () => gateway.request(host).then(({ status, body }) => `${status} ${body}`, String);
  await eventually('it serves', async () => (await answer()) === '200 web');
  const answers: string[] = [];
  let isOver = false;
  const load = (async () => {
    while (!isOver) answers.push(await answer());
  })();
  for (let round = 0; round < 2; round++) {
    for (const name of names) gateway.putService(service(name));
    // It has no Pods: 503, and 404 for a host that is nobody's.
    for (const name of names) await eventually(`${name} is known`, async () => (await gateway.request(hostOf(name))).status === 503);
    for (const name of names) gateway.api.remove(`/apis/frp.io/v1beta1/namespaces/shop/distributedservices/${name}`);
    for (const name of names) await eventually(`${name} is gone`, async () => (await gateway.request(hostOf(name))).status === 404);
  }
  isOver = true;
  await load;
  assert.deepEqual(Object.keys(tally(answers)), ['200 web']);
});
