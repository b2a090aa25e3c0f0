/** `kubectl apply -k` as a user runs it, and what is there afterwards. */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { install, installation, installed, installServer, system, testNamespace, clientNamespace } from '../support/cluster.ts';
import { apply, get, items, kubectl, rolledOut, tryKubectl, type Json } from '../support/kubectl.ts';
import { deployment, httpService } from '../support/objects.ts';
import { servedBy, server } from '../support/traffic.ts';

test('the installation becomes ready, with its certificates, by itself', async () => {
  await install();
  await installServer();
  await installed();
  for (const pod of (await items(system, 'pod')).filter(({ metadata }) => metadata.deletionTimestamp === undefined)) {
    const [container] = pod.status.containerStatuses as Json[];
    assert.deepEqual([container.ready, container.restartCount], [true, 0], `${pod.metadata.name}: ready, and never restarted`);
  }
});

test('the namespace of the installation enforces Pod Security restricted', async () => {
  const { metadata } = await get('', 'namespace', system);
  assert.equal(metadata.labels['pod-security.kubernetes.io/enforce'], 'restricted');
});

test('applying the installation again changes nothing and keeps the caBundle', async () => {
  const bundle = async () => String((await get('', 'mutatingwebhookconfiguration', 'frp-k8s')).webhooks[0].clientConfig.caBundle);
  const before = await bundle();
  await kubectl('apply', '-k', installation());
  assert.equal(await bundle(), before);
  const { code, stdout, stderr } = await tryKubectl('diff', '-k', installation());
  assert.equal(code, 0, stdout + stderr);
});

test('one annotated Pod answers a request through the tunnel', async () => {
  const ns = await testNamespace('narrow-path');
  await apply(httpService(ns, 'hello', 'hello.example.com'), deployment({ namespace: ns, name: 'hello', frp: { group: 'hello' } }));
  await rolledOut(ns, 'hello');
  const [only] = await servedBy('hello.example.com', 1);
  assert.match(only!, /^hello-/);
});

test('the frp server refuses a client without a certificate', async () => {
  const { code, stderr } = await tryKubectl('-n', clientNamespace, 'exec', 'client', '--', 'curl', '-sS', '-k', `https://${server}:7000/`);
  assert.notEqual(code, 0);
  assert.match(stderr, /certificate required/);
});

test('the service accounts may do what they need and no more', async () => {
  const can = async (account: string, ...request: string[]): Promise<boolean> =>
    (await tryKubectl('auth', 'can-i', ...request, '--as', `system:serviceaccount:${system}:${account}`)).code === 0;
  const table: [string, boolean, ...string[]][] = [
    ['frp-webhook', true, 'watch', 'distributedservices.frp.io', '-A'],
    ['frp-webhook', true, 'patch', 'mutatingwebhookconfigurations/frp-k8s'],
    ['frp-webhook', true, 'patch', 'secret/frp-webhook-authority', '-n', system],
    ['frp-webhook', false, 'get', 'secret/frp-ca', '-n', system],
    ['frp-webhook', false, 'patch', 'mutatingwebhookconfigurations/other'],
    ['frp-webhook', false, 'get', 'secret/other', '-n', system],
    ['frp-webhook', false, 'get', 'secret/frp-webhook-authority', '-n', 'default'],
    ['frp-webhook', false, 'list', 'secrets', '-n', system],
    ['frp-webhook', false, 'update', 'distributedservices.frp.io', '-A'],
    ['frp-controller', true, 'create', 'secrets', '-A'],
    ['frp-controller', true, 'patch', 'distributedservices.frp.io', '--subresource=status', '-A'],
    ['frp-controller', true, 'delete', 'secrets', '-A'],
    ['frp-controller', true, 'create', 'events', '-A'],
    ['frp-controller', true, 'patch', 'lease/frp-controller', '-n', system],
    ['frp-controller', true, 'patch', 'configmap/frp-revoked', '-n', system],
    ['frp-controller', false, 'patch', 'clusterrole/cluster-admin'],
    ['frp-controller', false, 'update', 'distributedservices.frp.io', '-A'],
    ['frp-controller', false, 'create', 'pods', '-A'],
    ['frp-controller', false, 'create', 'pods', '--subresource=exec', '-A'],
    ['frp-controller', false, 'patch', 'mutatingwebhookconfigurations/frp-k8s'],
    ['frp-controller', false, 'create', 'clusterrolebindings'],
  ];
  const answers = await Promise.all(table.map(([account, , ...request]) => can(account, ...request)));
  assert.deepEqual(
    table.filter(([, expected], i) => expected !== answers[i]).map(([account, , ...request]) => `${account} ${request.join(' ')}`),
    [],
  );
});
