/** With cert-manager's own controllers: client certificates of mode external, and the webhooks' certificate. */
import { after, before, suite, test } from 'node:test';
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { certManager, clusterIssuer, noCertManager, renewed } from '../support/cert-manager.ts';
import { certificatesReadyBecomes, fingerprint, fingerprintOf, servingCertificates } from '../support/certificates.ts';
import { caBundles, install, installation, installed, reachable, root, system, testNamespace } from '../support/cluster.ts';
import { apply, get, gone, items, kubectl, rolledOut, tryApply, tryKubectl, type Json, type Manifest } from '../support/kubectl.ts';
import { deployment, httpService, service } from '../support/objects.ts';
import { eventually } from '../support/run.ts';
import { servedBy } from '../support/traffic.ts';

const ns = 'cert-manager-clients';
const host = 'external.cert-manager.example.com';
const external = (mode: string): Manifest =>
  service(ns, 'external', {
    serviceType: 'http',
    backends: { discovery: { mode: 'auto' } },
    expose: { domain: host },
    security: { mtls: { enabled: true, mode } },
  });
const becomes = (expected: RegExp) => certificatesReadyBecomes(ns, 'external', expected);

/** The client certificate that the sidecar of the only Pod of `app` presents. */
async function inSidecar(app: string): Promise<string> {
  const running = (await items(ns, 'pod', '-l', `app=${app}`)).filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  assert.equal(running.length, 1);
  return fingerprintOf(
    await kubectl('-n', ns, 'exec', String(running[0].metadata.name), '-c', 'frpc', '--', 'cat', '/etc/frp/certs/tls.crt'),
  );
}

suite('cert-manager', () => {
  let end: (() => Promise<void>) | undefined;
  before(async () => {
    await installed();
    await noCertManager();
    await testNamespace(ns);
    await apply(external('external'));
    await becomes(/^CertManagerMissing: .*install cert-manager/);
    end = await certManager();
  });
  after(() => end?.());

  test('is waited for, and its issuer named, until it has issued', async () => {
    await becomes(/^Issuing: Certificate cert-manager-clients\/frp-external has not been issued yet by ClusterIssuer frp-ca-issuer/);
    const { spec } = await get(ns, 'certificate', 'frp-external');
    assert.deepEqual([spec.secretName, spec.duration, spec.renewBefore], ['frp-external-external-tls', '720h0m0s', '168h0m0s']);
    await clusterIssuer();
    await becomes(/^CertificatesProvisioned/);
  });

  test('makes the certificate with which a Pod joins and serves', async () => {
    await apply(deployment({ namespace: ns, name: 'external', frp: { group: 'external' } }));
    await rolledOut(ns, 'external');
    await servedBy(host, 1);
    assert.equal(await inSidecar('external'), await fingerprint(ns, 'frp-external-external-tls'));
  });

  test('renews it: the next Pod serves with the new one', async () => {
    const before = await fingerprint(ns, 'frp-external-external-tls');
    await renewed(ns, 'frp-external');
    const next = await fingerprint(ns, 'frp-external-external-tls');
    assert.notEqual(next, before);
    await kubectl('-n', ns, 'delete', 'pod', '-l', 'app=external');
    await rolledOut(ns, 'external');
    await servedBy(host, 1);
    assert.equal(await inSidecar('external'), next);
    await becomes(/^CertificatesProvisioned/);
  });

  test('loses the Certificate of a service that leaves mode external, and gets it back when it returns', async () => {
    await apply(external('auto'));
    await gone(ns, 'certificate', 'frp-external');
    await becomes(/^CertificatesProvisioned/);
    await apply(external('external'));
    await eventually('the Certificate', () => get(ns, 'certificate', 'frp-external'));
    await becomes(/^CertificatesProvisioned/);
  });

  test('keeps what is not the controller’s: its rights end at its own Certificates', async () => {
    const as = ['--as', `system:serviceaccount:${system}:frp-controller`];
    const other = { apiVersion: 'cert-manager.io/v1', kind: 'Certificate', metadata: { name: 'frp-theirs', namespace: ns }, spec: {} };
    const theirs = { ...other, spec: { secretName: 'theirs', dnsNames: ['a.example.com'], issuerRef: { name: 'none' } } };
    await apply(theirs);
    const { code, stderr } = await tryKubectl(...as, '-n', ns, 'delete', 'certificate', 'frp-theirs');
    assert.notEqual(code, 0);
    assert.match(stderr, /and such Certificates; this one belongs to somebody else/);
  });

  test('certificates go with their service, and all of them are revoked', async () => {
    const own = await fingerprint(ns, 'frp-external-tls');
    const theirs = await fingerprint(ns, 'frp-external-external-tls');
    await kubectl('-n', ns, 'delete', 'distributedservice', 'external', '--timeout=60s');
    await gone(ns, 'certificate', 'frp-external');
    const { data } = await get(system, 'configmap', 'frp-revoked');
    for (const each of [own, theirs]) assert.ok(Object.keys(data as object).includes(each), each);
  });

  suite('for the webhooks', () => {
    const isServed = (expected: string) =>
      eventually(
        'the certificate at every replica',
        async () => {
          const served = await servingCertificates();
          assert.deepEqual([...new Set(served)], [expected]);
        },
        180,
      );

    before(async () => {
      await kubectl('apply', '-k', overlay());
      await rolledOut(system, 'frp-webhook');
      await reachable();
    });
    after(async () => {
      await install();
      await rolledOut(system, 'frp-webhook');
      await reachable();
      await kubectl('-n', system, 'delete', 'certificate,issuer', '--all');
      await kubectl('-n', system, 'delete', 'secret', 'frp-webhook-tls', 'frp-webhook-ca', '--ignore-not-found');
    });

    test('is read from files, and its authority is written by cainjector alone', async () => {
      const { data } = await get(system, 'secret', 'frp-webhook-tls');
      await eventually('the authority at every webhook', async () => assert.deepEqual([...(await caBundles())], [data['ca.crt']]));
      await isServed(await fingerprint(system, 'frp-webhook-tls'));
      const own = await get(system, 'secret', 'frp-webhook-authority');
      assert.notEqual(own.data['tls.crt'], data['ca.crt']);
    });

    test('is taken anew when it is renewed, without a restart and without a review that fails', async () => {
      let done = false;
      const reviews = async (): Promise<number> => {
        let count = 0;
        for (; !done; count++) {
          const { code, stderr } = await tryApply([httpService('default', 'renewal', 'renewal.example.com')], '--dry-run=server');
          assert.equal(code, 0, stderr);
        }
        return count;
      };
      const before = await caBundles();
      const running = reviews();
      const renewal = async () => {
        const old = await fingerprint(system, 'frp-webhook-tls');
        await renewed(system, 'frp-webhook');
        const next = await fingerprint(system, 'frp-webhook-tls');
        assert.notEqual(next, old);
        await isServed(next);
      };
      const [count] = await Promise.all([running, renewal().finally(() => (done = true))]);
      assert.ok(count > 0);
      assert.deepEqual(await caBundles(), before);
      const pods = await items(system, 'pod', '-l', 'app=frp-webhook');
      assert.ok(pods.every(({ status }) => (status.containerStatuses as Json[]).every(({ restartCount }) => restartCount === 0)));
    });
  });
});

/** manifests/cert-manager, or, with another image, the component over the overlay of that image. */
function overlay(): string {
  const base = installation();
  if (base === join(root, 'manifests/install')) return join(root, 'manifests/cert-manager');
  const folder = join(root, 'artifacts/overlay-cert-manager');
  mkdirSync(folder, { recursive: true });
  cpSync(join(root, 'manifests/install/overlays/cert-manager'), join(folder, 'component'), { recursive: true });
  writeFileSync(join(folder, 'kustomization.yaml'), JSON.stringify({ resources: ['../overlay'], components: ['component'] }));
  return folder;
}
