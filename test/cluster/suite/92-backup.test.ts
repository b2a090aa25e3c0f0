/**
 * Backup and restore, by the commands of docs/operations/backup.md: the installation and the gateway are lost under Pods
 * that run, then a namespace of services, then the authority without a backup.
 */
import { after, before, suite, test } from 'node:test';
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fingerprint } from '../support/certificates.ts';
import { gatewayNamespace, root, serving, system, testNamespace, usingImage } from '../support/cluster.ts';
import { gatewayInstalled, gatewayReady, users } from '../support/gateway.ts';
import { commandsOf } from '../support/guide.ts';
import { apply, get, items, kubectl, rolledOut, scale } from '../support/kubectl.ts';
import { deployment, httpService, service } from '../support/objects.ts';
import { eventually, must } from '../support/run.ts';
import { restarted } from '../support/settings.ts';
import { requests, servedBy, server } from '../support/traffic.ts';

const ns = 'backup';
const page = join(root, 'docs/operations/backup.md');
const through = 'web.backup.example.com';
const plain = 'plain.backup.example.com';
const objects = [
  httpService(ns, 'web', through),
  service(ns, 'plain', { serviceType: 'http', gateway: false, backends: { discovery: { mode: 'auto' } }, expose: { domain: plain } }),
];
const apps = [
  deployment({ namespace: ns, name: 'web', replicas: 2, frp: { group: 'web' } }),
  deployment({ namespace: ns, name: 'plain', frp: { group: 'plain' } }),
];

suite('backup and restore', () => {
  const cwd = mkdtempSync(join(tmpdir(), 'frp-k8s-backup-'));
  symlinkSync(root, join(cwd, 'frp-k8s'));
  after(() => rmSync(cwd, { recursive: true }));

  /** Types a section's commands. */
  async function follow(heading: string): Promise<void> {
    for (const { text } of commandsOf(page, heading, ['With cluster-admin'])) {
      const here = text.replace('frp-k8s/manifests/gateway', usingImage('manifests/gateway'));
      await must('bash', ['-euo', 'pipefail', '-c', here], { cwd });
    }
  }

  const served = async (): Promise<void> => {
    await servedBy(through, 2, users);
    await servedBy(plain, 1, server);
  };
  /** Of the Pods with sidecars. */
  const running = async (): Promise<string[]> => (await items(ns, 'pod')).map(({ metadata }) => String(metadata.uid)).sort();
  const groupKey = async (): Promise<string> => String((await get(ns, 'secret', 'frp-plain-group')).data.key);
  const lose = (...namespaces: string[]): Promise<string> => kubectl('delete', 'namespace', ...namespaces, '--timeout=240s');
  const installationServes = async (): Promise<void> => {
    await Promise.all([serving(), gatewayReady()]);
  };

  before(async () => {
    await gatewayInstalled();
    await eventually('services of other suites are gone', async () => assert.deepEqual(await items('', 'distributedservices', '-A'), []));
    await testNamespace(ns);
    await apply(...objects, ...apps);
    await Promise.all(['web', 'plain'].map((name) => rolledOut(ns, name)));
    await served();
    await follow('Back up');
  });

  test('the backup is for nobody else, and has the authority, the services and their keys', async () => {
    assert.equal(statSync(join(cwd, 'frp-backup')).mode & 0o777, 0o700);
    const namesIn = async (file: string) =>
      (await must('kubectl', ['create', '--dry-run=client', '-o', 'name', '-f', join(cwd, 'frp-backup', file)])).trim().split('\n');
    assert.ok((await namesIn('system.yaml')).includes('secret/frp-ca'));
    const keys = await namesIn('keys.yaml');
    for (const name of ['secret/frp-web-tls', 'secret/frp-plain-group']) assert.ok(keys.includes(name), name);
    const services = await namesIn('services.yaml');
    for (const name of ['web', 'plain']) assert.ok(services.includes(`distributedservice.frp.io/${name}`), name);
  });

  test('both namespaces are lost and come back: the same Pods serve, by the same certificates, and a new Pod joins them', async (t) => {
    const known = {
      pods: await running(),
      authority: await fingerprint(system, 'frp-ca'),
      client: await fingerprint(ns, 'frp-web-tls'),
      key: await groupKey(),
    };
    await lose(system, gatewayNamespace);
    const start = Date.now();
    await follow('Restore the installation');
    await installationServes();
    await served();
    t.diagnostic(`${Math.round((Date.now() - start) / 1000)} s from the first command until users are served`);
    assert.deepEqual(
      {
        pods: await running(),
        authority: await fingerprint(system, 'frp-ca'),
        client: await fingerprint(ns, 'frp-web-tls'),
        key: await groupKey(),
      },
      known,
    );
    assert.deepEqual(await restarted(ns), []);
    await Promise.all(['web', 'plain'].map((name) => scale(ns, name, 3)));
    await Promise.all(['web', 'plain'].map((name) => rolledOut(ns, name)));
    await servedBy(through, 3, users);
    await servedBy(plain, 3, server);
    await Promise.all([scale(ns, 'web', 2), scale(ns, 'plain', 1)]);
    await served();
  });

  test('a namespace of services is lost and comes back', async () => {
    await lose(ns);
    await kubectl('create', 'namespace', ns);
    await eventually('its service account', () => get(ns, 'serviceaccount', 'default'));
    await follow('Restore services');
    await apply(...apps);
    await Promise.all(['web', 'plain'].map((name) => rolledOut(ns, name)));
    await served();
  });

  test('the authority is lost without a backup: every Pod gets a certificate of a new one, and none restarts', async (t) => {
    const known = { pods: await running(), authority: await fingerprint(system, 'frp-ca') };
    await lose(system);
    const start = Date.now();
    await kubectl('apply', '-k', usingImage('manifests/gateway'));
    await kubectl('apply', '-k', join(root, 'manifests/frps'));
    await installationServes();
    await eventually('requests through new tunnels', () => requests(through, 8, '/', users), 300);
    await eventually('requests through the frp server', () => requests(plain, 8, '/', server), 300);
    await served();
    t.diagnostic(`${Math.round((Date.now() - start) / 1000)} s until users are served`);
    assert.notEqual(await fingerprint(system, 'frp-ca'), known.authority);
    assert.deepEqual(await running(), known.pods);
    assert.deepEqual(await restarted(ns), []);
  });
});
