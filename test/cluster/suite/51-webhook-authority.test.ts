/** How the webhooks come by the authority that the API server trusts, and keep it. */
import { before, suite, test } from 'node:test';
import assert from 'node:assert/strict';
import { createAuthority } from '../../../certs/authority.ts';
import { splitBundle } from '../../../certs/inspect.ts';
import { servingCertificates } from '../support/certificates.ts';
import { caBundles, installed, reachable, system, webhookKinds } from '../support/cluster.ts';
import { apply, get, gone, kubectl, rolledOut, scale } from '../support/kubectl.ts';
import { eventually } from '../support/run.ts';

suite('the authority of the webhooks', () => {
  before(installed);

  test('replicas of the webhook that start at once on an empty cluster agree on one authority', async () => {
    const { data, type, metadata } = await get(system, 'secret', 'frp-webhook-authority');
    const { name, namespace, labels } = metadata;
    const stop = async (name: string) => {
      await scale(system, name, 0);
      await gone(system, 'pod', '-l', `app=${name}`);
    };
    await stop('frp-webhook');
    try {
      for (let round = 0; round < 2; round++) {
        await kubectl('-n', system, 'delete', 'secret', 'frp-webhook-authority');
        await scale(system, 'frp-webhook', 2);
        await rolledOut(system, 'frp-webhook');
        const made = (await get(system, 'secret', 'frp-webhook-authority')).data['tls.crt'] as string;
        assert.notEqual(made, data['tls.crt']);
        const ca = Buffer.from(made, 'base64').toString();
        assert.equal(splitBundle(ca).length, 1);
        assert.equal(new Set(await servingCertificates(ca)).size, 2);
        assert.deepEqual([...(await caBundles())], [made]);
        await stop('frp-webhook');
      }
    } finally {
      await kubectl('-n', system, 'delete', 'secret', 'frp-webhook-authority', '--ignore-not-found');
      await apply({ apiVersion: 'v1', kind: 'Secret', type, metadata: { name, namespace, labels }, data });
      await scale(system, 'frp-webhook', 2);
      await rolledOut(system, 'frp-webhook');
      await reachable();
    }
    assert.deepEqual([...(await caBundles())], [data['tls.crt']]);
  });

  test('a caBundle that a GitOps tool has reverted is healed', async () => {
    const before = await caBundles();
    assert.equal(before.size, 1);
    const { certPem } = await createAuthority({ lifetimeMs: 86_400_000, now: Date.now() });
    const path = '/webhooks/0/clientConfig/caBundle';
    const patch = [{ op: 'replace', path, value: Buffer.from(certPem).toString('base64') }];
    for (const kind of webhookKinds) await kubectl('patch', kind, 'frp-k8s', '--type=json', '-p', JSON.stringify(patch));
    await eventually('the bundle of before', async () => assert.deepEqual(await caBundles(), before), 20);
  });
});
