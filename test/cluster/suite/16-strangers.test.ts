/** What a Pod without credentials gets at every port of the installation (docs/guide/security.md has the table). */
import assert from 'node:assert/strict';
import { before, suite, test } from 'node:test';
import { clientNamespace, installed, system, testNamespace } from '../support/cluster.ts';
import { apply, items, tryKubectl } from '../support/kubectl.ts';
import { httpService } from '../support/objects.ts';

/** Status and body, or 000 and curl's own words where no HTTP was spoken. */
async function asked(url: string, ...options: string[]): Promise<{ status: string; text: string }> {
  const command = ['curl', '-sSk', '--max-time', '10', '-w', '\n%{http_code}', ...options, url];
  const { stdout, stderr } = await tryKubectl('-n', clientNamespace, 'exec', 'client', '--', ...command);
  const lines = stdout.trimEnd().split('\n');
  return { status: lines.pop() ?? '', text: lines.join('\n') + stderr };
}

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

  test('gets at each port what the table says', async () => {
    const rows: [part: string, url: string, status: string, not?: RegExp][] = [
      ['webhooks, health', `http://${address['frp-webhook']}:8080/healthz`, '200', /salary/],
      ['webhooks, readiness', `http://${address['frp-webhook']}:8080/readyz`, '200', /salary/],
      ['webhooks, metrics', `http://${address['frp-webhook']}:8080/metrics`, '200', /salary/],
      ['controller, health', `http://${address['frp-controller']}:8080/healthz`, '200', /salary/],
      ['controller, anything else', `http://${address['frp-controller']}:8080/api`, '404', /salary/],
      ['frp server, tunnels', `https://${address['frp-server']}:7000/`, '000', /salary/],
      ['frp server, its API', `http://${address['frp-server']}:7500/api/proxy/http`, '401', /salary/],
      ['frp server, an unknown host', `http://${address['frp-server']}:8080/`, '404', /salary/],
    ];
    const wrong: string[] = [];
    for (const [part, url, status, not] of rows) {
      const answer = await asked(url);
      if (answer.status !== status || not?.test(answer.text)) wrong.push(`${part}: ${answer.status} ${answer.text.slice(0, 200)}`);
    }
    assert.deepEqual(wrong, []);
  });
});
