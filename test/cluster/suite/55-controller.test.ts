/** The controller tells the truth about services, and ends them. */
import { before, suite, test } from 'node:test';
import assert from 'node:assert/strict';
import { installed, system, testNamespace } from '../support/cluster.ts';
import { conditionOf, controllerWorks, eventsIn, frpsProxies, online, says as saysIn, statusOf } from '../support/controller.ts';
import { apply, get, gone, items, kubectl, rolledOut, scale, tryKubectl, type Json } from '../support/kubectl.ts';
import { deployment, httpService, type App } from '../support/objects.ts';
import { eventually } from '../support/run.ts';

const ns = 'controller';
const kind = 'distributedservice';

/** Checked by frpc every two seconds, so that its verdict is the app's. */
const quick = (name: string) => {
  const service = httpService(ns, name, `${name}.controller.example.com`);
  const healthCheck = { type: 'http', path: '/health', interval: '2s', timeout: '1s', failureThreshold: 1 };
  return { ...service, spec: { ...(service.spec as object), loadBalancing: { healthCheck } } };
};
const app = (name: string, replicas: number): App => ({ namespace: ns, name, replicas, frp: { group: name } });

const says = (name: string, state: string, ...counts: [number, number]) => saysIn(ns, name, state, ...counts);

/** What the app answers to its health check. */
async function setHealth(name: string, pods: Json[], ok: boolean): Promise<void> {
  for (const { status } of pods) {
    const url = `http://${status.podIP}:8080/health?ok=${ok}`;
    await kubectl('-n', 'frp-test-client', 'exec', 'client', '--', 'curl', '-sS', '-X', 'POST', url);
  }
  // What frps knows is the fact that the status must follow.
  const wanted = ok ? 'online' : 'offline';
  await eventually(`${name} ${wanted} on frps`, async () => {
    const proxies = await frpsProxies(ns, name);
    const states = pods.map(({ metadata }) => proxies.find((proxy) => proxy.name.endsWith(`.${metadata.uid}`))?.status);
    assert.deepEqual(
      states,
      pods.map(() => wanted),
    );
  });
}

suite('the controller', () => {
  before(async () => {
    await installed();
    await testNamespace(ns);
    await controllerWorks();
  });

  test('says what is so of 0, 1 and n backends, healthy or not', async () => {
    await apply(quick('life'));
    await says('life', 'Provisioning', 0, 0);
    assert.equal(conditionOf(await statusOf(ns, 'life'), 'BackendsAvailable').reason, 'NoBackendsFound');
    await apply(deployment(app('life', 1)));
    await kubectl('-n', ns, 'wait', '--for=condition=Ready', `${kind}/life`, '--timeout=90s');
    await says('life', 'Running', 1, 1);
    await scale(ns, 'life', 3);
    await rolledOut(ns, 'life');
    await online(ns, 'life', 3);
    await says('life', 'Running', 3, 3);
    const pods = await items(ns, 'pod', '-l', 'app=life');
    await setHealth('life', pods.slice(0, 1), false);
    await says('life', 'Degraded', 2, 3);
    await setHealth('life', pods.slice(1), false);
    await says('life', 'Failed', 0, 3);
    const ready = conditionOf(await statusOf(ns, 'life'), 'Ready');
    assert.equal(ready.status, 'False');
    assert.match(
      ready.message as string,
      /3 unhealthy: life-\S+ .*and 2 more; a plain frp server does not say why \(its health check is GET \/health\); see: kubectl -n controller logs life-\S+ -c frpc/,
    );
    await setHealth('life', pods, true);
    await says('life', 'Running', 3, 3);
    await scale(ns, 'life', 0);
    await gone(ns, 'pod', '-l', 'app=life');
    await says('life', 'Degraded', 0, 0);
  });

  test('tells it by Events, each once', async () => {
    await eventually('the Events', async () => {
      const told = (await eventsIn(ns)).filter(({ involvedObject }) => involvedObject.name === 'life').map(({ reason }) => String(reason));
      for (const reason of [
        'ServiceCreated',
        'CertificateIssued',
        'ConfigurationApplied',
        'BackendDiscovered',
        'HealthCheckPassed',
        'BackendUnhealthy',
      ])
        assert.ok(told.includes(reason), `${reason} is not among ${told.join(', ')}`);
      assert.equal(told.filter((reason) => reason === 'ServiceCreated').length, 1);
    });
  });

  test('kubectl get dsvc shows type, backends, state, and why a service is not ready', async () => {
    const table = await kubectl('-n', ns, 'get', 'dsvc', 'life');
    assert.match(table, /^NAME +TYPE +BACKENDS +STATE +READY +REASON +AGE +ENDPOINT\nlife +http +0 +Degraded +False +[A-Z]\w+ +/);
  });

  test('lets a service go that still has Pods, and revokes its certificate', async () => {
    await apply(quick('steady'), deployment(app('steady', 2)));
    await rolledOut(ns, 'steady');
    await eventually('its certificate', () => get(ns, 'secret', 'frp-steady-tls'));
    await kubectl('-n', ns, 'delete', kind, 'steady', '--timeout=60s');
    assert.notEqual((await tryKubectl('-n', ns, 'get', 'secret', 'frp-steady-tls')).code, 0);
    const { data } = await get(system, 'configmap', 'frp-revoked');
    assert.ok(Object.keys(data as object).length > 0);
  });

  test('lets a namespace go, with services and Pods in it', async () => {
    const other = await testNamespace('controller-leaving');
    await apply(httpService(other, 'leaving', 'leaving.controller.example.com'), deployment({ ...app('leaving', 1), namespace: other }));
    await rolledOut(other, 'leaving');
    await kubectl('delete', 'namespace', other, '--timeout=120s');
  });

  test('lets a service go that was deleted while no controller ran', async () => {
    await scale(system, 'frp-controller', 0);
    await gone(system, 'pod', '-l', 'app=frp-controller');
    await kubectl('-n', ns, 'delete', kind, 'life', '--wait=false');
    assert.equal((await tryKubectl('-n', ns, 'get', kind, 'life')).code, 0);
    await scale(system, 'frp-controller', 2);
    await gone(ns, `${kind}/life`);
  });
});
