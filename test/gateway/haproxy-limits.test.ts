/** What a real HAProxy bears of one user: connections, requests at a time, headers that never end. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import type { DistributedServiceSpec } from '../../src/model/types.ts';
import { app, freePort, gateway, member, request, service, tally, until, view } from './haproxy-harness.ts';

const host = 'web.example.com';
const expose = { type: 'domain' as const, domain: host };
type RateLimit = NonNullable<NonNullable<DistributedServiceSpec['security']>['rateLimit']>;

/** A tcp service that greets whoever it accepts. */
async function greeter(t: TestContext, rateLimit: RateLimit) {
  const server = createServer((socket) => socket.on('error', () => {}).write('hello')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const port = await freePort();
  const db = service('db', { serviceType: 'tcp', expose: { type: 'port', port }, security: { rateLimit } }, [
    member('shop/db', '1', (server.address() as AddressInfo).port),
  ]);
  return { port, gw: await gateway(t, view(db)) };
}

/** A connection from an address, once it has been greeted; undefined where it is refused. */
async function greeted(t: TestContext, port: number, localAddress: string): Promise<Socket | undefined> {
  const socket = connect({ port, host: '127.0.0.1', localAddress });
  t.after(() => socket.destroy());
  const isGreeted = new Promise<boolean>((resolve) => {
    socket.once('data', () => resolve(true));
    socket.on('error', () => {});
    socket.once('close', () => resolve(false));
  });
  return (await isGreeted) ? socket : undefined;
}

test('a tcp service refuses an address that opens more connections a second than its limit', async (t) => {
  const { port } = await greeter(t, { requestsPerSecond: 1 });
  for (let i = 0; i < 10; i++) assert.ok(await greeted(t, port, '127.0.0.1'), 'one a second, over ten seconds');
  await until(async () => (await Promise.all(Array.from({ length: 5 }, () => greeted(t, port, '127.0.0.1')))).includes(undefined));
  assert.ok(await greeted(t, port, '127.0.0.2'));
});

test('a tcp service refuses connections beyond its limit at a time until one ends', async (t) => {
  const { port } = await greeter(t, { connections: 3 });
  const open = [];
  for (let i = 0; i < 3; i++) open.push(await greeted(t, port, '127.0.0.1'));
  assert.ok(open.every((socket) => socket !== undefined));
  assert.equal(await greeted(t, port, '127.0.0.1'), undefined);
  assert.ok(await greeted(t, port, '127.0.0.2'), 'another address has its own');
  open[0]!.destroy();
  await until(async () => (await greeted(t, port, '127.0.0.1')) !== undefined);
});

test('requests beyond the limit at a time are answered 429 until one ends', async (t) => {
  const held: ServerResponse[] = [];
  const backend = await app(t, 'app', (req, res) => (req.url === '/hold' ? void held.push(res) : void res.end('app')));
  const spec = { expose, security: { rateLimit: { connections: 2 } } };
  const gw = await gateway(t, view(service('web', spec, [member('shop/web', '1', backend.port)])));
  const ask = (path: string) => request(gw.settings.httpPort, host, path);
  const waiting = [ask('/hold'), ask('/hold')];
  await until(() => held.length === 2);
  const more = await ask('/');
  assert.equal(more.status, 429);
  assert.match(more.body, /more than 2 requests at a time/);
  for (const response of held) response.end('held');
  assert.deepEqual(
    (await Promise.all(waiting)).map(({ body }) => body),
    ['held', 'held'],
  );
  await until(async () => (await ask('/')).status === 200);
});

test('clients whose headers never end are answered 408, and hold up nobody', async (t) => {
  const backend = await app(t, 'app');
  const gw = await gateway(t, view(service('web', { expose }, [member('shop/web', '1', backend.port)])));
  const slow = Array.from({ length: 200 }, () => {
    const socket = connect(gw.settings.httpPort, '127.0.0.1');
    socket.on('error', () => {});
    // A header more from time to time does not buy more time.
    const drip = setInterval(() => socket.write('X-More: 1\r\n'), 500);
    socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\n`);
    const answer = new Promise<string>((resolve) => {
      let heard = '';
      socket.on('data', (data: Buffer) => (heard += data.toString()));
      socket.on('close', () => resolve(heard));
    });
    t.after(() => (clearInterval(drip), socket.destroy()));
    return answer;
  });
  assert.equal((await gw.http(host)).status, 200);
  const answers = await Promise.all(slow);
  assert.deepEqual(tally(answers.map((answer) => answer.split(' ')[1] ?? answer)), { 408: slow.length });
  assert.equal(backend.requests.length, 1);
});
