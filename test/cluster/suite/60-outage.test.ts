/** What stops and what goes on while parts of the installation are gone. The tests build on each other. */
import { after, before, suite, test } from 'node:test';
import assert from 'node:assert/strict';
import { installed, reachable, system, testNamespace } from '../support/cluster.ts';
import { apply, get, gone, kubectl, rolledOut, scale, tryApply, tryKubectl } from '../support/kubectl.ts';
import { deployment, httpService, pod } from '../support/objects.ts';
import { eventually } from '../support/run.ts';
import { servedBy } from '../support/traffic.ts';

const ns = 'outage';
const leaving = 'outage-leaving';

/** All Pods of a Deployment, killed, and none in their place. */
async function kill(name: string): Promise<void> {
  await scale(system, name, 0);
  // Not --force: that forgets the Pods before their processes have ended, and those still answer.
  await kubectl('-n', system, 'delete', 'pod', '-l', `app=${name}`, '--grace-period=1', '--ignore-not-found');
  await gone(system, 'pod', '-l', `app=${name}`);
}

suite('outages', () => {
  before(async () => {
    await installed();
    await Promise.all([testNamespace(ns), testNamespace(leaving), testNamespace('outage-selector', { 'frp.io/injection': 'enabled' })]);
    await apply(
      httpService(ns, 'steady', 'steady.example.com'),
      httpService(ns, 'held', 'held.example.com'),
      httpService(leaving, 'leaving', 'leaving.example.com'),
    );
    await kubectl(
      '-n',
      ns,
      'patch',
      'distributedservice',
      'held',
      '--type=merge',
      '-p',
      '{"metadata":{"finalizers":["test.frp.io/hold"]}}',
    );
    await apply(
      deployment({ namespace: ns, name: 'steady', replicas: 2, frp: { group: 'steady' } }),
      deployment({ namespace: leaving, name: 'leaving', frp: { group: 'leaving' } }),
    );
    await Promise.all([rolledOut(ns, 'steady'), rolledOut(leaving, 'leaving')]);
    await servedBy('steady.example.com', 2);
  });
  after(async () => {
    await Promise.all([scale(system, 'frp-controller', 2), scale(system, 'frp-webhook', 2)]);
    await Promise.all([rolledOut(system, 'frp-controller'), reachable()]);
  });

  test('an app starts while the controller is gone', async () => {
    await kill('frp-controller');
    await apply(httpService(ns, 'early', 'early.example.com'), deployment({ namespace: ns, name: 'early', frp: { group: 'early' } }));
    await rolledOut(ns, 'early');
    assert.notEqual((await tryKubectl('-n', ns, 'get', 'secret', 'frp-early-tls')).code, 0);
    await servedBy('steady.example.com', 2);
    await scale(system, 'frp-controller', 2); // its tunnel is looked at last: the kubelet takes its time with Secrets
  });

  suite('with every webhook replica killed', () => {
    before(() => kill('frp-webhook'));
    after(async () => {
      await scale(system, 'frp-webhook', 2);
      await reachable();
    });

    test('traffic goes on', async () => {
      await servedBy('steady.example.com', 2);
    });

    test('Pods without the annotation start', async () => {
      await apply(deployment({ namespace: ns, name: 'ordinary', replicas: 2 }));
      await rolledOut(ns, 'ordinary');
    });

    test('annotated Pods are refused with an error that names the webhook', async () => {
      const { code, stderr } = await tryApply([pod({ namespace: ns, name: 'annotated', frp: { group: 'steady' } })]);
      assert.notEqual(code, 0);
      assert.match(stderr, /failed calling webhook "annotated\.pods\.frp\.io"/);
      assert.match(stderr, /frp-webhook/);
    });

    test('Pods of namespaces in selector mode are refused too', async () => {
      const { code, stderr } = await tryApply([pod({ namespace: 'outage-selector', name: 'chosen' })]);
      assert.notEqual(code, 0);
      assert.match(stderr, /failed calling webhook "selector\.pods\.frp\.io"/);
    });

    test('Deployments are stored, annotated or not', async () => {
      await apply(deployment({ namespace: ns, name: 'later', frp: { group: 'steady' } }));
    });

    test('services are refused rather than stored unchecked', async () => {
      const { code, stderr } = await tryApply([httpService(ns, 'unchecked', 'unchecked.example.com')]);
      assert.notEqual(code, 0);
      assert.match(stderr, /failed calling webhook "distributedservices\.frp\.io"/);
    });

    test('services are deleted, and their finalizers can be taken off', async () => {
      await kubectl('-n', ns, 'delete', 'distributedservice', 'held', '--wait=false');
      await kubectl('-n', ns, 'patch', 'distributedservice', 'held', '--type=merge', '-p', '{"metadata":{"finalizers":null}}');
      await gone(ns, 'distributedservice/held');
    });

    test('a namespace with services and injected Pods is deleted', async () => {
      await kubectl('delete', 'namespace', leaving, '--timeout=120s');
    });
  });

  test('what was held up goes on when the webhooks are back', async () => {
    // The ReplicaSet's next attempt may be as far away as the outage was long.
    const held = async () => assert.equal((await get(ns, 'deployment', 'later')).status.readyReplicas, 1);
    await eventually('the Deployment that was stored meanwhile', held, 300);
    await servedBy('steady.example.com', 3);
  });

  test('the tunnel of the app that started without the controller is up', async () => {
    await eventually('its Secret', () => get(ns, 'secret', 'frp-early-tls'));
    await eventually('its tunnel', () => servedBy('early.example.com', 1), 180);
  });
});
