/** From a Secret into the process that uses it: the kubelet takes its time, and so these wait beside each other. */
import { before, suite, test } from 'node:test';
import assert from 'node:assert/strict';
import { createAuthority } from '../../../certs/authority.ts';
import { certificatesReadyBecomes, clientPair, fingerprint, servedAt } from '../support/certificates.ts';
import { installed, system, testNamespace } from '../support/cluster.ts';
import { apply, get, items, kubectl, rolledOut, type Json, type Manifest } from '../support/kubectl.ts';
import { Load } from '../support/load.ts';
import { deployment, httpService, service } from '../support/objects.ts';
import { eventually } from '../support/run.ts';
import { restarted } from '../support/settings.ts';
import { servedBy } from '../support/traffic.ts';

const ns = 'into-processes';
const day = 86_400_000;
const becomes = (name: string, expected: RegExp): Promise<void> => certificatesReadyBecomes(ns, name, expected);
const secret = (name: string, data: Record<string, string>): Manifest => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name, namespace: ns, labels: { 'frp.io/use': 'true' } },
  stringData: data,
});

suite('a certificate on its way into a process', { concurrency: true }, () => {
  before(async () => {
    await installed();
    await testNamespace(ns);
  });

  test('a Secret that External Secrets or Vault keeps is followed when they change it', async () => {
    const authority = await createAuthority({ lifetimeMs: 30 * day, now: Date.now() });
    await apply(secret('vault-ca', { 'ca.crt': authority.certPem }), secret('vault-cert', await clientPair(authority)));
    await apply(vaultService);
    await becomes('vault', /^CertificatesProvisioned/);
    await apply(deployment({ namespace: ns, name: 'vault', frp: { group: 'vault' } }));
    await rolledOut(ns, 'vault');
    // As these managers do: an update of the data, by a writer of its own.
    const next = await clientPair(authority);
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
    await becomes('vault', /^Unreadable: Secret into-processes\/vault-cert: key tls\.crt/);
  });

  test('the frp server takes a renewed certificate by a restart, and everything reconnects by itself', async (t) => {
    const host = 'server.into-processes.example.com';
    await apply(httpService(ns, 'server', host), deployment({ namespace: ns, name: 'server', replicas: 2, frp: { group: 'server' } }));
    await rolledOut(ns, 'server');
    await servedBy(host, 2);
    const address = String((await get(system, 'service', 'frp-server')).spec.clusterIP);
    const before = await servedAt(address, 7000);
    assert.equal(before, await fingerprint(system, 'frp-server-tls'));
    const load = new Load(address, host, 20);
    // The controller issues another at once.
    await kubectl('-n', system, 'delete', 'secret', 'frp-server-tls');
    await eventually('another certificate at the frp server', async () => assert.notEqual(await servedAt(address, 7000), before), 300);
    assert.equal(await servedAt(address, 7000), await fingerprint(system, 'frp-server-tls'));
    await servedBy(host, 2);
    await load.end();
    const outages = load.outages.map(({ seconds, failed }) => `${seconds.toFixed(1)} s (${failed} failed)`);
    t.diagnostic(`${load.answered} of ${load.sent} answered; away for ${outages.join(', ') || 'no request'}`);
    assert.deepEqual(await restarted(ns), []);
    const [{ status }] = await items(system, 'pod', '-l', 'app=frp-server');
    assert.equal((status.containerStatuses as Json[])[0].restartCount, 1);
    // The suites that follow count restarts too.
    await kubectl('-n', system, 'delete', 'pod', '-l', 'app=frp-server');
    await rolledOut(system, 'frp-server');
    await servedBy(host, 2);
  });
});

const vaultService: Manifest = service(ns, 'vault', {
  serviceType: 'http',
  backends: { discovery: { mode: 'auto' } },
  expose: { domain: 'vault.into-processes.example.com' },
  security: { mtls: { enabled: true, mode: 'manual', caSecret: 'vault-ca', certSecret: 'vault-cert' } },
});
