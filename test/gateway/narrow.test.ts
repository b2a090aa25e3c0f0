/** Networks that let out nothing but 443: tunnels, a link and users' https at one port, with all of it real. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect } from 'node:tls';
import { heard } from '../unit/link/ends.ts';
import { joinAs, serviceItem, startCluster } from '../unit/link/joined.ts';
import { httpProxy, socksProxy } from '../support/proxies.ts';
import { eventually } from './eventually.ts';
import { certificate } from './certificates.ts';
import { Machine, secure } from './up-harness.ts';

const port = 8443;
const gatewayName = 'gw.example.com';

/** A user's request, from an address of loopback. */
function get(host: string, from: string): Promise<{ status: number | undefined; body: string }> {
  return new Promise((resolve) => {
    const nobody = () => resolve({ status: undefined, body: '' });
    const options = {
      host: '127.0.0.1',
      port,
      localAddress: from,
      servername: host,
      headers: { host },
      rejectUnauthorized: false,
      ALPNProtocols: ['http/1.1'],
    };
    const outgoing = request({ ...options, agent: false, timeout: 20_000 }, (incoming) => {
      let body = '';
      incoming.on('data', (chunk: Buffer) => (body += chunk.toString()));
      incoming.on('end', () => resolve({ status: incoming.statusCode, body }));
      incoming.on('error', nobody);
    });
    outgoing.on('error', nobody).on('timeout', () => outgoing.destroy());
    outgoing.end();
  });
}

test('tunnels, links and users’ https share one port, and everybody keeps what they have at ports of their own', async (t) => {
  const machine = new Machine();
  t.after(() => machine.close());
  machine.write('gw.yaml', secure('gw', certificate(t, gatewayName))); // A host of users that has the gateway's own name.
  await machine.started('--tunnel-port', `${port}`, '--address', gatewayName);

  // frpc that dials an IP address names no server; one that dials a name does.
  const app = await machine.client('gw', 'byaddress', (incoming, response) => response.end(incoming.headers['x-forwarded-for']));
  const configuration = JSON.parse(readFileSync(join(machine.root, 'byaddress', 'frpc.json'), 'utf8')) as { serverPort: number };
  assert.equal(configuration.serverPort, port);
  await eventually('users reach the app', async () => (await get(gatewayName, '127.0.0.5')).status === 200);
  assert.deepEqual(await get(gatewayName, '127.0.0.5'), { status: 200, body: '127.0.0.5' }, 'by the address that they have');

  // By proxies, which alone can resolve the name, and want a user and a password.
  const wants = 'me@home:a:b/c%41"é';
  const auth = join(machine.root, 'auth');
  writeFileSync(auth, `${wants}\n`);
  let said = '';
  for (const start of [httpProxy, socksProxy]) {
    const proxy = await start({ wants, to: () => ({ host: '127.0.0.1', port }) });
    t.after(() => proxy.close());
    const name = start.name.toLowerCase();
    const out = join(machine.root, name);
    const flags = ['--dir', machine.directory, '--group', 'gw', '--name', name, '--port', `${app}`, '--out', out];
    await machine.command('client-config', ...flags, '--address', `${gatewayName}:${port}`, '--proxy', proxy.url, '--proxy-auth', auth);
    assert.match(readFileSync(join(out, 'frpc.json'), 'utf8'), /"serverName":"gw\.example\.com"/);
    const frpc = spawn(process.env.FRPC!, ['-c', 'frpc.json'], { cwd: out, stdio: 'pipe' });
    t.after(() => frpc.kill('SIGKILL'));
    let own = '';
    frpc.stdout.on('data', (data: Buffer) => {
      own += data.toString();
      said += data.toString();
    });
    await eventually(`frpc that names the gateway has its tunnel by ${name}`, () => /start proxy success/.test(own));
    assert.deepEqual(proxy.asked.slice(0, 1), [`${gatewayName}:${port}`]);
    assert.doesNotMatch(own, /a:b|a%3Ab/);
  }
  assert.equal((await get(gatewayName, '127.0.0.6')).body, '127.0.0.6', 'and users of the same name are users still');

  const token = await machine.command(
    'gateway',
    'token',
    'create',
    '--dir',
    machine.directory,
    '--cluster',
    'home',
    '--hosts',
    '*.example.com',
  );
  const cluster = startCluster(await joinAs(token.trim()));
  t.after(() => cluster.close());
  assert.ok(cluster.identity.addresses.every((address) => address.endsWith(`:${port}`)));
  cluster.end.outbox.set(serviceItem('api'));
  await eventually('a link comes by the same port', async () => (await machine.get('/', { host: 'api.example.com' })).status === 503);
  assert.ok(heard(cluster.end));

  // Whoever names no server is no user, and without a certificate no client either.
  const stranger = connect({ host: '127.0.0.1', port, rejectUnauthorized: false });
  const problem = new Promise<Error>((resolve) => stranger.on('error', resolve));
  stranger.write('x');
  assert.match((await problem).message, /certificate required|ECONNRESET|handshake failure/);

  // The users' HAProxy goes, and tunnels do not notice; users wait until it is back.
  const logins = () => (said.match(/login to server success/g) ?? []).length;
  const before = logins();
  const tunnel = machine.leader('tunnel');
  process.kill(machine.leader('users'), 'SIGKILL');
  const outcomes = await Promise.all(Array.from({ length: 5 }, () => get(gatewayName, '127.0.0.7')));
  await eventually('users are served again', async () => (await get(gatewayName, '127.0.0.7')).status === 200);
  assert.ok(outcomes.length === 5 && logins() === before && machine.leader('tunnel') === tunnel);
});
