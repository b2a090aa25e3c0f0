/** Certificates of short lives under load, and those that somebody else makes. The long form is `npm run soak`. */
import { after, before, suite, test } from 'node:test';
import assert from 'node:assert/strict';
import { createAuthority } from '../../../certs/authority.ts';
import { parseCertificate, splitBundle } from '../../../certs/inspect.ts';
import { certificatesReadyBecomes, clientPair, fingerprint, fingerprintOf, servingCertificates } from '../support/certificates.ts';
import { installed, root, system, testNamespace } from '../support/cluster.ts';
import { apply, get, kubectl, rolledOut, scale, tryApply, type Json, type Manifest } from '../support/kubectl.ts';
import { deployment, httpService, pod, service } from '../support/objects.ts';
import { eventually, must, run } from '../support/run.ts';
import { restarted, withSettings } from '../support/settings.ts';
import { requests, servedBy } from '../support/traffic.ts';

const ns = 'certificates';
const day = 86_400_000;
/** Client and webhook certificates live 3 minutes, and are renewed when they are one minute old. */
const shortLives = { certificates: { lifetime: '3m', renewBefore: '2m' } };
const loadSeconds = 150;

const becomes = (name: string, expected: RegExp): Promise<void> => certificatesReadyBecomes(ns, name, expected);

const withMtls = (name: string, mtls: Json): Manifest =>
  service(ns, name, {
    serviceType: 'http',
    backends: { discovery: { mode: 'auto' } },
    expose: { domain: `${name}.certificates.example.com` },
    security: { mtls: { enabled: true, ...mtls } },
  });

const secret = (name: string, data: Record<string, string>, labels: Record<string, string> = { 'frp.io/use': 'true' }): Manifest => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name, namespace: ns, labels },
  stringData: data,
});

suite('certificates', () => {
  before(async () => {
    await installed();
    await testNamespace(ns);
  });

  suite('that live three minutes', () => {
    let restore: () => Promise<void>;
    before(async () => {
      restore = await withSettings(shortLives);
      await apply(
        httpService(ns, 'steady', 'steady.certificates.example.com'),
        deployment({ namespace: ns, name: 'steady', replicas: 2, frp: { group: 'steady' } }),
      );
      await rolledOut(ns, 'steady');
      await servedBy('steady.certificates.example.com', 2);
    });
    after(() => restore());

    test('are renewed under load without an error, and without a restart', async () => {
      const clients = new Set<string>();
      const servers = new Set<string>();
      let answered = 0;
      for (const end = Date.now() + loadSeconds * 1000; Date.now() < end;) {
        await requests('steady.certificates.example.com', 20);
        answered += 20;
        // The webhook's configuration says Fail: a certificate that the API server does not trust is an error here.
        const dry = await tryApply([pod({ namespace: ns, name: 'dry', frp: { group: 'steady' } })], '--dry-run=server');
        assert.equal(dry.code, 0, dry.stderr);
        clients.add(await fingerprint(ns, 'frp-steady-tls'));
        for (const served of await servingCertificates()) servers.add(served);
      }
      assert.ok(clients.size >= 3, `client certificates in use: ${clients.size}`);
      // Two replicas, each of which has renewed its own.
      assert.ok(servers.size >= 4, `webhook certificates in use: ${servers.size}`);
      assert.ok(answered > loadSeconds, `${answered} requests`);
      assert.deepEqual(await restarted(ns), []);
      assert.deepEqual(await restarted(system), []);
    });

    test('let a Pod join, and one whose connection was lost join again', async () => {
      await scale(ns, 'steady', 3);
      await rolledOut(ns, 'steady');
      await servedBy('steady.certificates.example.com', 3);
      await kubectl('-n', system, 'delete', 'pod', '-l', 'app=frp-server');
      await rolledOut(system, 'frp-server');
      await servedBy('steady.certificates.example.com', 3);
    });

    test('are all revoked with their service, those too that a renewal has replaced', async () => {
      const { data } = await get(ns, 'secret', 'frp-steady-tls');
      const decoded = ['tls.crt', 'replaced.crt'].map((key) => Buffer.from(String(data[key]), 'base64').toString());
      const living = splitBundle(decoded.join('\n'));
      assert.ok(living.length >= 2, `alive: ${living.length}`);
      await kubectl('-n', ns, 'delete', 'distributedservice', 'steady', '--timeout=60s');
      const revoked = Object.keys((await get(system, 'configmap', 'frp-revoked')).data as object);
      // The oldest may have ended meanwhile.
      const now = Date.now();
      const alive = living.filter((pem) => parseCertificate(pem).validToDate.getTime() > now).map(fingerprintOf);
      assert.ok(alive.length > 0);
      for (const each of alive) assert.ok(revoked.includes(each), `${each} in ${revoked.join()}`);
    });
  });

  test('a Secret of the user with our name is left alone, said, and the service heals when it is gone', async () => {
    await apply(secret('frp-taken-tls', { mine: 'yes' }, {}), httpService(ns, 'taken', 'taken.certificates.example.com'));
    await becomes('taken', /^NameTaken: Secret certificates\/frp-taken-tls exists .* rename or delete it/);
    assert.deepEqual(Object.keys((await get(ns, 'secret', 'frp-taken-tls')).data as object), ['mine']);
    await kubectl('-n', ns, 'delete', 'secret', 'frp-taken-tls');
    await becomes('taken', /^CertificatesProvisioned/);
  });

  test('in mode manual every fault of a Secret is said, and mending it heals', async () => {
    const authority = await createAuthority({ lifetimeMs: 30 * day, now: Date.now() });
    const other = await createAuthority({ lifetimeMs: 30 * day, now: Date.now() });
    const good = await clientPair(authority);
    await apply(withMtls('manual', { mode: 'manual', caSecret: 'their-ca', certSecret: 'their-cert' }));
    await becomes('manual', /^SecretMissing: Secret certificates\/their-ca/);
    await apply(secret('their-ca', { 'ca.crt': authority.certPem }), secret('their-cert', good, {}));
    await becomes('manual', /^SecretNotLabelled: .*kubectl -n certificates label secret their-cert/);
    const faults: [Record<string, string>, RegExp][] = [
      [await clientPair(other), /^WrongIssuer/],
      [{ ...good, 'tls.key': (await clientPair(authority))['tls.key']! }, /^KeyMismatch/],
      [await clientPair(authority, { lifetimeMs: -1000 }), /^CertificateExpired/],
      [await clientPair(authority, { usages: ['serverAuth'] }), /^WrongUsage/],
    ];
    for (const [data, reason] of faults) {
      await apply(secret('their-cert', data));
      await becomes('manual', reason);
    }
    await apply(secret('their-cert', good));
    await becomes('manual', /^CertificatesProvisioned/);
  });

  test('frp-k8s rotate group needs the outage accepted, then every member joins with the new key', async () => {
    const host = 'rotated.certificates.example.com';
    await apply(httpService(ns, 'rotated', host), deployment({ namespace: ns, name: 'rotated', replicas: 2, frp: { group: 'rotated' } }));
    await rolledOut(ns, 'rotated');
    const before = await servedBy(host, 2);
    const key = async () => String((await get(ns, 'secret', 'frp-rotated-group')).data.key);
    const old = await key();
    const rotate = ['src/main.ts', 'rotate', 'group', 'rotated', '-n', ns];
    const refused = await run('node', rotate, { cwd: root });
    assert.equal(refused.code, 1);
    assert.match(
      refused.stderr,
      /restarts Deployment certificates\/rotated \(2 Pods\).* up to 30 s; nothing was changed: say --accept-outage/,
    );
    assert.equal(await key(), old);
    await must('node', [...rotate, '--accept-outage'], { cwd: root });
    assert.notEqual(await key(), old);
    await rolledOut(ns, 'rotated');
    const served = await eventually('the new Pods, and no others', async () => {
      const names = await servedBy(host, 2);
      assert.ok(!names.some((name) => before.includes(name)));
      return names;
    });
    assert.equal(served.length, 2);
  });
});
