/** Users that hold every connection they can have: the kubelet is answered, their own requests pass, and who comes then waits or is refused. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { connect, createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { maxConnections as mostOf } from '../../src/gateway/haproxy/index.ts';
import { runCommand } from '../../src/gateway/haproxy/runtime/cli.ts';
import { identify } from '../../src/gateway/haproxy/runtime/running.ts';
import { both, certificate } from './certificates.ts';
import { app, freePort, gateway, member, request, service, tally, until, view } from './haproxy-harness.ts';

const host = 'web.example.com';
const expose = { type: 'domain' as const, domain: host };
const maxConnections = 20;

/** A connection to a port, once it is there or refused, and whether it has ended. */
async function connected(t: TestContext, port: number) {
  const socket = connect(port, '127.0.0.1').on('error', () => {});
  t.after(() => socket.destroy());
  let isClosed = false;
  socket.on('close', () => (isClosed = true)).resume();
  await new Promise((settled) => socket.once('connect', settled).once('close', settled));
  return { socket, isClosed: () => isClosed };
}

test('users that are idle on all their connections leave the kubelet its own; one more waits until another ends', async (t) => {
  const backend = await app(t, 'app');
  const healthPort = await freePort();
  const web = service('web', { expose }, [member('shop/web', '1', backend.port)]);
  const gw = await gateway(t, view(web), { maxConnections, healthPort });
  const idle = await Promise.all(Array.from({ length: maxConnections }, () => connected(t, gw.settings.httpPort)));
  for (const { socket } of idle) socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  await until(() => backend.requests.length === maxConnections);

  let hasCome = false;
  const next = gw.http(host).finally(() => (hasCome = true));
  for (let index = 0; index < 20; index++) assert.equal((await request(healthPort, 'kubelet', '/')).status, 200);
  assert.ok(!hasCome && !idle.some(({ isClosed }) => isClosed()), 'who is there stays, who comes waits');
  idle[0]!.socket.destroy();
  assert.equal((await next).body, 'app');
  assert.equal(gw.proxy.reloads, 0, gw.output());
});

test('each of the users that there can be has its request served at the same time', async (t) => {
  const held: ServerResponse[] = [];
  const backend = await app(t, 'app', (_, response) => void held.push(response));
  const healthPort = await freePort();
  const web = service('web', { expose }, [member('shop/web', '1', backend.port)]);
  const gw = await gateway(t, view(web), { maxConnections, healthPort });
  const asked = Array.from({ length: maxConnections }, () => gw.http(host));
  await until(() => held.length === maxConnections);
  assert.equal((await request(healthPort, 'kubelet', '/')).status, 200);
  for (const response of held) response.end('held');
  assert.deepEqual(tally((await Promise.all(asked)).map(({ body }) => body)), { held: maxConnections });
});

test('users of all ports together have so many connections: one more at another port is refused, and it is taken when one has ended', async (t) => {
  const backend = await app(t, 'app');
  const greeter = createServer((socket) => socket.on('error', () => {}).write('hello')).listen(0, '127.0.0.1');
  await once(greeter, 'listening');
  t.after(() => greeter.close());
  const [healthPort, dbPort] = [await freePort(), await freePort()];
  const web = service('web', { expose }, [member('shop/web', '1', backend.port)]);
  const db = service('db', { serviceType: 'tcp', expose: { type: 'port', port: dbPort } }, [
    member('shop/db', '1', (greeter.address() as AddressInfo).port),
  ]);
  const gw = await gateway(t, view(web, db), { maxConnections, healthPort });
  const idle = await Promise.all(Array.from({ length: maxConnections }, () => connected(t, gw.settings.httpPort)));
  for (const { socket } of idle) socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  await until(() => backend.requests.length === maxConnections);

  const refused = await connected(t, dbPort);
  await until(refused.isClosed);
  assert.equal((await request(healthPort, 'kubelet', '/')).status, 200);
  idle[0]!.socket.destroy();
  await until(async () => {
    const socket = connect(dbPort, '127.0.0.1').on('error', () => {});
    t.after(() => socket.destroy());
    return new Promise<boolean>((is) => socket.once('data', () => is(true)).once('close', () => is(false)));
  });
});

test('as many users as the memory limit lets in, each with TLS and half a request that waits, take less than the limit', async (t) => {
  const memory = 64 * 2 ** 20;
  const backend = await app(t, 'app');
  const pair = certificate(t, host);
  const web = service('web', { expose: { ...expose, tls: { secretName: 'web' } } }, [member('shop/web', '1', backend.port)], {
    certificate: both(pair),
  });
  const most = mostOf(memory, 1, 2);
  const gw = await gateway(t, view(web), { maxConnections: most });
  for (let user = 0; user < most + 50; user++) {
    const socket = connectTls({ host: '127.0.0.1', port: gw.settings.httpsPort, servername: host, ca: pair.cert }).on('error', () => {});
    t.after(() => socket.destroy());
    socket.write(`POST / HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 1000000\r\n\r\n${'x'.repeat(20_000)}`);
    if (user < most) await once(socket, 'secureConnect');
  }
  const worker = join(gw.settings.directory, 'worker.sock');
  const connections = async () => Number(/^CurrConns: ([0-9]+)$/m.exec(await runCommand(worker, 'show info'))?.[1]);
  await until(async () => (await connections()) >= 2 * most);
  const status = readFileSync(`/proc/${(await identify(worker)).pid}/status`, 'utf8');
  const resident = Number(/^VmRSS:\s+([0-9]+) kB$/m.exec(status)?.[1]) * 1024;
  t.diagnostic(`${most} users, ${(resident / 2 ** 20).toFixed(0)} MiB`);
  assert.ok(resident < memory, `${resident} bytes`);
});

// The last one: this process, and what it starts, has the limit from here on.
test('HAProxy starts and serves where it may open fewer files than all its connections need', async (t) => {
  execFileSync('prlimit', ['--pid', String(process.pid), '--nofile=2000:2000']);
  const backend = await app(t, 'app');
  const gw = await gateway(t, view(service('web', { expose }, [member('shop/web', '1', backend.port)])), { maxConnections: 4915 });
  assert.equal((await gw.http(host)).body, 'app');
});
