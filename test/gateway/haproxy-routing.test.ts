/** Where requests go, at a real HAProxy: hosts, paths, routes, protocols, headers. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectH2 } from 'node:http2';
import { connect, createServer, type AddressInfo } from 'node:net';
import { test } from 'node:test';
import { call, grpcApp } from './grpc.ts';
import { app, freePort, gateway, member, request, service, tally, until, view } from './haproxy-harness.ts';

const domain = (name: string, path?: string) => ({ type: 'domain' as const, domain: name, ...(path !== undefined && { path }) });

test('an exact host comes before a wildcard, and of its paths the longest counts, by whole segments', async (t) => {
  const of = async (name: string, host: string, path?: string) => {
    const backend = await app(t, name);
    return service(name, { expose: domain(host, path) }, [member(`shop/${name}`, '1', backend.port)]);
  };
  const gw = await gateway(
    t,
    view(
      await of('root', 'a.example.com'),
      await of('api', 'a.example.com', '/api/'),
      await of('deep', 'a.example.com', '/api/v1'),
      await of('wild', '*.example.com'),
      await of('wilder', '*.b.example.com'),
      await of('only', 'c.example.com', '/only'),
    ),
  );
  const where = async (host: string, path = '/') => {
    const { status, body } = await gw.http(host, path);
    return status === 200 ? body : status;
  };
  assert.equal(await where('a.example.com'), 'root');
  assert.equal(await where('A.Example.COM:8080', '/apis'), 'root');
  assert.equal(await where('a.example.com.', '/api'), 'api');
  assert.equal(await where('a.example.com', '/api/v10?x=/api/v1'), 'api');
  assert.equal(await where('a.example.com', '/api/v1'), 'deep');
  assert.equal(await where('a.example.com', '/api/v1/x/y'), 'deep');
  assert.equal(await where('x.y.example.com'), 'wild');
  assert.equal(await where('x.b.example.com'), 'wilder');
  assert.equal(await where('example.com'), 404);
  assert.equal(await where('xexample.com'), 404);
  assert.equal(await where('c.example.com', '/other'), 404, 'a host of its own is not served by the wildcard');
  assert.equal(await where('c.example.com', '/only/x'), 'only');
});

test('routes lead by path and header, in shares, with the protection of both services', async (t) => {
  const [main, canary, auth] = [await app(t, 'main'), await app(t, 'canary'), await app(t, 'auth')];
  const of = (weight: number) =>
    view(
      service(
        'main',
        {
          expose: domain('a.example.com'),
          routes: [
            { path: '/auth/*', groups: [{ name: 'auth' }] },
            { headers: { 'X-Canary': 'yes "%[src]' }, groups: [{ name: 'canary' }] },
            {
              path: '/split',
              groups: [
                { name: 'canary', weight },
                { name: 'main', weight: 100 - weight },
              ],
            },
            { path: '/gone', groups: [{ name: 'missing' }] },
          ],
        },
        [member('shop/main', '1', main.port)],
      ),
      service('canary', { expose: {} }, [member('shop/canary', '1', canary.port)]),
      service('auth', { expose: {} }, [member('shop/auth', '1', auth.port)], { access: { kind: 'unavailable', reason: 'no Secret' } }),
    );
  const gw = await gateway(t, of(30));
  const where = async (path: string, headers: Record<string, string> = {}) => (await gw.http('a.example.com', path, { headers })).body;
  assert.equal(await where('/'), 'main');
  assert.equal((await gw.http('a.example.com', '/auth/x')).status, 503, 'a route does not pass by the protection of its group');
  assert.equal(auth.requests.length, 0);
  assert.equal(await where('/authx'), 'main');
  assert.equal(await where('/', { 'x-canary': 'yes "%[src]' }), 'canary');
  assert.equal(await where('/', { 'x-canary': 'yes' }), 'main');
  assert.equal(await where('/gone'), 'main');
  const split = async () => {
    const bodies: string[] = [];
    for (let i = 0; i < 1000; i++) bodies.push(await where('/split/x'));
    return (tally(bodies).canary ?? 0) / 1000;
  };
  assert.ok(Math.abs((await split()) - 0.3) < 0.05);
  await gw.apply(of(0));
  assert.equal(await split(), 0);
});

test('a canary beside the service itself has its share, behind the same protection, and whoever asks for it by header', async (t) => {
  const [main, canary] = [await app(t, 'main'), await app(t, 'canary')];
  const key = 'key-of-alice';
  const access = {
    kind: 'keys' as const,
    header: 'apikey' as const,
    clients: { [createHash('sha256').update(key).digest('hex')]: 'alice' },
  };
  const of = (weight: number) =>
    view(
      service(
        'main',
        {
          expose: domain('a.example.com'),
          routes: [
            { path: '/stays', groups: [{ name: 'main' }] },
            { headers: { 'X-Canary': 'yes' }, groups: [{ name: 'canary' }] },
            {
              groups: [
                { name: 'main', weight: 100 - weight },
                { name: 'canary', weight },
              ],
            },
          ],
        },
        [member('shop/main', '1', main.port)],
        { access },
      ),
      service('canary', { expose: {} }, [member('shop/canary', '1', canary.port)]),
    );
  const gw = await gateway(t, of(10));
  const ask = (path: string, headers: Record<string, string> = {}) =>
    gw.http('a.example.com', path, { headers: { 'x-api-key': key, ...headers } });
  const share = async (path: string) => {
    const bodies: string[] = [];
    for (let i = 0; i < 1000; i++) bodies.push((await ask(path)).body);
    const counts = tally(bodies);
    assert.equal((counts.main ?? 0) + (counts.canary ?? 0), 1000);
    return (counts.canary ?? 0) / 1000;
  };
  assert.ok(Math.abs((await share('/')) - 0.1) < 0.05);
  assert.equal(await share('/stays/here'), 0);
  assert.equal((await ask('/', { 'x-canary': 'yes' })).body, 'canary');
  for (let i = 0; i < 30; i++) assert.equal((await ask('/', { 'x-api-key': 'wrong' })).status, 401);
  await gw.apply(of(60));
  assert.ok(Math.abs((await share('/')) - 0.6) < 0.05);
});

test('headers about the client are removed where a client sends them, and believed where a trusted proxy does', async (t) => {
  const backend = await app(t, 'a');
  const services = view(service('web', { expose: domain('a.example.com') }, [member('shop/web', '1', backend.port)]));
  const lies = {
    'x-forwarded-for': '1.2.3.4',
    'x-forwarded-proto': 'https',
    'x-forwarded-evil': 'x',
    forwarded: 'for=1.2.3.4',
    'x-real-ip': '1.2.3.4',
    'x-frp-client': 'root',
    upgrade: 'h2c',
    connection: 'upgrade',
    traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  };
  const open = await gateway(t, services);
  await open.http('a.example.com', '/', { headers: lies });
  const plain = backend.requests.at(-1)!.headers;
  assert.equal(plain['x-forwarded-for'], '127.0.0.1');
  assert.equal(plain['x-forwarded-proto'], 'http');
  assert.equal(plain['x-forwarded-host'], 'a.example.com');
  for (const name of ['x-forwarded-evil', 'forwarded', 'x-real-ip', 'x-frp-client', 'upgrade']) assert.equal(plain[name], undefined, name);
  assert.equal(plain.traceparent, lies.traceparent);
  const behind = await gateway(t, services, { trustedProxies: ['127.0.0.1/32', '10.0.0.0/8'] });
  await behind.http('a.example.com', '/', { headers: { ...lies, 'x-forwarded-for': '6.6.6.6, 203.0.113.9, 10.1.1.1' } });
  const believed = backend.requests.at(-1)!.headers;
  assert.equal(believed['x-forwarded-for'], '6.6.6.6, 203.0.113.9, 10.1.1.1, 127.0.0.1');
  assert.equal(believed['x-forwarded-proto'], 'https');
  assert.equal(believed['x-frp-client'], undefined);
});

test('gRPC at a port of its own has the calls of one channel spread and its health service asked', async (t) => {
  const [one, two, sick] = [await grpcApp(t, 'one'), await grpcApp(t, 'two'), await grpcApp(t, 'sick', false)];
  const port = await freePort();
  const spec = {
    serviceType: 'grpc' as const,
    expose: { type: 'port' as const, port },
    loadBalancing: { algorithm: 'round-robin' as const, healthCheck: { type: 'grpc' as const } },
  };
  const empty = view(service('g', spec, []));
  const gw = await gateway(t, empty);
  await gw.apply(
    view(
      service(
        'g',
        spec,
        [one, two, sick].map((each) => member('shop/g', each.name, each.port)),
      ),
    ),
  );
  await until(async () => (await gw.proxy.states()).filter(({ status }) => status === 'up').length === 2);
  const session = connectH2(`http://127.0.0.1:${port}`);
  t.after(() => session.destroy());
  const bodies: string[] = [];
  for (let i = 0; i < 10; i++) bodies.push(await call(session));
  assert.deepEqual(tally(bodies), { one: 5, two: 5 });
});

test('WebSocket connections pass, and stay over a reload', async (t) => {
  const echo = createServer((socket) => {
    socket
      .on('error', () => {})
      .once('data', (head: Buffer) => {
        if (head.toString().startsWith('GET /ws'))
          socket.write(
            'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n',
          );
        socket.on('data', (data) => socket.write(data));
      });
  });
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
  t.after(() => echo.close());
  const web = service('web', { expose: domain('a.example.com') }, [member('shop/web', '1', (echo.address() as AddressInfo).port)]);
  const gw = await gateway(t, view(web));
  const socket = connect(gw.settings.httpPort, '127.0.0.1');
  t.after(() => socket.destroy());
  socket.write(
    'GET /ws HTTP/1.1\r\nHost: a.example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  );
  assert.match(String(((await once(socket, 'data')) as [Buffer])[0]), /^HTTP\/1.1 101 /);
  await gw.apply(view(web, service('b', { expose: domain('b.example.com') }, [])));
  assert.equal(gw.proxy.reloads, 1);
  socket.write('still here');
  assert.equal(String(((await once(socket, 'data')) as [Buffer])[0]), 'still here');
});

test('backends are sent the PROXY protocol where the spec says so', async (t) => {
  const seen: string[] = [];
  const backend = createServer((socket) =>
    socket
      .on('error', () => {})
      .once('data', (data: Buffer) => {
        seen.push(data.toString());
        socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
      }),
  );
  backend.listen(0, '127.0.0.1');
  await once(backend, 'listening');
  t.after(() => backend.close());
  const gw = await gateway(
    t,
    view(
      service('web', { expose: { ...domain('a.example.com'), proxyProtocol: 'v1' } }, [
        member('shop/web', '1', (backend.address() as AddressInfo).port),
      ]),
    ),
    { trustedProxies: ['127.0.0.1'] },
  );
  await request(gw.settings.httpPort, 'a.example.com', '/', { headers: { 'x-forwarded-for': '203.0.113.9' } });
  assert.match(seen[0]!, /^PROXY TCP4 203\.0\.113\.9 /);
});

test('answers are compressed where the spec says so', async (t) => {
  const backend = await app(t, 'a', (_req, res) => res.setHeader('content-type', 'application/json').end(JSON.stringify('x'.repeat(5000))));
  const of = (compression: boolean) =>
    view(service('web', { expose: domain('a.example.com'), advanced: { compression } }, [member('shop/web', '1', backend.port)]));
  const gw = await gateway(t, of(false));
  const encoding = async () =>
    (await gw.http('a.example.com', '/', { headers: { 'accept-encoding': 'gzip' } })).headers.get('content-encoding');
  assert.equal(await encoding(), null);
  await gw.apply(of(true));
  assert.equal(await encoding(), 'gzip');
});
