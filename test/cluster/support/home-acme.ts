/** A certificate for users of a home cluster's service, from ACME: the challenge comes to the VPS, and all else is at home. */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { ask, askTls } from './ask.ts';
import { certManager, isTrue, noCertManager } from './cert-manager.ts';
import { conditionBecomes, fingerprint } from './certificates.ts';
import type { HomeCluster } from './home-cluster.ts';
import { apply, kubectl } from './kubectl.ts';
import { service } from './objects.ts';
import { nameserver, pebble, type Pebble } from './pebble.ts';
import { eventually } from './run.ts';
import { vpsAddress } from './vps.ts';

const acme = { host: 'acme.home.example.com' };
/** Where an ACME server and browsers look; the gateway, without rights, has others. */
const ports = { 80: 8080, 443: 8443 };

export function acmeAtHome(home: () => HomeCluster): void {
  suite('a certificate for users by ACME', () => {
    let server: Pebble;
    let endCertManager: (() => Promise<void>) | undefined;

    before(async () => {
      await home().vps.redirect(ports);
      [server] = await Promise.all([pebble(vpsAddress), noCertManager()]);
      endCertManager = await certManager(nameserver);
    });
    after(async () => {
      await endCertManager?.();
      await server?.end();
    });

    test('the challenge is answered at the VPS, and the certificate that is made at home serves there', async () => {
      const caBundle = Buffer.from(server.serverCa).toString('base64');
      await apply({
        apiVersion: 'cert-manager.io/v1',
        kind: 'Issuer',
        metadata: { name: 'acme', namespace: 'shop' },
        spec: {
          acme: {
            server: server.url,
            caBundle,
            privateKeySecretRef: { name: 'acme-account' },
            solvers: [{ http01: { ingress: { ingressClassName: 'none' } } }],
          },
        },
      });
      await isTrue('issuer', 'acme', 'Ready', 'shop');
      const expose = { domain: acme.host, tls: { issuerRef: { name: 'acme' }, redirect: true } };
      const backends = { discovery: { mode: 'auto' } };
      await apply(service('shop', 'acme', { serviceType: 'http', backends, expose }));
      await conditionBecomes('shop', 'acme', 'CertificatesReady', /^CertificatesProvisioned/);
      const expected = await fingerprint('shop', 'frp-acme-https');
      const { status, certificate } = await eventually('https', () => askTls(vpsAddress, acme, { ca: server.rootCa }));
      // Nobody is a member of it.
      assert.deepEqual([status, certificate], [503, expected]);
      assert.equal((await ask(vpsAddress, acme)).status, 308);
    });

    test('without the service its certificate is gone from the gateway', async () => {
      await kubectl('-n', 'shop', 'delete', 'distributedservice', 'acme', '--timeout=60s');
      await eventually('no certificate', async () =>
        assert.notEqual((await askTls(vpsAddress, acme, { ca: server.rootCa }).catch(() => undefined))?.status, 503),
      );
    });
  });
}
