/** Users behind load balancers, at a real HAProxy: whose word about a user's address is believed, and what goes by it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { connect as connectTls } from 'node:tls';
import type { UsersSettings } from '../../src/gateway/haproxy/index.ts';
import type { DistributedServiceSpec } from '../../src/model/types.ts';
import { both, certificate } from './certificates.ts';
import { app, freePort, gateway, member, service, tally, until, view } from './haproxy-harness.ts';

const host = 'web.example.com';
const expose = { type: 'domain' as const, domain: host };
/** The load balancer; whoever comes from another address is none. */
const balancer = '127.0.0.9';
const behind: Partial<UsersSettings> = { trustedProxies: [balancer, '10.0.0.0/8'], proxyProtocol: true };

/** PROXY protocol, version 1 (haproxy.org/download/2.6/doc/proxy-protocol.txt, 2.1). */
const v1 = (user: string) =>
  Buffer.from(`PROXY ${user.includes(':') ? 'TCP6' : 'TCP4'} ${user} ${user.includes(':') ? '::1' : '192.0.2.1'} 4711 80\r\n`);

/** Version 2 (2.2), IPv4. */
function v2(user: string): Buffer {
  const head = Buffer.from('0d0a0d0a000d0a515549540a2111000c', 'hex');
  const addresses = [user, '192.0.2.1'].flatMap((address) => address.split('.').map(Number));
  return Buffer.concat([head, Buffer.from(addresses), Buffer.from([0x12, 0x67, 0, 80])]);
}

/** What comes back on a connection from an address, until it ends. */
async function exchange(port: number, from: string, ...sent: (Buffer | string)[]): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', localAddress: from });
  for (const part of sent) socket.write(part);
  return everything(socket);
}

const everything = (socket: Socket) =>
  new Promise<string>((resolve) => {
    let heard = '';
    socket.on('data', (data: Buffer) => (heard += data.toString()));
    socket.on('error', () => {});
    socket.on('close', () => resolve(heard));
  });

const get = (...headers: string[]) => ['GET / HTTP/1.1', `Host: ${host}`, 'Connection: close', ...headers, '', ''].join('\r\n');
const status = (answer: string) => Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1] ?? 0);

/** An app that answers with the addresses that it is told of. */
async function web(t: TestContext, spec: Partial<DistributedServiceSpec> = {}) {
  const backend = await app(t, 'app', (req, res) => res.end(`for=${String(req.headers['x-forwarded-for'])};`));
  return service('web', { expose, ...spec }, [member('shop/web', '1', backend.port)]);
}

test("the PROXY protocol's address is the user's, in both versions, from load balancers alone", async (t) => {
  const gw = await gateway(t, view(await web(t)), behind);
  const port = gw.settings.httpPort;
  assert.match(await exchange(port, balancer, v1('203.0.113.9'), get()), /for=203\.0\.113\.9;/);
  assert.match(await exchange(port, balancer, v1('2001:db8::9'), get()), /for=2001:db8::9;/);
  assert.match(await exchange(port, balancer, v2('203.0.113.9'), get()), /for=203\.0\.113\.9;/);
  assert.equal(await exchange(port, balancer, get()), '', 'a load balancer that forgets it is not served');
  assert.match(await exchange(port, '127.0.0.1', get()), /for=127\.0\.0\.1;/, 'a user who comes directly has none to send');
  for (const header of [v1('203.0.113.9'), v2('203.0.113.9')]) {
    const answer = await exchange(port, '127.0.0.1', header, get());
    assert.equal(status(answer), 400, 'and is not believed');
    assert.doesNotMatch(answer, /for=/);
  }
});

test('X-Forwarded-For is believed by who the PROXY protocol says it comes from', async (t) => {
  const gw = await gateway(t, view(await web(t, { security: { rateLimit: { requestsPerSecond: 1 } } })), behind);
  const ask = (user: string, forwarded: string) => exchange(gw.settings.httpPort, balancer, v1(user), get(`X-Forwarded-For: ${forwarded}`));
  assert.match(await ask('203.0.113.9', '198.51.100.1'), /for=203\.0\.113\.9;/, 'a user lies');
  assert.match(await ask('10.1.1.1', '198.51.100.1'), /for=198\.51\.100\.1, 10\.1\.1\.1;/, 'a proxy before the load balancer does not');
  // The user behind it is limited,
  await until(async () => status(await ask('10.1.1.1', '198.51.100.1')) === 429);
  assert.equal(status(await ask('10.1.1.1', '198.51.100.2')), 200, 'nobody else');
});

test('ip-hash goes by the address of the user', async (t) => {
  const apps = await Promise.all(['a', 'b', 'c', 'd'].map((name) => app(t, name)));
  const members = apps.map(({ name, port }) => member('shop/web', name, port));
  const services = view(service('web', { expose, loadBalancing: { algorithm: 'ip-hash' } }, members));
  const [direct, proxied] = [await gateway(t, services), await gateway(t, services, behind)];
  const users = Array.from({ length: 30 }, (_, i) => `127.0.2.${i + 1}`);
  const body = (answer: string) => answer.slice(-1);
  const places: string[] = [];
  for (const [i, user] of users.entries()) {
    places.push(body(await exchange(direct.settings.httpPort, user, get())));
    const header = i % 2 ? v1(user) : v2(user);
    assert.equal(body(await exchange(proxied.settings.httpPort, balancer, header, get())), places[i], user);
  }
  assert.ok(Object.keys(tally(places)).length > 1);
});

test('a tcp service is told the address of the user, who is limited by it', async (t) => {
  const seen: string[] = [];
  const backend = createServer((socket) =>
    socket
      .on('error', () => {})
      .once('data', (data: Buffer) => {
        seen.push(data.subarray(16, 20).join('.'));
        socket.end('hello');
      }),
  ).listen(0, '127.0.0.1');
  await once(backend, 'listening');
  t.after(() => backend.close());
  const port = await freePort();
  const db = service(
    'db',
    { serviceType: 'tcp', expose: { type: 'port', port, proxyProtocol: 'v2' }, security: { rateLimit: { requestsPerSecond: 1 } } },
    [member('shop/db', '1', (backend.address() as AddressInfo).port)],
  );
  await gateway(t, view(db), behind);
  assert.equal(await exchange(port, balancer, v1('203.0.113.9'), 'x'), 'hello');
  assert.equal(await exchange(port, '127.0.0.1', 'x'), 'hello');
  assert.deepEqual(seen, ['203.0.113.9', '127.0.0.1']);
  await until(async () => (await exchange(port, balancer, v2('203.0.113.9'), 'x')) === '');
  assert.equal(await exchange(port, balancer, v2('203.0.113.10'), 'x'), 'hello');
  await until(async () => (await exchange(port, balancer, v1('2001:db8::1'), 'x')) === '');
  assert.equal(await exchange(port, balancer, v1('2001:db8::2:2'), 'x'), '', 'another address of one network of IPv6');
  assert.equal(await exchange(port, balancer, v1('2001:db8:0:1::2'), 'x'), 'hello', 'and another network');
});

for (const [version, start] of [
  ['v1', 'PROXY '],
  ['v2', '\r\n\r\n\0\r\nQUIT\n'],
] as const)
  test(`a backend that takes nothing but the PROXY protocol, ${version}, is checked by it too`, async (t) => {
    const strict = createServer((socket) =>
      socket
        .on('error', () => {})
        .once('data', (data: Buffer) => {
          if (!data.toString('latin1').startsWith(start)) return void socket.destroy();
          socket.end('HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\nstrict');
        }),
    ).listen(0, '127.0.0.1');
    await once(strict, 'listening');
    t.after(() => strict.close());
    const spec = {
      expose: { ...expose, proxyProtocol: version },
      loadBalancing: { healthCheck: { type: 'http' as const, interval: '1s' } },
    };
    const services = (members: number[]) =>
      view(
        service(
          'web',
          spec,
          members.map((port) => member('shop/web', '1', port)),
        ),
      );
    const gw = await gateway(t, services([]));
    await gw.apply(services([(strict.address() as AddressInfo).port]));
    await until(async () => (await gw.proxy.states()).some(({ status, check }) => status === 'up' && check === 'L7OK'));
    assert.equal((await gw.http(host)).body, 'strict');
  });

test('the PROXY protocol is read on the https port too, where TLS ends and where some of it passes through', async (t) => {
  const pair = certificate(t, host);
  const secure = { ...(await web(t, { expose: { ...expose, tls: { secretName: 's' } } })), certificate: both(pair) };
  const raw = service('raw', { serviceType: 'tcp', expose: { type: 'domain', domain: 'raw.example.com' } }, []);
  for (const services of [view(secure), view(secure, raw)]) {
    const gw = await gateway(t, services, behind);
    const socket = connect({ port: gw.settings.httpsPort, host: '127.0.0.1', localAddress: balancer });
    socket.write(v2('203.0.113.9'));
    const tls = connectTls({ socket, servername: host, ca: pair.cert });
    tls.write(get());
    assert.match(await everything(tls), /for=203\.0\.113\.9;/);
  }
});
