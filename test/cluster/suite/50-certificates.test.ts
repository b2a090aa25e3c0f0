/** Certificates of short lives under load, and those that somebody else makes. The long form is `npm run soak`. */
import { after, before, suite, test } from 'node:test';
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type ConnectionOptions } from 'node:tls';
import { createAuthority, issue, type Authority } from '../../../certs/authority.ts';
import type { Usage } from '../../../certs/inspect.ts';
import { caBundlesWritten, installed, root, system, testNamespace } from '../support/cluster.ts';
import { apply, get, items, kubectl, rolledOut, scale, tryApply, type Json, type Manifest } from '../support/kubectl.ts';
import { deployment, httpService, pod, service } from '../support/objects.ts';
import { eventually, must, run } from '../support/run.ts';
import { restarted, withSettings } from '../support/settings.ts';
import { requests, servedBy } from '../support/traffic.ts';

const ns = 'certificates';
const day = 86_400_000;
/** Client and webhook certificates live 3 minutes, and are renewed when they are one minute old. */
const shortLives = { certificates: { lifetime: '3m', renewBefore: '2m' } };
const loadSeconds = 150;

const fingerprint = async (namespace: string, secret: string): Promise<string> => {
  const { data } = await get(namespace, 'secret', secret);
  return new X509Certificate(Buffer.from(String(data['tls.crt']), 'base64')).fingerprint256;
};

/** The serving certificate of a webhook replica; with a CA, it is verified. */
async function serving(options?: ConnectionOptions): Promise<X509Certificate> {
  const { spec } = await get(system, 'service', 'frp-webhook');
  const target = options ?? { host: String(spec.clusterIP), port: 443, rejectUnauthorized: false };
  return new Promise((resolve, reject) => {
    const socket = connect(target, () => {
      resolve(socket.getPeerX509Certificate()!);
      socket.end();
    });
    socket.on('error', reject);
  });
}

const certificatesReady = async (name: string): Promise<string> => {
  const { status } = await get(ns, 'distributedservice', name);
  const conditions = (status?.conditions ?? []) as { type: string; reason: string; message: string }[];
  const found = conditions.find(({ type }) => type === 'CertificatesReady');
  return `${found?.reason}: ${found?.message}`;
};
const becomes = (name: string, expected: RegExp): Promise<void> =>
  eventually(`CertificatesReady of ${name} says ${expected.source}`, async () => assert.match(await certificatesReady(name), expected));

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

async function pair(authority: Authority, { usages = ['clientAuth'] as Usage[], lifetimeMs = day } = {}): Promise<Record<string, string>> {
  const { certPem, keyPem } = await issue(authority, { commonName: 'edge', usages, lifetimeMs, now: Date.now() });
  return { 'tls.crt': certPem, 'tls.key': keyPem };
}

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
        servers.add((await serving()).fingerprint256);
      }
      assert.ok(clients.size >= 3, `client certificates in use: ${clients.size}`);
      assert.ok(servers.size >= 3, `webhook certificates in use: ${servers.size}`);
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
  });

  test('the replicas of the webhook, started at once on an empty cluster, have agreed on one authority', async () => {
    const { data } = await get(system, 'secret', 'frp-ca');
    const ca = Buffer.from(String(data['tls.crt']), 'base64').toString();
    const replicas = (await items(system, 'pod', '-l', 'app=frp-webhook')) as { status: { podIP: string } }[];
    assert.ok(replicas.length >= 2);
    for (const { status } of replicas) await serving({ host: status.podIP, port: 8443, ca, servername: 'frp-webhook.frp-system.svc' });
    const { webhooks } = (await get('', 'mutatingwebhookconfiguration', 'frp-k8s')) as {
      webhooks: { clientConfig: { caBundle: string } }[];
    };
    for (const { clientConfig } of webhooks) assert.equal(clientConfig.caBundle, data['tls.crt']);
  });

  test('a caBundle that a GitOps tool has reverted is healed', async () => {
    const bundle = async () => String((await get('', 'mutatingwebhookconfiguration', 'frp-k8s')).webhooks[0].clientConfig.caBundle);
    const before = await bundle();
    const { certPem } = await createAuthority({ lifetimeMs: day, now: Date.now() });
    const path = '/webhooks/0/clientConfig/caBundle';
    const patch = [{ op: 'replace', path, value: Buffer.from(certPem).toString('base64') }];
    await kubectl('patch', 'mutatingwebhookconfiguration', 'frp-k8s', '--type=json', '-p', JSON.stringify(patch));
    await eventually('the bundle of before', async () => assert.equal(await bundle(), before), 20);
    await caBundlesWritten();
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
    const good = await pair(authority);
    await apply(withMtls('manual', { mode: 'manual', caSecret: 'their-ca', certSecret: 'their-cert' }));
    await becomes('manual', /^SecretMissing: Secret certificates\/their-ca/);
    await apply(secret('their-ca', { 'ca.crt': authority.certPem }), secret('their-cert', good, {}));
    await becomes('manual', /^SecretNotLabelled: .*kubectl -n certificates label secret their-cert/);
    const faults: [Record<string, string>, RegExp][] = [
      [await pair(other), /^WrongIssuer/],
      [{ ...good, 'tls.key': (await pair(authority))['tls.key']! }, /^KeyMismatch/],
      [await pair(authority, { lifetimeMs: -1000 }), /^CertificateExpired/],
      [await pair(authority, { usages: ['serverAuth'] }), /^WrongUsage/],
    ];
    for (const [data, reason] of faults) {
      await apply(secret('their-cert', data));
      await becomes('manual', reason);
    }
    await apply(secret('their-cert', good));
    await becomes('manual', /^CertificatesProvisioned/);
  });

  test('a Secret that External Secrets or Vault keeps is followed when they change it', async () => {
    const authority = await createAuthority({ lifetimeMs: 30 * day, now: Date.now() });
    await apply(secret('vault-ca', { 'ca.crt': authority.certPem }), secret('vault-cert', await pair(authority)));
    await apply(withMtls('vault', { mode: 'manual', caSecret: 'vault-ca', certSecret: 'vault-cert' }));
    await becomes('vault', /^CertificatesProvisioned/);
    await apply(deployment({ namespace: ns, name: 'vault', frp: { group: 'vault' } }));
    await rolledOut(ns, 'vault');
    // As these managers do: an update of the data, by a writer of its own.
    const next = await pair(authority);
    const data = Object.fromEntries(Object.entries(next).map(([key, value]) => [key, Buffer.from(value).toString('base64')]));
    await kubectl(
      '-n',
      ns,
      'patch',
      'secret',
      'vault-cert',
      '--type=merge',
      '--field-manager=external-secrets',
      '-p',
      JSON.stringify({ data }),
    );
    await becomes('vault', /^CertificatesProvisioned/);
    const [{ metadata }] = (await items(ns, 'pod', '-l', 'app=vault')) as [Manifest];
    await eventually(
      'the certificate in the running sidecar',
      async () => {
        const file = await kubectl('-n', ns, 'exec', metadata.name!, '-c', 'frpc', '--', 'cat', '/etc/frp/certs/tls.crt');
        assert.equal(file.trim(), next['tls.crt']!.trim());
      },
      180,
    );
    assert.deepEqual(await restarted(ns), []);
    const bad = { 'tls.crt': Buffer.from('rubbish').toString('base64') };
    await kubectl('-n', ns, 'patch', 'secret', 'vault-cert', '--type=merge', '-p', JSON.stringify({ data: bad }));
    await becomes('vault', /^Unreadable: Secret certificates\/vault-cert: key tls\.crt/);
  });

  test('mode external says that cert-manager is missing, then uses its Certificate', async (t) => {
    await apply(withMtls('external', { mode: 'external' }));
    await becomes('external', /^CertManagerMissing: .*install cert-manager/);
    const module = certManager();
    // Its real CRDs; the test plays its controller, and writes the Secret as cert-manager would.
    await certManagerCrds(module, 'certificates');
    t.after(() => kubectl('delete', 'crd', 'certificates.cert-manager.io', '--ignore-not-found'));
    await becomes('external', /^Issuing: Certificate certificates\/frp-external has not been issued yet by ClusterIssuer frp-ca-issuer/);
    const { spec } = (await get(ns, 'certificate', 'frp-external')) as { spec: CertificateSpec };
    assert.deepEqual([spec.secretName, spec.duration, spec.renewBefore], ['frp-external-external-tls', '720h0m0s', '168h0m0s']);
    const written = secret(
      spec.secretName,
      await pair(await createAuthority({ lifetimeMs: 30 * day, now: Date.now() })),
      spec.secretTemplate.labels,
    );
    written.metadata.annotations = { 'cert-manager.io/certificate-name': 'frp-external' };
    await apply(written);
    await becomes('external', /^CertificatesProvisioned/);
    const sidecar = JSON.parse(await kubectl('apply', '--dry-run=server', '-o', 'json', '-f', podFile()));
    assert.match(JSON.stringify(sidecar.spec.volumes), /frp-external-external-tls/);
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

  test('the webhooks can have their certificate from cert-manager', async (t) => {
    const module = certManager();
    await certManagerCrds(module, 'certificates', 'issuers');
    t.after(() => kubectl('delete', 'crd', 'certificates.cert-manager.io', 'issuers.cert-manager.io', '--ignore-not-found'));
    const printed = await kubectl('apply', '--dry-run=server', '-o', 'name', '-k', join(root, 'manifests/cert-manager'));
    assert.match(printed, /certificate\.cert-manager\.io\/frp-webhook/);
  });
});

interface CertificateSpec {
  secretName: string;
  duration: string;
  renewBefore: string;
  secretTemplate: { labels: Record<string, string> };
}

/** Applies real CRDs of cert-manager; the lines that helm would fill in are labels and their condition. */
async function certManagerCrds(module: string, ...plurals: string[]): Promise<void> {
  for (const plural of plurals) {
    const input = readFileSync(`${module}/deploy/crds/crd-${plural}.yaml`, 'utf8').replaceAll(/^.*\{\{.*$\n/gm, '');
    await must('kubectl', ['apply', '--server-side', '-f', '-'], { input });
    await kubectl('wait', '--for=condition=Established', `crd/${plural}.cert-manager.io`, '--timeout=60s');
  }
}

/** Directory of cert-manager's Go module, which holds its real CRDs; test/cluster/run downloads it. */
function certManager(): string {
  const module = process.env.FRPK8S_CERT_MANAGER;
  assert.ok(module, 'FRPK8S_CERT_MANAGER must name the directory of the Go module github.com/cert-manager/cert-manager');
  return module;
}

function podFile(): string {
  const file = `${mkdtempSync(`${tmpdir()}/frp-`)}/pod.json`;
  writeFileSync(file, JSON.stringify(pod({ namespace: ns, name: 'external', frp: { group: 'external' } })));
  return file;
}
