/** What a Pod without credentials gets at every port of manifests/install and manifests/frps (docs/guide/security.md). */
import assert from 'node:assert/strict';
import { before, suite, test } from 'node:test';
import { installed, system, testNamespace } from '../support/cluster.ts';
import { apply, items } from '../support/kubectl.ts';
import { httpService } from '../support/objects.ts';
import { asked, problemsOf } from '../support/strangers.ts';

suite('a Pod without credentials', () => {
  const ns = 'frp-test-private';
  const secretName = 'salary-database';
  let address: Record<string, string> = {};
  before(async () => {
    await installed();
    await testNamespace(ns);
    await apply(httpService(ns, secretName, 'salary.example.com'));
    const pods = await items(system, 'pod');
    address = Object.fromEntries(pods.map(({ metadata, status }) => [String(metadata.labels.app), String(status.podIP)]));
  });

  test('learns no names from the webhooks, whatever it asks', async () => {
    const post = (path: string, review: object) => {
      const data = JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request: review });
      return asked(`https://${address['frp-webhook']}:8443${path}`, '-H', 'content-type: application/json', '-d', data);
    };
    const pod = { metadata: { annotations: { 'frp.io/group': 'web' } }, spec: { containers: [{ name: 'a' }] } };
    const review = { uid: 'u', operation: 'CREATE', namespace: ns, object: pod };
    const template = { spec: { template: pod } };
    for (const [path, request] of [
      ['/mutate/pods', review],
      ['/mutate/pods', { ...review, dryRun: true }],
      ['/validate/workloads', { ...review, object: { apiVersion: 'apps/v1', kind: 'Deployment', metadata: {}, ...template } }],
    ] as const) {
      const { status, text } = await post(path, request);
      assert.equal(status, '200', text);
      assert.doesNotMatch(text, /salary/);
    }
    assert.equal((await asked(`https://${address['frp-webhook']}:8443/`)).status, '404');
  });

  for (const part of ['frp-webhook', 'frp-controller', 'frp-server'] as const)
    test(`gets at each port of ${part} what the table says, and the table has every port`, async () => {
      assert.deepEqual(await problemsOf(part, /salary/), []);
    });
});
