/** The start script of a sidecar of several groups, run by the shell as the kubelet would, with a program in frpc's place. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { configSchema, defaultConfig, type Config } from '../../../src/config/schema.ts';
import { startOf } from '../../../webhooks/pods/start.ts';
import { service } from '../../support/services.ts';
import { until } from '../../support/until.ts';

const udp = (name: string) => service(name, { serviceType: 'udp', expose: { type: 'port', port: 5353 } });

/** @param ports of the apps; none: groups of udp, whose apps nobody waits for @param pace seconds that the script sleeps, whatever it asks for */
function start(
  t: TestContext,
  groups: string[],
  { config = defaultConfig, ports, pace = 0.01 }: { config?: Config; ports?: number[]; pace?: number } = {},
) {
  const at = mkdtempSync(join(tmpdir(), 'start-'));
  const members = groups.map((name, index) => ({ service: ports ? service(name) : udp(name), localPort: ports?.[index] ?? 53 }));
  const isPlain = config.gateway.addresses.length === 0;
  const script = startOf({ members, isPlain, config }).replaceAll('/etc/frp', at);
  mkdirSync(join(at, 'certs'));
  mkdirSync(join(at, 'bin'));
  const program = (name: string, text: string) => writeFileSync(join(at, 'bin', name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  program('frpc', `echo "frpc: $(env | sed -n 's/^FRP_GROUP_KEY_//p' | sort | tr '\\n' ' ')$FRP_PROXY_URL"; exec /bin/sleep 600`);
  program('sleep', `echo $1 >>${at}/slept; exec /bin/sleep ${pace}`);
  const env = { PATH: `${join(at, 'bin')}:/usr/bin:/bin`, FRP_GROUP: groups.join() };
  // As Kubernetes reads a command.
  const child = spawn('/bin/sh', ['-c', script.replaceAll('$$', () => '$')], { env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk.toString()));
  t.after(async () => {
    process.kill(-child.pid!, 'SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    rmSync(at, { recursive: true });
  });
  const steps = () => (existsSync(join(at, 'slept')) ? readFileSync(join(at, 'slept'), 'utf8').trim().split('\n').map(Number) : []);
  return {
    give: (name: string, text = 'x') => writeFileSync(join(at, 'certs', name), text),
    /** how often it has slept */
    slept: () => steps().length,
    /** seconds of each sleep */
    steps,
    /** keys of each frpc that has begun */
    begun: () => [...said.matchAll(/^frpc: (.*)$/gm)].map(([, keys]) => keys!.trim()),
    said: () => said,
  };
}

/** Looks again and again without finding it. */
async function goesOn(sidecar: ReturnType<typeof start>): Promise<void> {
  const before = sidecar.slept();
  await until(() => sidecar.slept() > before + 5);
}

describe('a sidecar of several groups', { timeout: 60_000 }, () => {
  it('begins with all of them once certificate and keys are there', async (t) => {
    const sidecar = start(t, ['web', 'admin']);
    sidecar.give('group-0.key', 'one');
    sidecar.give('group-1.key', 'two');
    await until(() => /waiting for the certificate of one of DistributedServices web,admin \(made by/.test(sidecar.said()));
    await goesOn(sidecar);
    assert.deepEqual(sidecar.begun(), []);
    sidecar.give('tls.crt');
    await until(() => sidecar.begun().length > 0);
    assert.deepEqual(sidecar.begun(), ['0=one 1=two']);
  });

  it('does not hold the others back for one without a key, which joins beside them when it comes', async (t) => {
    const sidecar = start(t, ['web', 'admin', 'mail']);
    sidecar.give('tls.crt');
    sidecar.give('group-1.key', 'two');
    await until(() => sidecar.begun().length === 1);
    assert.deepEqual(sidecar.begun(), ['1=two']);
    assert.match(sidecar.said(), /waiting for the group keys of DistributedServices web mail \(made by/);
    assert.match(sidecar.said(), /going on without DistributedServices web mail: they join when their group keys come/);
    sidecar.give('group-2.key', 'three');
    await until(() => sidecar.begun().length === 2);
    sidecar.give('group-0.key', 'one');
    await until(() => sidecar.begun().length === 3);
    assert.deepEqual(sidecar.begun(), ['1=two', '2=three', '0=one']);
  });

  it('waits for as long as none of them has a key', async (t) => {
    const sidecar = start(t, ['web', 'admin']);
    sidecar.give('tls.crt');
    await until(() => sidecar.slept() > 40);
    assert.deepEqual(sidecar.begun(), []);
    sidecar.give('group-0.key', 'one');
    await until(() => sidecar.begun().length > 0);
    assert.deepEqual(sidecar.begun(), ['0=one']);
  });

  it('needs no keys for the gateway, but the certificate of one group, the token, and the proxy on the way', async (t) => {
    const config = configSchema.parse({ gateway: { addresses: ['gw'], proxyURL: 'http://proxy:3128', proxySecret: 'way-out' } });
    const sidecar = start(t, ['web', 'admin'], { config });
    for (const file of ['tls.crt', 'token']) sidecar.give(file);
    await goesOn(sidecar);
    assert.deepEqual(sidecar.begun(), []);
    sidecar.give('proxy', 'http://me:secret@proxy:3128');
    await until(() => sidecar.begun().length > 0);
    assert.deepEqual(sidecar.begun(), ['http://me:secret@proxy:3128']);
  });

  it('waits until the app listens on every port, and not for ever', async (t) => {
    const listening = async (port = 0) => {
      const server = createServer().listen(port, '127.0.0.1');
      await once(server, 'listening');
      t.after(() => server.close());
      return (server.address() as AddressInfo).port;
    };
    const free = createServer().listen(0, '127.0.0.1');
    await once(free, 'listening');
    const second = (free.address() as AddressInfo).port;
    free.close();
    await once(free, 'close');
    const ports = [await listening(), second];
    const started = (pace: number) => {
      const sidecar = start(t, ['web', 'admin'], { ports, pace });
      for (const file of ['tls.crt', 'group-0.key', 'group-1.key']) sidecar.give(file);
      return sidecar;
    };
    const patient = started(0.01);
    await until(() => patient.begun().length > 0);
    // Those of a second are for the files, which are given after the start.
    const steps = patient.steps().filter((step) => step !== 1);
    // frpc itself lets half a second pass before its first health check: with this much more a replica serves within one.
    assert.ok(Math.max(...steps) <= 0.2, `${Math.max(...steps)} s between two looks`);
    assert.equal(Math.round(steps.reduce((sum, step) => sum + step, 0)), 30);
    const waiting = started(0.1);
    await goesOn(waiting);
    assert.deepEqual(waiting.begun(), []);
    await listening(second);
    await until(() => waiting.begun().length > 0);
  });
});
