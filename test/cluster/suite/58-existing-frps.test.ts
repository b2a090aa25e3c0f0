/** An frps that was there before, with a token and a certificate of its own making: sidecars and connectors join it. */
import { after, before, suite, test } from 'node:test';
import assert from 'node:assert/strict';
import { installed, system, testNamespace } from '../support/cluster.ts';
import { conditionOf, foreign, statusOf } from '../support/controller.ts';
import { apply, get, items, kubectl, rolledOut, type Manifest } from '../support/kubectl.ts';
import { deployment, httpService, pod, service } from '../support/objects.ts';
import { eventually } from '../support/run.ts';
import { withSettings } from '../support/settings.ts';
import { theirAddress, theirConfiguration, theirs, theirServer } from '../support/their-frps.ts';
import { requests, servedBy } from '../support/traffic.ts';

const ns = 'frp-test-existing';
const via = `${theirAddress}:8080`;

const configuration = (token: string, api: object): Manifest =>
  theirConfiguration(token, {
    auth: { token, additionalScopes: ['HeartBeats'] },
    webServer: { addr: '0.0.0.0', port: 7500, ...api },
  });

const tokenSecret = (token: string): Manifest => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name: 'their-token', namespace: system, labels: { 'frp.io/use': 'true' } },
  stringData: { token },
});

const first = 'the token of the club';
const second = 'the token of next year';

suite('an frps that was there before', { skip: foreign }, () => {
  let restore: () => Promise<void> = async () => {};
  let api: object;

  before(async () => {
    await installed();
    await Promise.all([testNamespace(theirs), testNamespace(ns)]);
    const { data } = await get(system, 'secret', 'frp-server-api');
    const plain = (key: string) => Buffer.from(String(data[key]), 'base64').toString();
    api = { user: plain('user'), password: plain('password') };
    await apply(configuration(first, api), ...theirServer());
    await rolledOut(theirs, 'frps');
    restore = await withSettings({
      frps: {
        address: theirAddress,
        auth: { tokenSecret: 'their-token', additionalScopes: ['HeartBeats'] },
        tls: 'unverified',
        user: 'this-cluster',
        api: { url: `http://${theirAddress}:7500` },
      },
    });
  });
  after(async () => {
    await kubectl('delete', 'namespace', ns, theirs, '--timeout=120s');
    await kubectl('-n', system, 'delete', 'secret', 'their-token', '--ignore-not-found');
    await restore();
  });

  test('the status names the Secret with the token while it is not there, and the app runs without its tunnel', async () => {
    await apply(
      httpService(ns, 'web', 'web.existing.test'),
      deployment({ namespace: ns, name: 'web', replicas: 2, frp: { group: 'web' } }),
    );
    await rolledOut(ns, 'web');
    await eventually('the condition', async () => {
      const { status, reason, message } = conditionOf(await statusOf(ns, 'web'), 'CertificatesReady') as Record<string, string>;
      assert.deepEqual([status, reason], ['False', 'SecretMissing']);
      assert.match(message!, /^Secret frp-system\/their-token \(frps\.auth\.tokenSecret\) is not there .*; create it/);
    });
  });

  test('with the token Pods and connectors share the users, and the status says what the server does not give', async () => {
    await apply(tokenSecret(first), pod({ namespace: ns, name: 'bare' }));
    await kubectl('-n', ns, 'wait', '--for=condition=Ready', 'pod/bare', '--timeout=60s');
    const { podIP } = (await get(ns, 'pod', 'bare')).status as { podIP: string };
    const backends = { endpoints: [{ host: podIP, port: 8080 }] };
    await apply(service(ns, 'listed', { serviceType: 'http', backends, expose: { domain: 'listed.existing.test' } }));
    await servedBy('web.existing.test', 2, via);
    assert.deepEqual(await servedBy('listed.existing.test', 1, via), ['bare']);
    await eventually('both are Ready', async () => {
      for (const name of ['web', 'listed']) {
        const status = await statusOf(ns, name);
        assert.equal(conditionOf(status, 'Ready').status, 'True', name);
        assert.match(String(conditionOf(status, 'CertificatesReady').message), /certificate is not verified \(frps\.tls: unverified\)/);
      }
    });
  });

  test('the token is in no annotation, log or Event', async () => {
    const said = await Promise.all([
      kubectl('-n', ns, 'get', 'pods,events,distributedservices,configmaps', '-o', 'json'),
      kubectl('-n', ns, 'logs', 'deployment/web', '-c', 'frpc'),
      kubectl('-n', system, 'logs', 'deployment/frp-controller', '--tail=-1'),
    ]);
    assert.ok(!said.join('\n').includes(first));
  });

  test('another token reaches the Pods that run, and nobody restarts them', async () => {
    const uids = async () =>
      ((await items(ns, 'pod', '-l', 'app=web')) as { metadata: { uid: string } }[]).map(({ metadata }) => metadata.uid).sort();
    const before = await uids();
    await apply(configuration(second, api), tokenSecret(second));
    await kubectl('-n', theirs, 'rollout', 'restart', 'deployment/frps');
    await rolledOut(theirs, 'frps');
    await eventually('they serve again', () => requests('web.existing.test', 6, '/', via), 150);
    assert.deepEqual(await uids(), before);
  });
});
