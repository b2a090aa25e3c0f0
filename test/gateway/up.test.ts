import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PartName } from '../../src/gateway/up/layout.ts';
import { eventually } from './eventually.ts';
import { Machine, web, type Outcome } from './up-harness.ts';

const lines = 4;
const lost = (outcomes: readonly Outcome[]) => outcomes.filter(({ status }) => status !== 200);

describe('a gateway outside any cluster', () => {
  const machine = new Machine();
  const served = (host: string, headers = {}) => machine.get('/hello', { host, headers });

  before(async () => {
    machine.write('web.yaml', web('web'));
    await machine.started();
    await machine.client('web', 'laptop', (incoming, response) => {
      const seconds = Number(/^\/slow\/([0-9]+)/.exec(incoming.url ?? '')?.[1] ?? 0);
      setTimeout(() => response.end('laptop'), seconds * 1000);
    });
    await eventually('the client serves', async () => (await served('web.example.com')).status === 200);
  });
  after(() => machine.close());

  it('serves a service of a file by frpc that client-config configured', async () => {
    assert.equal((await served('web.example.com')).body, 'laptop');
  });

  it('warns at client-config of a group that the gateway does not serve', async () => {
    const told = async (group: string) => {
      const out = join(machine.root, `for-${group}`);
      const options = ['--dir', machine.directory, '--group', group, '--name', 'stray', '--port', '80', '--out', out];
      return (await machine.outcome('client-config', ...options)).stderr;
    };
    assert.match(await told('wbe'), /^warning: --group wbe: the gateway serves no DistributedService default\/wbe yet/);
    assert.doesNotMatch(await told('web'), /warning/);
  });

  it('tells whoever may enter its directory of its services, and where a request ends', async () => {
    const told = async (...words: string[]) => machine.outcome(...(words as [string]), '--dir', machine.directory);
    const status = await told('status');
    assert.match(status.stdout, /^default\/web +Running +1\/1 /m);
    const parsed = JSON.parse((await told('status', '-o', 'json')).stdout) as { services: { service: string; perSecond: number }[] };
    assert.deepEqual(
      parsed.services.map(({ service }) => service),
      ['default/web'],
    );
    const service = (await told('explain', 'service', 'web')).stdout;
    assert.match(service, /√ gateway: laptop \(.*\) is up; registered for \d+s, weight 1, last check \S+/);
    const found = await told('explain', 'host', 'web.example.com/hello');
    assert.match(found.stdout, /√ pool +default\/web: 1 of 1 backends up\n +→ a backend of default\/web, by random\n/);
    const lost = await told('explain', 'host', 'wbe.example.com').catch((error: { stdout: string }) => error);
    assert.match(lost.stdout, /× → 404: no service is published under this host name/);
  });

  it('shows its page to whoever may enter its directory, by frp-k8s dashboard, and to nobody else', async () => {
    const { url, end } = await machine.dashboard();
    const { origin } = new URL(url);
    assert.equal((await fetch(origin)).status, 403);
    const entered = await fetch(url);
    const cookie = entered.headers.get('set-cookie')!.split(';', 1)[0]!;
    const shown = async (path: string) => (await fetch(`${origin}${path}`, { headers: { cookie } })).text();
    const overview = await shown('/');
    assert.match(overview, /id="s\/default\/web"/);
    assert.match(overview, /authority of tunnels/);
    assert.match(overview, /clients to gateway: 1 of 1 up/);
    const service = await shown('/services/default/web');
    assert.match(service, /<th scope="row">\s*laptop\s*<\/th>/);
    assert.match(service, /web\.example\.com/);
    const events = await fetch(`${origin}/events?view=%2F`, { headers: { cookie } });
    const { value } = await events.body!.getReader().read();
    assert.match(Buffer.from(value).toString(), /^id: \S+\nevent: changes\n/);
    assert.equal(await end(), 0);
  });

  it('takes further files while it runs, with the Secrets beside them', async () => {
    machine.write(
      'shop.yaml',
      `${web('shop', '  security: { authentication: { type: apikey, tokenSecret: keys } }')}
---
apiVersion: v1
kind: Secret
metadata: { name: keys }
stringData: { alice: open-sesame }
`,
    );
    await machine.client('shop', 'desk', (_, response) => response.end('desk'));
    const ask = (key: string) => served('shop.example.com', { 'x-api-key': key });
    await eventually('the shop is served', async () => (await ask('open-sesame')).status === 200);
    assert.equal((await ask('guess')).status, 401);
  });

  it('names a file with a mistake, and leaves it and the others as they were', async () => {
    machine.write('web.yaml', web('web').replace('type: domain', 'type: nonsense'));
    machine.write('broken.yaml', 'kind: [');
    const said = (text: RegExp) => eventually(`the log says ${text}`, () => machine.log.some(({ msg }) => text.test(msg)));
    await said(/services\/web\.yaml: DistributedService\/web: spec\.expose\.type: .*stays as it was/);
    await said(/services\/broken\.yaml:1: not valid YAML/);
    for (const host of ['web.example.com', 'shop.example.com']) assert.notEqual((await served(host)).status, 503, host);
    assert.equal((await served('web.example.com')).status, 200);
    machine.write('web.yaml', web('web'));
  });

  for (const part of ['agent', 'frps', 'tunnel', 'users'] as const)
    it(`loses nobody but whom it was serving when its ${part} is killed, and starts it again`, async () => {
      const load = machine.load('web.example.com', lines);
      await sleep(500);
      const [before, listeners] = [machine.leader(part), machine.listeners()];
      process.kill(before, 'SIGKILL');
      await eventually(`${part} is started again`, () => machine.processes(part).some(({ pid, isLeader }) => isLeader && pid !== before));
      await machine.ready();
      await eventually('it listens as before', () => machine.listeners().join() === listeners.join());
      await eventually('the client serves', async () => (await served('web.example.com')).status === 200);
      // A lone gateway has nobody to hand over to: each line of requests may lose what was under way, and what it tried at once.
      const most = part === 'agent' ? 0 : 2 * lines;
      const missed = lost(await load.end());
      assert.ok(missed.length <= most, `${missed.length} were lost: ${JSON.stringify(missed)}`);
    });

  it('goes on without a pause when gateway up itself is killed, and the next one takes over what runs', async () => {
    const load = machine.load('web.example.com', lines);
    const pids = (parts: PartName[]) => parts.map((part) => machine.leader(part));
    const [kept, agent, listeners] = [pids(['users', 'tunnel', 'frps']), machine.leader('agent'), machine.listeners()];
    machine.up!.kill('SIGKILL');
    await once(machine.up!, 'exit');
    machine.start();
    await eventually('there is another agent', () => machine.processes('agent').some(({ pid, isLeader }) => isLeader && pid !== agent));
    await machine.ready();
    assert.deepEqual(pids(['users', 'tunnel', 'frps']), kept);
    assert.deepEqual(machine.listeners(), listeners);
    assert.deepEqual(lost(await load.end()), []);
  });

  it('supervises what it has taken over', async () => {
    const before = machine.leader('frps');
    process.kill(before, 'SIGKILL');
    await eventually('frps is started again', () => machine.processes('frps').some(({ pid, isLeader }) => isLeader && pid !== before));
    await eventually('the client serves', async () => (await served('web.example.com')).status === 200);
  });

  it('starts anew as the program on disk by SIGHUP, while HAProxy and frps go on', async () => {
    const load = machine.load('web.example.com', lines);
    const kept = (['users', 'tunnel', 'frps'] as const).map((part) => machine.leader(part));
    const agent = machine.leader('agent');
    machine.up!.kill('SIGHUP');
    await eventually('there is another agent', () => machine.processes('agent').some(({ pid, isLeader }) => isLeader && pid !== agent));
    await machine.ready();
    assert.deepEqual(
      (['users', 'tunnel', 'frps'] as const).map((part) => machine.leader(part)),
      kept,
    );
    assert.equal(machine.up!.exitCode, null);
    assert.deepEqual(lost(await load.end()), []);
  });

  it('refuses to start a second time for its directory', async () => {
    const text = await machine.refusal('--dir', machine.directory);
    assert.match(text, new RegExp(`^1: frp-k8s: another frp-k8s gateway up \\(process ${machine.up!.pid}\\) has ${machine.directory}`));
  });

  it('names whoever has one of its ports', async () => {
    const text = await machine.refusal('--dir', join(machine.root, 'second'));
    assert.match(text, /port 8080 \(users, http\) is taken by .+ \(process [0-9]+\): .*--http-port/);
    assert.match(text, /port 7001 \(its own parts, on loopback\) is taken by frps \(process [0-9]+\)/);
  });

  it('turns a client away whose certificate is listed', async () => {
    const certificate = new X509Certificate(readFileSync(join(machine.root, 'desk/tls.crt')));
    const fingerprint = certificate.fingerprint256.replaceAll(':', '').toLowerCase();
    writeFileSync(join(machine.directory, 'revoked.json'), JSON.stringify({ [fingerprint]: '' }));
    await eventually(
      'the shop has no backend any more',
      async () => (await served('shop.example.com', { 'x-api-key': 'open-sesame' })).status === 503,
    );
    assert.equal((await served('web.example.com')).status, 200);
  });

  it('ends by SIGTERM in its order: who is served is served to the end, and nobody new is', async () => {
    const slow = machine.get('/slow/3', { host: 'web.example.com' });
    await sleep(500);
    machine.up!.kill('SIGTERM');
    await eventually('nobody new is taken', async () => (await served('web.example.com')).status === undefined);
    assert.equal((await slow).status, 200);
    const [code] = machine.up!.exitCode === null ? ((await once(machine.up!, 'exit')) as [number]) : [machine.up!.exitCode];
    assert.equal(code, 0);
    const order = machine.log.flatMap(({ msg }) => /^(users|frps|tunnel|agent) has ended$/.exec(msg)?.[1] ?? []);
    assert.deepEqual(order.slice(-4), ['users', 'frps', 'tunnel', 'agent']);
    assert.deepEqual(machine.processes(), []);
  });

  it('serves again from its directory, by the same clients', async () => {
    await machine.started();
    await eventually('the client serves', async () => (await served('web.example.com')).status === 200);
  });

  it('does not start over what is not its own', async () => {
    machine.up!.kill('SIGTERM');
    await once(machine.up!, 'exit');
    const taken = createServer().listen(7000, '0.0.0.0');
    await once(taken, 'listening');
    assert.match(
      await machine.refusal('--dir', machine.directory),
      /port 7000 \(tunnels\) is taken by .*process [0-9]+\): .*--tunnel-port/,
    );
    taken.close();
  });
});
