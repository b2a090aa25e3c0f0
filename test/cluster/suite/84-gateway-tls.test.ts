/** Secrets of users at the gateway: certificates that it presents, and authorities whose client certificates it takes. */
import { before, suite, test } from 'node:test';
import assert from 'node:assert/strict';
import { Agent } from 'node:https';
import { connect } from 'node:tls';
import { createAuthority, issue, type Authority } from '../../../certs/authority.ts';
import { ask, askTls, type TlsAnswer } from '../support/ask.ts';
import { certificatesReadyBecomes, clientPair, conditionBecomes, fingerprintOf } from '../support/certificates.ts';
import { testNamespace } from '../support/cluster.ts';
import { copiesOf, gatewayInstalled, onlineAtBoth, replicaAddress, users, usersAddress } from '../support/gateway.ts';
import { apply, get, items, kubectl, rolledOut, scale, type Json, type Manifest } from '../support/kubectl.ts';
import { deployment, service } from '../support/objects.ts';
import { eventually } from '../support/run.ts';
import { allowedSecret } from '../support/samples.ts';
import { servedBy } from '../support/traffic.ts';

type Pair = Record<string, string>;
const validity = { lifetimeMs: 86_400_000, now: Date.now() };

const forbidden = (secret: Manifest): Manifest => ({ ...secret, metadata: { ...secret.metadata, labels: {} } });
const allow = (namespace: string, secret: string) => kubectl('-n', namespace, 'label', 'secret', secret, 'frp.io/use=true');
const http = (namespace: string, name: string, domain: string, more: Json): Manifest =>
  service(namespace, name, { serviceType: 'http', backends: { discovery: { mode: 'auto' } }, ...more, expose: { domain, ...more.expose } });

suite('TLS of users ends at the gateway', () => {
  const ns = 'gateway-tls';
  const shop = { host: 'shop.tls.example.com' };
  const other = { host: 'other.tls.example.com' };
  let address = '';
  let authority: Authority;
  let pairs: Pair[];

  const serverPair = async (host: string): Promise<Pair> => {
    const { certPem, keyPem } = await issue(authority, { commonName: host, dnsNames: [host], usages: ['serverAuth'], ...validity });
    return { 'tls.crt': certPem, 'tls.key': keyPem };
  };
  const fingerprint = (pair: Pair): string => fingerprintOf(pair['tls.crt']!);
  const secure = (asked: { host: string; path?: string }, more: { agent?: Agent } = {}): Promise<TlsAnswer> =>
    askTls(address, asked, { ca: authority.certPem, ...more });
  const atReplica = async (ordinal: number): Promise<TlsAnswer> =>
    askTls(await replicaAddress(ordinal), shop, { ca: authority.certPem, port: 8443 });

  before(async () => {
    await gatewayInstalled();
    await testNamespace(ns);
    authority = await createAuthority(validity);
    pairs = [await serverPair(shop.host), await serverPair(shop.host), await serverPair(other.host)];
    await apply(
      forbidden(allowedSecret(ns, 'shop-cert', pairs[0]!)),
      allowedSecret(ns, 'other-cert', pairs[2]!),
      http(ns, 'shop', shop.host, { expose: { tls: { secretName: 'shop-cert', redirect: true } } }),
      http(ns, 'other', other.host, { expose: { tls: { secretName: 'other-cert' } } }),
      deployment({ namespace: ns, name: 'shop', frp: { group: 'shop' } }),
      deployment({ namespace: ns, name: 'other', frp: { group: 'other' } }),
    );
    await Promise.all(['shop', 'other'].map((name) => rolledOut(ns, name)));
    await Promise.all(['shop', 'other'].map((name) => onlineAtBoth(ns, name, 1)));
    address = await usersAddress();
  });

  const bothPresent = async (pair: Pair): Promise<void> => {
    for (const ordinal of [0, 1])
      await eventually(`the certificate at replica ${ordinal}`, async () =>
        assert.equal((await atReplica(ordinal)).certificate, fingerprint(pair)),
      );
  };
  const isNotServed = async (): Promise<void> => {
    for (const ordinal of [0, 1])
      await eventually(`no certificate for the host at replica ${ordinal}`, () => assert.rejects(atReplica(ordinal)));
    // What asks for TLS is never answered without.
    assert.equal((await ask(address, shop)).status, 308);
    await eventually('https of the other host', async () => assert.equal((await secure(other)).status, 200));
  };

  test('a Secret without the label is not copied, and the condition tells how to allow it', async () => {
    await conditionBecomes(
      ns,
      'shop',
      'CertificatesReady',
      /^SecretMissing: Secret gateway-tls\/shop-cert \(spec\.expose\.tls\.secretName\) .* kubectl -n gateway-tls label secret shop-cert frp\.io\/use=true$/,
    );
    assert.deepEqual(await copiesOf(`${ns}/shop-cert`), []);
    assert.deepEqual(await copiesOf(`${ns}/other-cert`), ['tls']);
    await isNotServed();
  });

  test('with the label it is copied, and each host has its own certificate', async () => {
    await allow(ns, 'shop-cert');
    await bothPresent(pairs[0]!);
    assert.match((await secure(shop)).pod, /^shop-/);
    await conditionBecomes(ns, 'shop', 'CertificatesReady', /^Certificate(sProvisioned|ExpiresSoon):/);
    assert.deepEqual(await copiesOf(`${ns}/shop-cert`), ['tls']);
    const { certificate, body, pod } = await secure(other);
    assert.equal(certificate, fingerprint(pairs[2]!));
    assert.match(pod, /^other-/);
    assert.match(body, /^header X-Forwarded-Proto: https$/m);
  });

  test('http is redirected where the service says so, and only there', async () => {
    const { status, headers } = await ask(address, { ...shop, path: '/a?b=c' });
    assert.equal(status, 308);
    assert.equal(headers.location, 'https://shop.tls.example.com/a?b=c');
    assert.equal((await ask(address, other)).status, 200);
  });

  test('another certificate in the Secret is presented without a connection lost', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1, maxCachedSessions: 0 });
    try {
      const { connection } = await secure(shop, { agent });
      await apply(allowedSecret(ns, 'shop-cert', pairs[1]!));
      const presented = new Set<string | undefined>();
      for (const end = Date.now() + 90_000; presented.size !== 1 || !presented.has(fingerprint(pairs[1]!));) {
        assert.ok(Date.now() < end, `presented: ${[...presented].join()}`);
        presented.clear();
        // Whichever certificate it has meanwhile, each of them is answered.
        const answers = [await secure(shop, { agent }), await secure(shop), await atReplica(0), await atReplica(1)];
        assert.deepEqual(
          answers.map(({ status }) => status),
          [200, 200, 200, 200],
        );
        assert.equal(answers[0]!.connection, connection, 'the connection was lost');
        for (const { certificate } of answers.slice(1)) presented.add(certificate);
      }
    } finally {
      agent.destroy();
    }
  });

  test('when the Secret is deleted, its copy and the certificate are gone', async () => {
    await kubectl('-n', ns, 'delete', 'secret', 'shop-cert');
    await conditionBecomes(ns, 'shop', 'CertificatesReady', /^SecretMissing:/);
    await eventually('no copy', async () => assert.deepEqual(await copiesOf(`${ns}/shop-cert`), []));
    await isNotServed();
  });
});

suite('sidecars with certificates of an authority of the user', () => {
  const ns = 'gateway-mtls';
  const host = 'edge.mtls.example.com';
  const ca = `${ns}/own-ca`;
  let authority: Authority;
  let own: Pair;

  /** Whether a replica takes the certificate. With TLS 1.2 the client's handshake ends after the server's verdict. */
  const takes = async (ordinal: number, pair: Pair): Promise<boolean> => {
    const to = { host: await replicaAddress(ordinal), port: 7000, rejectUnauthorized: false, maxVersion: 'TLSv1.2' } as const;
    return new Promise((resolve) => {
      const socket = connect({ ...to, cert: pair['tls.crt']!, key: pair['tls.key']! }, () => resolve(true));
      socket.on('error', () => resolve(false)).on('close', () => resolve(false));
      socket.once('secureConnect', () => socket.destroy());
    });
  };
  const bothTake = async (pair: Pair, expected: boolean): Promise<void> => {
    for (const ordinal of [0, 1])
      await eventually(`replica ${ordinal} ${expected ? 'takes' : 'refuses'} it`, async () =>
        assert.equal(await takes(ordinal, pair), expected),
      );
  };
  const theCa = (): Manifest => allowedSecret(ns, 'own-ca', { 'ca.crt': authority.certPem });
  const newestPod = async (): Promise<string> => {
    const pods = await items(ns, 'pod', '-l', 'app=edge');
    return String(pods.sort((a, b) => (a.metadata.creationTimestamp < b.metadata.creationTimestamp ? 1 : -1))[0].metadata.name);
  };
  const isRefused = (pod: string): Promise<void> =>
    eventually(`${pod} is refused`, async () => {
      const log = await kubectl('-n', ns, 'logs', pod, '-c', 'frpc');
      assert.match(log, /connect to server error/);
      assert.doesNotMatch(log, /login to server success/);
    });

  before(async () => {
    await gatewayInstalled();
    await testNamespace(ns);
    authority = await createAuthority(validity);
    own = await clientPair(authority);
    const mtls = { enabled: true, mode: 'manual', caSecret: 'own-ca', certSecret: 'own-cert' };
    await apply(
      forbidden(theCa()),
      allowedSecret(ns, 'own-cert', own),
      http(ns, 'edge', host, { security: { mtls } }),
      deployment({ namespace: ns, name: 'edge', frp: { group: 'edge' } }),
    );
    await rolledOut(ns, 'edge');
  });

  test('are turned away while the authority has no label: it is not copied, and the condition tells', async () => {
    await certificatesReadyBecomes(
      ns,
      'edge',
      /^SecretNotLabelled: Secret gateway-mtls\/own-ca .* kubectl -n gateway-mtls label secret own-ca frp\.io\/use=true$/,
    );
    await isRefused(await newestPod());
    assert.deepEqual(await copiesOf(ca), []);
    await bothTake(own, false);
  });

  test('join both replicas when it has one', async () => {
    await allow(ns, 'own-ca');
    await certificatesReadyBecomes(ns, 'edge', /^Certificate(sProvisioned|ExpiresSoon):/);
    await eventually('the copy', async () => assert.deepEqual(await copiesOf(ca), ['client-ca']));
    await onlineAtBoth(ns, 'edge', 1);
    await servedBy(host, 1, users);
    await bothTake(own, true);
    await bothTake(await clientPair(await createAuthority(validity)), false);
  });

  test('are refused when the Secret is gone; tunnels that are open stay, and so do all others', async () => {
    const [before] = await servedBy(host, 1, users);
    await kubectl('-n', ns, 'delete', 'secret', 'own-ca');
    await certificatesReadyBecomes(ns, 'edge', /^SecretMissing: Secret gateway-mtls\/own-ca/);
    await eventually('no copy', async () => assert.deepEqual(await copiesOf(ca), []));
    await bothTake(own, false);
    await scale(ns, 'edge', 2);
    await rolledOut(ns, 'edge');
    await isRefused(await newestPod());
    assert.deepEqual(await servedBy(host, 1, users), [before]);
    const { data } = await get(ns, 'secret', 'frp-edge-tls');
    const issued = Object.fromEntries(['tls.crt', 'tls.key'].map((key) => [key, Buffer.from(String(data[key]), 'base64').toString()]));
    await bothTake(issued, true);
  });

  test('join again when it is back', async () => {
    await apply(theCa());
    await onlineAtBoth(ns, 'edge', 2);
    await servedBy(host, 2, users);
  });
});
