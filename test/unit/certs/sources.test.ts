import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import '../../support/few-keys.ts';
import { createAuthority, issue, type Authority } from '../../../certs/authority.ts';
import { filesSource } from '../../../certs/files.ts';
import { inspectCertificate, problemOf, type Material } from '../../../certs/inspect.ts';
import { embeddedSource, managedSource, renewalTime } from '../../../certs/managed.ts';
import { FakeClock } from './fake-clock.ts';

const day = 86_400_000;
const start = new FakeClock().now();
const request = { commonName: 'frp-webhook', dnsNames: ['frp-webhook.frp-system.svc'], usages: ['serverAuth' as const] };

let authority: Authority;
let folder: string;
before(async () => {
  authority = await createAuthority({ lifetimeMs: 3650 * day, now: start });
  folder = await mkdtemp(join(tmpdir(), 'frp-k8s-certs-'));
});
after(() => rm(folder, { recursive: true }));

const pair = (now = start, lifetimeMs = 30 * day, from = authority) => issue(from, { ...request, lifetimeMs, now });

/** A Secret volume as the kubelet writes it: files are links through `..data`, which is swapped by a rename. */
async function secretVolume(name: string) {
  const root = join(folder, name);
  await mkdir(root);
  let version = 0;
  const swap = async ({ certPem, keyPem }: Material) => {
    const data = `..version${version++}`;
    await mkdir(join(root, data));
    await writeFile(join(root, data, 'tls.crt'), certPem);
    await writeFile(join(root, data, 'tls.key'), keyPem);
    await symlink(data, join(root, '..data_tmp'));
    await rename(join(root, '..data_tmp'), join(root, '..data'));
  };
  const certFile = join(root, 'tls.crt');
  const keyFile = join(root, 'tls.key');
  await symlink('..data/tls.crt', certFile);
  await symlink('..data/tls.key', keyFile);
  return { certFile, keyFile, swap };
}

/** A files source over a Secret volume that holds `first`, with everything it says. */
async function volumeSource(name: string, first: Material) {
  const clock = new FakeClock();
  const { certFile, keyFile, swap } = await secretVolume(name);
  await swap(first);
  const refused: string[] = [];
  const changes: Material[] = [];
  const source = await filesSource({ certFile, keyFile, clock, onRefused: (message) => refused.push(message) });
  source.onChange((material) => changes.push(material));
  return { clock, swap, source, refused, changes, certFile };
}

describe('certificates from files', () => {
  it('are taken anew when the kubelet swaps the Secret', async () => {
    const [first, second] = [await pair(), await pair()];
    const { swap, source, changes, refused } = await volumeSource('swap', first);
    assert.equal(source.current().certPem, first.certPem);
    await swap(second);
    await source.poll();
    assert.equal(source.current().certPem, second.certPem);
    assert.deepEqual(
      changes.map(({ keyPem }) => keyPem),
      [second.keyPem],
    );
    await source.poll();
    assert.equal(changes.length, 1);
    assert.deepEqual(refused, []);
    source.close();
  });

  it('are looked at by themselves, until the source is closed', async () => {
    const [first, second] = [await pair(), await pair()];
    const { clock, swap, source } = await volumeSource('polled', first);
    await swap(second);
    const changed = new Promise((resolve) => source.onChange(resolve));
    clock.advance(6000);
    await changed;
    assert.equal(source.current().certPem, second.certPem);
    source.close();
    assert.equal(clock.pending, 0);
  });

  const bad: [name: string, material: () => Promise<Material>, reason: RegExp][] = [
    ['do not match', async () => ({ certPem: (await pair()).certPem, keyPem: (await pair()).keyPem }), /private key does not belong/],
    ['have expired', () => pair(start - 20 * day, 10 * day, backdated), /expired at 2029-12-22/],
    ['cannot be parsed', async () => ({ certPem: 'rubbish', keyPem: 'rubbish' }), /no PEM block/],
  ];
  let backdated: Authority;
  before(async () => {
    backdated = await createAuthority({ lifetimeMs: 3650 * day, now: start - 100 * day });
  });
  for (const [name, material, reason] of bad) {
    it(`that ${name} are refused once, and the old ones stay in use`, async () => {
      const first = await pair();
      const { swap, source, refused, changes } = await volumeSource(`bad-${name}`, first);
      await swap(await material());
      await source.poll();
      await source.poll();
      assert.equal(source.current().certPem, first.certPem);
      assert.equal(changes.length, 0);
      assert.equal(refused.length, 1);
      assert.match(refused[0] ?? '', reason);
      assert.match(refused[0] ?? '', /tls\.crt.*the old one stays in use/);
      assert.equal(source.health().healthy, true);
      assert.match(source.health().reason ?? '', reason);

      const good = await pair();
      await swap(good);
      await source.poll();
      assert.equal(source.current().certPem, good.certPem);
      assert.deepEqual(source.health(), { healthy: true });
      source.close();
    });

    it(`that ${name} stop the start with the file's name`, async () => {
      const { certFile, keyFile, swap } = await secretVolume(`start-${name}`);
      await swap(await material());
      await assert.rejects(filesSource({ certFile, keyFile, clock: new FakeClock() }), (error: Error) => {
        assert.match(error.message, reason);
        assert.ok(error.message.includes(certFile));
        return true;
      });
    });
  }

  it('that vanish leave the old ones in use', async () => {
    const first = await pair();
    const { source, refused, certFile } = await volumeSource('vanished', first);
    await rm(certFile);
    await source.poll();
    assert.equal(source.current().certPem, first.certPem);
    assert.match(refused[0] ?? '', /ENOENT/);
    source.close();
  });

  it('are unhealthy once they have expired', async () => {
    const { clock, source } = await volumeSource('expired', await pair());
    clock.sleep(31 * day);
    assert.deepEqual(source.health(), { healthy: false, reason: 'the certificate in use expired at 2030-01-31T00:00:00.000Z' });
    source.close();
  });

  it('are read without node-forge', async () => {
    const { certFile, keyFile, swap } = await secretVolume('no-forge');
    const now = Date.now();
    await swap(await pair(now, day, await createAuthority({ lifetimeMs: day, now })));
    const program = `
      import { registerHooks } from 'node:module';
      registerHooks({ resolve(name, context, next) { if (name.startsWith('node-forge')) throw new Error('loaded forge'); return next(name, context); } });
      const { filesSource } = await import(${JSON.stringify(import.meta.resolve('../../../certs/files.ts'))});
      const source = await filesSource({ certFile: ${JSON.stringify(certFile)}, keyFile: ${JSON.stringify(keyFile)} });
      console.log(source.health().healthy);
      source.close();`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program]);
    assert.equal(stdout.trim(), 'true');
  });
});

describe('self-managed certificates', () => {
  const managed = async (options: Partial<Parameters<typeof managedSource>[0]> = {}) => {
    const clock = new FakeClock();
    const failures: string[] = [];
    const source = await managedSource({
      authority: () => authority,
      request,
      lifetimeMs: 30 * day,
      renewBeforeMs: 7 * day,
      clock,
      onFailure: (message) => failures.push(message),
      ...options,
    });
    return { clock, source, failures };
  };

  it('verify against the bundle that comes with them', async () => {
    const { source } = await managed();
    const material = source.current();
    assert.equal(
      problemOf(material, { now: start, usage: 'serverAuth', names: request.dnsNames, signedBy: material.caPem ?? '' }),
      undefined,
    );
    source.close();
  });

  it('stay until they come near their end, and are then renewed', async () => {
    const { clock, source } = await managed();
    const first = source.current().certPem;
    clock.sleep(22 * day);
    await source.tick();
    assert.equal(source.current().certPem, first);
    clock.sleep(1 * day);
    await source.tick();
    assert.notEqual(source.current().certPem, first);
    assert.equal(inspectCertificate(source.current().certPem).notAfter, start + 53 * day);
    source.close();
  });

  it('are renewed at the first tick after a machine has slept past the date', async () => {
    const { clock, source } = await managed();
    clock.sleep(40 * day);
    assert.equal(source.health().healthy, false);
    const renewed = new Promise((resolve) => source.onChange(resolve));
    clock.advance(70_000);
    await renewed;
    assert.deepEqual(source.health(), { healthy: true });
    source.close();
    assert.equal(clock.pending, 0);
  });

  it('follow a change of the authority at once', async () => {
    let current = authority;
    const { source } = await managed({ authority: () => current });
    current = await createAuthority({ lifetimeMs: 3650 * day, now: start });
    await source.tick();
    assert.equal(source.current().caPem, current.bundlePem);
    assert.equal(problemOf(source.current(), { now: start, signedBy: current.certPem }), undefined);
    source.close();
  });

  it('stay in use when the authority cannot be reached, and are renewed when it can', async () => {
    let reachable = true;
    const { clock, source, failures } = await managed({
      authority: () => (reachable ? authority : Promise.reject(new Error('connection refused'))),
    });
    const first = source.current().certPem;
    reachable = false;
    clock.sleep(24 * day);
    await source.tick();
    assert.equal(source.current().certPem, first);
    assert.deepEqual(failures, ['the certificate of frp-webhook could not be renewed: connection refused']);
    assert.deepEqual(source.health(), { healthy: true, reason: failures[0] });
    reachable = true;
    await source.tick();
    assert.notEqual(source.current().certPem, first);
    assert.deepEqual(source.health(), { healthy: true });
    source.close();
  });

  it('of the embedded default need no cluster', async () => {
    const source = await embeddedSource({ request, lifetimeMs: 30 * day, renewBeforeMs: 7 * day, authorityLifetimeMs: 3650 * day });
    const material = source.current();
    assert.equal(problemOf(material, { now: Date.now(), names: request.dnsNames, signedBy: material.caPem ?? '' }), undefined);
    source.close();
  });

  it('renew in the last third where the authority leaves them less than the wanted time', async () => {
    const short = await createAuthority({ lifetimeMs: 6 * day, now: start });
    const leaf = await issue(short, { ...request, lifetimeMs: 30 * day, now: start });
    assert.equal(renewalTime(leaf, 7 * day, 1), start + 4 * day);
  });

  it('renew at slightly different times', async () => {
    const leaf = await pair();
    assert.equal(renewalTime(leaf, 7 * day, 0), start + 23 * day);
    assert.equal(renewalTime(leaf, 7 * day, 1), start + 22.3 * day);
  });
});
