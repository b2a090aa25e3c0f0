/**
 * A cluster behind NAT and a server on the internet without Kubernetes: by the guide's commands from nothing to the first answer,
 * then everything that a gateway in the cluster does, and what is lost while parts of it are restarted.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { ask } from '../support/ask.ts';
import { testNamespace } from '../support/cluster.ts';
import { conditionOf, counts, foreign, statusOf } from '../support/controller.ts';
import { acmeAtHome } from '../support/home-acme.ts';
import { HomeCluster } from '../support/home-cluster.ts';
import { byProxy } from '../support/home-proxy.ts';
import { restarts } from '../support/home-restarts.ts';
import { allWell, host, port, says, served } from '../support/home-web.ts';
import { apply, get, items, kubectl, rolledOut, tryKubectl, type Json } from '../support/kubectl.ts';
import { deployment } from '../support/objects.ts';
import { root, system } from '../support/places.ts';
import { eventually, must, run } from '../support/run.ts';
import { Vps, vpsAddress } from '../support/vps.ts';

const gated = JSON.stringify({ spec: { template: { metadata: { annotations: { 'frp.io/readiness-gate': 'true' } } } } });

suite('a home cluster and a VPS', { skip: foreign }, () => {
  let home: HomeCluster;
  const uninstall = () => must('node', [join(root, 'src/main.ts'), 'uninstall']);

  before(async () => {
    await uninstall();
    await kubectl('delete', 'namespace', 'shop', '--ignore-not-found');
    home = new HomeCluster(await Vps.start());
  });
  after(async () => {
    await home?.end();
    await uninstall();
    await kubectl('delete', 'namespace', 'shop', '--ignore-not-found');
  });

  test('the lab dials out, and from outside nobody gets in: to no Service, Pod or API server', async () => {
    const ns = await testNamespace('home-door');
    await apply(deployment({ namespace: ns, name: 'inside' }), {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'inside', namespace: ns },
      spec: { type: 'NodePort', selector: { app: 'inside' }, ports: [{ port: 80, targetPort: 8080 }] },
    });
    await rolledOut(ns, 'inside');
    const [pod] = (await items(ns, 'pod', '-l', 'app=inside')) as [Json];
    const { spec } = await get(ns, 'service', 'inside');
    const doors: Record<string, [string, number]> = {
      'the API server': ['10.200.0.1', 6443],
      'the API server at the router': ['203.0.113.1', 6443],
      'a NodePort': ['203.0.113.1', Number(spec.ports[0].nodePort)],
      'a NodePort at the node': ['10.200.0.1', Number(spec.ports[0].nodePort)],
      'a Service': [String(spec.clusterIP), 80],
      'a Pod': [String(pod.status.podIP), 8080],
    };
    const open = async () => {
      const reached = await Promise.all(
        Object.entries(doors).map(async ([name, door]) => ((await home.vps.reaches(...door)) ? [name] : [])),
      );
      return reached.flat();
    };
    // With an open router every way is there, so that what follows is the router's doing.
    await eventually('every door', async () => assert.deepEqual(await open(), Object.keys(doors)));
    await home.vps.closeRouter();
    assert.deepEqual(await open(), []);
  });

  test('the guide leads from nothing to the first answer, in ten commands and five minutes', async (t) => {
    const answer = await home.followGuide();
    for (const { command, seconds } of home.times) t.diagnostic(`${seconds.toFixed(1)} s  ${command}`);
    const seconds = home.times.reduce((sum, each) => sum + each.seconds, 0);
    t.diagnostic(`${home.times.length} commands, ${seconds.toFixed(1)} s`);
    assert.match(answer, /^hostname: web-/m);
    assert.ok(home.times.length <= 10, `${home.times.length} commands`);
  });

  test('the status at home is that of a gateway in the cluster: backends, endpoints, conditions, the link', async () => {
    await says('LinkReady', 'True', 'Linked');
    await counts('shop', 'web', 2, 2);
    const { state, endpoints, conditions } = await statusOf('shop', 'web');
    assert.equal(state, 'Running');
    assert.deepEqual(
      (endpoints as Json[]).map(({ healthy }) => Boolean(healthy)),
      [true, true],
    );
    for (const type of ['Ready', 'BackendsAvailable', 'ConfigurationValid', 'CertificatesReady', 'NetworkReady'])
      assert.equal(conditionOf({ conditions }, type).status, 'True', type);
    // The gateway looks once a second.
    await eventually('the gateway lists the cluster', async () =>
      assert.match((await home.onVps(`frp-k8s gateway clusters --dir ${home.directory}`)).stdout, /^home +up +1 +2 /m),
    );
  });

  test('a Pod with the readiness gate is ready when the gateway serves it, and not before', async () => {
    await kubectl('-n', 'shop', 'patch', 'deployment', 'web', '--type=merge', '-p', gated);
    await rolledOut('shop', 'web');
    await served(2);
    for (const { metadata, status } of await items('shop', 'pod', '-l', 'app=web'))
      if (metadata.deletionTimestamp === undefined) assert.equal(conditionOf(status, 'frp.io/registered')?.reason, 'Registered');
    await counts('shop', 'web', 2, 2);
  });

  restarts(() => home);

  test('a cluster that is removed leaves nothing at the gateway, home says so, and joined anew it serves again', async () => {
    const removed = await home.onVps(`frp-k8s gateway clusters remove home --dir ${home.directory}`);
    assert.equal(removed.code, 0, removed.stderr);
    await eventually('nothing is served', async () => assert.equal((await ask(vpsAddress, { host }, port)).status, 404));
    await says('LinkReady', 'False', 'ClusterRemoved');
    assert.equal((await home.onVps(`frp-k8s gateway clusters --dir ${home.directory}`)).stdout, '');
    const joined = await home.join();
    assert.equal(joined.code, 0, joined.stdout + joined.stderr);
    await allWell();
  });

  test('a token grants nothing the second time, and the command says why', async () => {
    const made = await home.onVps(`frp-k8s gateway token create --dir ${home.directory} --cluster home`);
    const joining = () => home.atHome(`frp-k8s join ${made.stdout.trim()}`);
    assert.equal((await joining()).code, 0);
    const again = await joining();
    assert.equal(again.code, 1);
    assert.match(again.stderr, /used/);
    await kubectl('-n', system, 'delete', 'secret', 'frp-gateway-join');
    await says('LinkReady', 'True', 'Linked');
  });

  test('the Secrets of the link are for the controller alone', async () => {
    const can = async (account: string, verb: string, name: string) =>
      (await tryKubectl('auth', 'can-i', verb, `secret/${name}`, '-n', system, '--as', `system:serviceaccount:${account}`)).code === 0;
    for (const name of ['frp-gateway-join', 'frp-gateway-link']) {
      for (const verb of ['get', 'patch', 'delete']) assert.ok(await can(`${system}:frp-controller`, verb, name), `${verb} ${name}`);
      for (const account of [`${system}:frp-webhook`, `${system}:default`, 'shop:default'])
        for (const verb of ['get', 'list', 'patch', 'delete']) assert.ok(!(await can(account, verb, name)), `${account} ${verb} ${name}`);
    }
    const write = (account: string, labels: object) => {
      const input = JSON.stringify({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'frp-gateway-link', namespace: system, labels } });
      const flags = ['--server-side', '--force-conflicts', '--field-manager=frp-test', '--dry-run=server'];
      return run('kubectl', ['apply', ...flags, `--as=system:serviceaccount:${system}:${account}`, '-f', '-'], { input });
    };
    const own = { 'app.kubernetes.io/managed-by': 'frp-k8s' };
    const mine = await write('frp-controller', own);
    assert.equal(mine.code, 0, mine.stderr);
    assert.match((await write('frp-controller', { 'app.kubernetes.io/managed-by': 'helm' })).stderr, /belongs to somebody else/);
    assert.notEqual((await write('frp-webhook', own)).code, 0);
  });

  acmeAtHome(() => home);

  // The last one: no Pod gets out by itself any more.
  byProxy(() => home);
});
