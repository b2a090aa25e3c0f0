/** The port that a ClusterIP Service leads to, at a real HAProxy: one service's alone, with all that it asks of its users. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { test, type TestContext } from 'node:test';
import { createAuthority, issue } from '../../certs/authority.ts';
import { app, freePort, gateway, member, request, service, view } from './haproxy-harness.ts';

/** Chain and key for a host. */
async function certificate(host: string): Promise<string> {
  const validity = { lifetimeMs: 3_600_000, now: Date.now() };
  const authority = await createAuthority(validity);
  const { certPem, keyPem } = await issue(authority, { commonName: host, dnsNames: [host], usages: ['serverAuth'], ...validity });
  return `${certPem.trim()}\n${keyPem.trim()}\n`;
}

/** The first line of what a server says over TLS to a request. */
async function overTls(port: number, host: string): Promise<string> {
  const socket = connectTls({ host: '127.0.0.1', port, servername: host, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] });
  await once(socket, 'secureConnect');
  socket.end(`GET / HTTP/1.1\r\nHost: anything\r\nConnection: close\r\n\r\n`);
  let text = '';
  for await (const chunk of socket) text += String(chunk);
  return text.split('\r\n')[0]!;
}

const web = async (t: TestContext, name: string, more: Parameters<typeof service>[1] = {}, given: Parameters<typeof service>[3] = {}) => {
  const backend = await app(t, name);
  const clusterPort = await freePort();
  const expose = { type: 'domain' as const, domain: `${name}.example.com`, clusterService: {}, ...more.expose };
  return {
    backend,
    clusterPort,
    of: service(name, { ...more, expose }, [member(`shop/${name}`, '1', backend.port)], { clusterPort, ...given }),
  };
};

test('the port is one service’s, whatever Host a request names, and the backend learns that Host and the client', async (t) => {
  const a = await web(t, 'a');
  const b = await web(t, 'b');
  await gateway(t, view(a.of, b.of));
  for (const host of ['a.shop', 'b.example.com', 'shop.example.org']) assert.equal((await request(a.clusterPort, host, '/x')).body, 'a');
  assert.equal((await request(b.clusterPort, 'a.example.com', '/')).body, 'b');
  await request(a.clusterPort, 'shop.example.org', '/', { headers: { 'X-Forwarded-For': '192.0.2.1', 'X-Frp-Client': 'root' } });
  const { headers } = a.backend.requests.at(-1)!;
  assert.equal(headers.host, 'shop.example.org');
  assert.equal(headers['x-forwarded-for'], '127.0.0.1');
  assert.equal(headers['x-forwarded-proto'], 'http');
  assert.equal(headers['x-frp-client'], undefined);
});

test('credentials, roles and the path of users are asked for there too', async (t) => {
  const clients = { [createHash('sha256').update('right').digest('hex')]: 'me' };
  const { clusterPort, of } = await web(
    t,
    'guarded',
    {
      expose: { type: 'path', domain: 'guarded.example.com', path: '/v1' },
      security: { authentication: { type: 'token', tokenSecret: 'keys' } },
    },
    { access: { kind: 'keys', header: 'bearer', clients } },
  );
  await gateway(t, view(of));
  const status = async (path: string, token?: string) =>
    (await request(clusterPort, 'guarded.shop', path, token === undefined ? {} : { headers: { Authorization: `Bearer ${token}` } })).status;
  assert.deepEqual([await status('/v1'), await status('/v1/x', 'wrong'), await status('/v1/x', 'right')], [401, 401, 200]);
  for (const path of ['/', '/admin', '/v10', '/v1/../admin', '/v1/%2e%2e/admin']) assert.equal(await status(path, 'right'), 404, path);
});

test('a service that nobody may use without TLS is not reached without it there either, and one with a certificate alone is', async (t) => {
  const tls = { secretName: 'web-tls' };
  const strict = await web(
    t,
    'strict',
    { expose: { tls: { ...tls, redirect: true } } },
    { certificate: await certificate('strict.example.com') },
  );
  const lacking = await web(t, 'lacking', { expose: { tls: { ...tls, redirect: true } } });
  const both = await web(t, 'both', { expose: { tls } }, { certificate: await certificate('both.example.com') });
  await gateway(t, view(strict.of, lacking.of, both.of));
  await assert.rejects(request(strict.clusterPort, 'strict.shop', '/'));
  assert.match(await overTls(strict.clusterPort, 'strict.shop'), /200/);
  await assert.rejects(request(lacking.clusterPort, 'lacking.shop', '/'));
  assert.equal((await request(both.clusterPort, 'both.shop', '/')).body, 'both');
  assert.deepEqual([strict.backend.requests.length, lacking.backend.requests.length], [1, 0]);
});

test('a service without a host has it as its only address, and a tcp service has its connections passed', async (t) => {
  const inner = await web(t, 'inner', { expose: { type: 'path', path: '/', domain: undefined } });
  const echo = createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1');
  await once(echo, 'listening');
  t.after(() => echo.close());
  const clusterPort = await freePort();
  const { port } = echo.address() as { port: number };
  const stream = service(
    'stream',
    { serviceType: 'tcp', expose: { type: 'domain', domain: 'stream.example.com' } },
    [member('shop/stream', '1', port)],
    {
      clusterPort,
    },
  );
  const gw = await gateway(t, view(inner.of, stream));
  assert.equal((await request(inner.clusterPort, 'inner.shop', '/')).body, 'inner');
  assert.equal((await gw.http('inner.example.com')).status, 404);
  const socket = connect(clusterPort, '127.0.0.1');
  socket.write('as it is');
  const [answer] = (await once(socket, 'data')) as [Buffer];
  assert.equal(String(answer), 'as it is');
  socket.destroy();
});

test('the port opens and shuts while HAProxy runs', async (t) => {
  const a = await web(t, 'a');
  const gw = await gateway(t, view({ ...a.of, clusterPort: undefined }));
  await assert.rejects(request(a.clusterPort, 'a.shop', '/'), /ECONNREFUSED/);
  await gw.apply(view(a.of));
  assert.equal((await request(a.clusterPort, 'a.shop', '/')).body, 'a');
  await gw.apply(view({ ...a.of, clusterPort: undefined }));
  await assert.rejects(request(a.clusterPort, 'a.shop', '/'));
});
