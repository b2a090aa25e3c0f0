/** Certificates for users that cert-manager makes: by an authority of the namespace, and by ACME with challenges over http. */
import { after, before, suite, test } from 'node:test';
import assert from 'node:assert/strict';
import { createAuthority, type Authority } from '../../../certs/authority.ts';
import { ask, askTls, type TlsAnswer } from '../support/ask.ts';
import { certManager, isTrue, noCertManager, renewed } from '../support/cert-manager.ts';
import { conditionBecomes, fingerprint } from '../support/certificates.ts';
import { testNamespace } from '../support/cluster.ts';
import { copiesOf, gatewayInstalled, onlineAtBoth, usersAddress } from '../support/gateway.ts';
import { apply, get, gone, items, kubectl, rolledOut, tryApply, tryKubectl, type Json, type Manifest } from '../support/kubectl.ts';
import { deployment, service } from '../support/objects.ts';
import { nameserver, pebble, type Pebble } from '../support/pebble.ts';
import { eventually } from '../support/run.ts';

const ns = 'gateway-issuers';
const neighbours = 'gateway-issuers-two';
const shop = { host: 'shop.issuers.example.com' };
const acme = { host: 'acme.issuers.example.com' };

const web = (name: string, domain: string, tls: Json, namespace = ns, more: Json = {}): Manifest =>
  service(namespace, name, { serviceType: 'http', backends: { discovery: { mode: 'auto' } }, expose: { domain, tls }, ...more });
const issuer = (name: string, spec: Json): Manifest => ({
  apiVersion: 'cert-manager.io/v1',
  kind: 'Issuer',
  metadata: { name, namespace: ns },
  spec,
});
const says = (name: string, expected: RegExp, namespace = ns) => conditionBecomes(namespace, name, 'CertificatesReady', expected);
const readyIs = (name: string, expected: RegExp, namespace = ns) => conditionBecomes(namespace, name, 'Ready', expected);

suite('certificates for users, which cert-manager makes', () => {
  let address = '';
  let authority: Authority;
  let endCertManager: (() => Promise<void>) | undefined;
  let server: Pebble;
  const secure = (asked: { host: string }, ca: string): Promise<TlsAnswer> => askTls(address, asked, { ca });
  const presents = (asked: { host: string }, ca: string, expected: string): Promise<void> =>
    eventually(`the certificate for ${asked.host}`, async () => {
      const { status, certificate } = await secure(asked, ca);
      assert.deepEqual([status, certificate], [200, expected]);
    });

  before(async () => {
    await gatewayInstalled();
    await noCertManager();
    await testNamespace(ns);
    await testNamespace(neighbours);
    address = await usersAddress();
    authority = await createAuthority({ lifetimeMs: 86_400_000, now: Date.now() });
    server = await pebble(address);
    await apply(
      web('shop', shop.host, { issuerRef: { name: 'own' } }),
      deployment({ namespace: ns, name: 'shop', frp: { group: 'shop' } }),
    );
    await rolledOut(ns, 'shop');
    await onlineAtBoth(ns, 'shop', 1);
  });
  after(async () => {
    await endCertManager?.();
    await server?.end();
  });

  test('without cert-manager http serves, and the status says what is missing and what to do', async () => {
    await says('shop', /^CertManagerMissing: waiting for cert-manager: .*install cert-manager, or set spec\.expose\.tls\.secretName/);
    await readyIs('shop', /^CertManagerMissing/);
    assert.equal((await ask(address, shop)).status, 200);
  });

  test('with cert-manager its own words say what is waited for', async () => {
    endCertManager = await certManager(nameserver);
    await says('shop', /^Issuing: waiting for cert-manager: Issuer own has not issued .*Issuer.* not found/);
    const { spec } = await get(ns, 'certificate', 'frp-shop-https');
    assert.deepEqual(
      [spec.secretName, spec.dnsNames, spec.usages],
      ['frp-shop-https', [shop.host], ['digital signature', 'key encipherment', 'server auth']],
    );
    assert.equal((await ask(address, shop)).status, 200);
  });

  test('an Issuer of the namespace issues, and https is served', async () => {
    const data = { 'tls.crt': authority.certPem, 'tls.key': authority.keyPem };
    await apply(
      { apiVersion: 'v1', kind: 'Secret', type: 'kubernetes.io/tls', metadata: { name: 'own-ca', namespace: ns }, stringData: data },
      issuer('own', { ca: { secretName: 'own-ca' } }),
    );
    await says('shop', /^CertificatesProvisioned/);
    await presents(shop, authority.certPem, await fingerprint(ns, 'frp-shop-https'));
    await readyIs('shop', /^Serving/);
    assert.equal(String((await get(ns, 'distributedservice', 'shop')).status.externalEndpoint), `https://${shop.host}/`);
  });

  test('a renewal is presented without a restart', async () => {
    const before = await fingerprint(ns, 'frp-shop-https');
    await renewed(ns, 'frp-shop-https');
    const next = await fingerprint(ns, 'frp-shop-https');
    assert.notEqual(next, before);
    await presents(shop, authority.certPem, next);
  });

  test('the issuer of client certificates, and one of the cluster that nobody lists, are refused at admission', async () => {
    const refused = async (issuerRef: Json): Promise<string> => {
      const { code, stderr } = await tryApply([web('thief', 'thief.issuers.example.com', { issuerRef })]);
      assert.notEqual(code, 0);
      return stderr;
    };
    assert.match(await refused({ name: 'frp-ca-issuer', kind: 'ClusterIssuer' }), /issues the client certificates of tunnels/);
    assert.match(await refused({ name: 'company', kind: 'ClusterIssuer' }), /add it to certificates\.usersIssuers/);
  });

  test('by policy too: whoever has the controller’s rights gets no Certificate of that issuer, nor for clients', async () => {
    const { uid } = (await get(ns, 'distributedservice', 'shop')).metadata;
    const labels = { 'app.kubernetes.io/managed-by': 'frp-k8s' };
    const ownerReferences = [{ apiVersion: 'frp.io/v1beta1', kind: 'DistributedService', name: 'shop', uid }];
    const { spec } = await get(ns, 'certificate', 'frp-shop-https');
    const attempt = async (changes: Json): Promise<string> => {
      const object = {
        apiVersion: 'cert-manager.io/v1',
        kind: 'Certificate',
        metadata: { name: 'frp-shop-https', namespace: ns, labels, ownerReferences },
        spec: { ...spec, ...changes },
      };
      const as = ['--as', 'system:serviceaccount:frp-system:frp-controller'];
      return (await tryApply([object], '--server-side', '--force-conflicts', '--dry-run=server', ...as)).stderr;
    };
    assert.doesNotMatch(await attempt({}), /denied|forbidden/i);
    assert.match(await attempt({ issuerRef: { name: 'frp-ca-issuer', kind: 'ClusterIssuer' } }), /never of ClusterIssuer frp-ca-issuer/);
    assert.match(await attempt({ usages: ['client auth'] }), /only for certificates of servers/);
  });

  suite('by ACME', () => {
    const accounts = { privateKeySecretRef: { name: 'acme-account' }, solvers: [{ http01: { ingress: { ingressClassName: 'none' } } }] };

    test('from the apply of the service to https that Pebble’s authority vouches for, beside redirect and authentication', async () => {
      const caBundle = Buffer.from(server.serverCa).toString('base64');
      await apply(issuer('acme', { acme: { server: server.url, caBundle, ...accounts } }), {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: 'keys', namespace: ns, labels: { 'frp.io/use': 'true' } },
        stringData: { me: 'secret-key' },
      });
      await isTrue('issuer', 'acme', 'Ready', ns);
      const security = { authentication: { type: 'apikey', tokenSecret: 'keys' } };
      await apply(
        web('acme', acme.host, { issuerRef: { name: 'acme' }, redirect: true }, ns, { security }),
        deployment({ namespace: ns, name: 'acme', frp: { group: 'acme' } }),
      );
      await rolledOut(ns, 'acme');
      await says('acme', /^CertificatesProvisioned/);
      const answer = await eventually('https', () =>
        askTls(address, { ...acme, headers: { 'x-api-key': 'secret-key' } }, { ca: server.rootCa }),
      );
      assert.equal(answer.status, 200);
      assert.match(answer.pod, /^acme-/);
      assert.equal((await ask(address, acme)).status, 308);
      assert.equal((await secure(acme, server.rootCa)).status, 401);
    });

    test('answers are gone with their challenges; other requests to that path see no protected app', async () => {
      await eventually('no answers', async () => assert.deepEqual(await copiesOf(`${ns}/acme`), []));
      const { status } = await ask(address, { ...acme, path: '/.well-known/acme-challenge/unknown' });
      assert.equal(status, 404);
    });

    test('a challenge in another namespace than that of the host’s service is not answered', async () => {
      const spec = (key: string) => ({
        url: 'https://none.invalid/1',
        authorizationURL: 'https://none.invalid/2',
        dnsName: shop.host,
        type: 'HTTP-01',
        token: 'tok-en_1',
        key,
        solver: {},
        issuerRef: { name: 'none' },
      });
      const challenge = (namespace: string, key: string): Manifest => ({
        apiVersion: 'acme.cert-manager.io/v1',
        kind: 'Challenge',
        metadata: { name: 'by-hand', namespace },
        spec: spec(key),
      });
      await apply(web('thief', shop.host.replace('shop', 'thief'), {}, neighbours), challenge(neighbours, 'tok-en_1.theirs'));
      await apply(challenge(ns, 'tok-en_1.ours'));
      await eventually('the answer', async () => {
        const { status, body } = await ask(address, { ...shop, path: '/.well-known/acme-challenge/tok-en_1' });
        assert.deepEqual([status, body], [200, 'tok-en_1.ours']);
      });
      await kubectl('-n', ns, 'delete', 'challenges.acme.cert-manager.io', 'by-hand');
      await eventually('the app again', async () =>
        assert.match((await ask(address, { ...shop, path: '/.well-known/acme-challenge/tok-en_1' })).pod, /^shop-/),
      );
      await kubectl('-n', neighbours, 'delete', 'challenges.acme.cert-manager.io', 'by-hand');
    });
  });

  test('without issuerRef the Certificate goes; with the service all of it', async () => {
    await apply(web('shop', shop.host, {}));
    await gone(ns, 'certificate', 'frp-shop-https');
    await eventually('no copy', async () => assert.deepEqual(await copiesOf(`${ns}/frp-shop-https`), []));
    await kubectl('-n', ns, 'delete', 'distributedservice', 'acme', '--timeout=60s');
    await gone(ns, 'certificate', 'frp-acme-https');
    assert.deepEqual(await items(ns, 'certificate'), []);
    await tryKubectl('-n', ns, 'delete', 'distributedservice', 'shop', '--timeout=60s');
  });
});
