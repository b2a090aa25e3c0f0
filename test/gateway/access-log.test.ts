/** The access log at a real HAProxy: what a line says, what a user cannot make it say, and what no user gets to see of it. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { test, type TestContext } from 'node:test';
import { Registry } from '@prometheus-io/client';
import { defaultConfig, type Config } from '../../src/config/schema.ts';
import type { UsersSettings } from '../../src/gateway/haproxy/index.ts';
import type { View } from '../../src/gateway/ir/ir.ts';
import { openTraffic, type Traffic } from '../../src/gateway/telemetry/traffic.ts';
import { logTo } from '../../src/log.ts';
import { both, certificate } from './certificates.ts';
import { app, freePort, gateway, member, request, service, until, view, type Gateway } from './haproxy-harness.ts';
import { replicas } from './replicas-harness.ts';

const host = 'web.example.com';
const expose = { type: 'domain' as const, domain: host };
type Line = Record<string, unknown>;

interface Told {
  lines: Line[];
  texts: string[];
  traffic: Traffic;
  settings: Partial<UsersSettings>;
  /** of a request, by a part of its path */
  of: (path: string) => Promise<Line>;
}

/** An access log, before there is a HAProxy to fill it. */
async function accessLog(t: TestContext, more: Partial<Config['gateway']['accessLog']> = {}): Promise<Told> {
  const lines: Line[] = [];
  const texts: string[] = [];
  const config = {
    ...defaultConfig,
    gateway: { ...defaultConfig.gateway, accessLog: { ...defaultConfig.gateway.accessLog, enabled: true, ...more } },
  };
  const write = (text: string) => {
    texts.push(text);
    for (const line of text.trimEnd().split('\n')) lines.push(JSON.parse(line) as Line);
    return true;
  };
  const stats = () => Promise.reject(new Error('not asked here'));
  const traffic = await openTraffic({
    config,
    registry: new Registry(),
    stats,
    logPort: 0,
    replica: 'gw-0',
    write,
    log: logTo({ write: () => {} }),
  });
  t.after(() => traffic.close());
  const find = (path: string) => lines.filter((line) => String(line.path).includes(path));
  const of = async (path: string) => {
    await until(() => find(path).length > 0);
    return find(path)[0]!;
  };
  return { lines, texts, traffic, settings: traffic.settings, of };
}

async function logged(
  t: TestContext,
  first: View,
  more: Partial<Config['gateway']['accessLog']> = {},
): Promise<{ gw: Gateway; log: Told }> {
  const log = await accessLog(t, more);
  log.traffic.setView(first);
  return { gw: await gateway(t, first, log.settings), log };
}

const web = (port: number, more: Parameters<typeof service>[1] = {}, access: Parameters<typeof service>[3] = {}) =>
  service('web', { expose, ...more }, [member('shop/web', '1', port)], access);

test('a request has one line: who asked whom for what, and how it ended; the way it took is not in the answer', async (t) => {
  const backend = await app(t, 'app');
  const { gw, log } = await logged(t, view(web(backend.port)));
  const { status, headers } = await gw.http(host, '/a/b?secret=1');
  assert.equal(status, 200);
  assert.deepEqual(
    [...headers.keys()].filter((name) => name.startsWith('x-frp')),
    [],
  );
  const { time, durationMs, firstByteMs, bytesIn, bytesOut, requestId, ...line } = await log.of('/a/b');
  assert.deepEqual(line, {
    level: 'info',
    event: 'request',
    reason: 'Completed',
    namespace: 'shop',
    service: 'web',
    protocol: 'http',
    method: 'GET',
    host,
    path: '/a/b',
    status: 200,
    answeredBy: 'backend',
    backend: `10.0.0.1:${backend.port}`,
    retries: 0,
    replica: 'gw-0',
    user: '127.0.0.0/24',
    msg: 'request',
  });
  assert.match(String(time), /^\d{4}-\d\d-\d\dT.*Z$/);
  assert.ok(Number(durationMs) >= Number(firstByteMs) && Number(bytesIn) > 0 && Number(bytesOut) > 0);
  assert.match(String(requestId), /^[0-9a-f-]{36}$/);
  assert.equal(backend.requests[0]!.headers['x-request-id'], requestId);
  await gw.http(host, '/second');
  await log.of('/second');
  assert.equal(log.lines.length, 2);
  assert.ok(!log.texts.join('').includes('secret'));
});

test('the query is there where it is asked for; ids that a request brings are its own', async (t) => {
  const backend = await app(t, 'app');
  const { gw, log } = await logged(t, view(web(backend.port)), { query: true, addresses: 'whole' });
  const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
  await gw.http(host, '/q?a=b&c', { headers: { 'x-request-id': 'mine', traceparent } });
  const line = await log.of('/q');
  assert.deepEqual([line.query, line.requestId, line.traceparent, line.user], ['a=b&c', 'mine', traceparent, '127.0.0.1']);
  assert.equal(backend.requests[0]!.headers.traceparent, traceparent);
  await gw.http(host, '/bad-trace', { headers: { traceparent: '00-zz' } });
  assert.equal((await log.of('/bad-trace')).traceparent, undefined);
});

test("an answer of the gateway's own says why, and who was refused", async (t) => {
  const backend = await app(t, 'app');
  const hash = createHash('sha256').update('right').digest('hex');
  const { gw, log } = await logged(
    t,
    view(web(backend.port, {}, { access: { kind: 'keys', header: 'apikey', clients: { [hash]: 'ci-bot' } } })),
  );
  await gw.http(host, '/no-key');
  await gw.http(host, '/key', { headers: { 'x-api-key': 'right' } });
  await gw.http('nobody.example.com', '/nowhere');
  const facts = async (path: string) => {
    const { reason, status, answeredBy, service: name, client } = await log.of(path);
    return { reason, status, answeredBy, name, client };
  };
  assert.deepEqual(await facts('/no-key'), {
    reason: 'NotAuthenticated',
    status: 401,
    answeredBy: 'gateway',
    name: 'web',
    client: undefined,
  });
  assert.deepEqual(await facts('/key'), { reason: 'Completed', status: 200, answeredBy: 'backend', name: 'web', client: 'ci-bot' });
  assert.deepEqual(await facts('/nowhere'), {
    reason: 'NotPublished',
    status: 404,
    answeredBy: 'gateway',
    name: undefined,
    client: undefined,
  });
});

test('a backend that is not there, breaks off, or is left by its user is told apart', async (t) => {
  const app1 = await app(t, 'app', (req, res) => {
    if (req.url === '/breaks') {
      res.writeHead(200, { 'content-length': '1000' });
      res.write('some');
      setTimeout(() => res.destroy(), 50);
    } else if (req.url === '/streams') {
      const timer = setInterval(() => res.write('some'), 10);
      res.on('close', () => clearInterval(timer));
    } else req.socket.destroy();
  });
  const { gw, log } = await logged(t, view(web(app1.port, { advanced: { retry: { enabled: true, maxAttempts: 2 } } })));
  await gw.http(host, '/breaks').catch(() => {});
  await gw.http(host, '/fails');
  const socket = connect(gw.settings.httpPort, '127.0.0.1');
  socket.write(`GET /streams HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  await once(socket, 'data');
  socket.destroy();
  assert.equal((await log.of('/breaks')).reason, 'BackendFailed');
  assert.equal((await log.of('/streams')).reason, 'UserGone');
  const failed = await log.of('/fails');
  assert.deepEqual([failed.reason, failed.status, failed.answeredBy, failed.retries], ['BackendFailed', 502, 'gateway', 1]);
  assert.equal(failed.backend, `10.0.0.1:${app1.port}`);
});

test('whatever is sent, a line is one line of JSON and of bounded length', async (t) => {
  const backend = await app(t, 'app');
  const { gw, log } = await logged(t, view(web(backend.port)), { query: true });
  const raw = async (text: string | Buffer) => {
    const socket = connect(gw.settings.httpPort, '127.0.0.1').on('error', () => {});
    socket.end(text);
    socket.resume();
    await once(socket, 'close');
  };
  const get = (path: string, ...headers: string[]) =>
    [`GET ${path} HTTP/1.1`, `Host: ${host}`, 'Connection: close', ...headers, '', ''].join('\r\n');
  await raw(get(`/long-${'x'.repeat(8000)}?${'q'.repeat(4000)}`));
  await raw(get('/quote-"}{"event":"refusal"'));
  await raw(get('/encoded-%0a%00%22|a|b|', 'X-Request-Id: a|b\t"\u00ff\\', `traceparent: 00-${'0'.repeat(32)}-00f067aa0ba902b7-01`));
  await raw(get('/served-', 'X-Frp-Served: be-0000000000000000/s-0000000000000000 9 1'));
  await raw(Buffer.from('GET /\x00\x01 HTTP/1.1\r\n\r\n', 'latin1'));
  await raw(`BREW /brew HTTP/1.1\r\nHost: a"b\r\nConnection: close\r\n\r\n`);
  await raw(get('/last-'));
  await log.of('/last-');
  const { cut, path, query } = await log.of('/long-');
  assert.deepEqual([cut, String(path).length, String(query).length], [true, 1024, 1024]);
  assert.equal((await log.of('/quote-')).path, '/quote-"}{"event":"refusal"');
  assert.equal((await log.of('/encoded-')).path, '/encoded-%0a%00%22|a|b|');
  assert.equal((await log.of('/served-')).retries, 0);
  assert.equal((await log.of('/brew')).method, 'BREW');
  for (const text of log.texts) assert.ok(text.indexOf('\n') === text.length - 1 && text.length < 20_480);
  assert.ok(log.lines.every(({ event }) => event === 'request'));
});

test('a backend cannot say that another one was asked', async (t) => {
  const backend = await app(t, 'app', (_req, res) => res.setHeader('X-Frp-Served', 'be-0000000000000000/s-0000000000000000 9 1').end());
  const { gw, log } = await logged(t, view(web(backend.port)));
  const { headers } = await gw.http(host, '/forged');
  assert.equal(headers.get('x-frp-served'), null);
  const line = await log.of('/forged');
  assert.deepEqual([line.backend, line.retries], [`10.0.0.1:${backend.port}`, 0]);
});

test('a request that is handed over has one line, at the replica that the user came to, with the backend of the other', async (t) => {
  const there = await app(t, 'there');
  const log = await accessLog(t);
  const [empty, full] = [view(service('web', { expose }, [])), view(web(there.port))];
  log.traffic.setView(full);
  const [a] = await replicas(t, [empty, full], log.settings);
  await until(async () => (await a.http(host, '/wait')).status === 200);
  const { headers } = await a.http(host, '/handed');
  assert.equal(headers.get('x-frp-served'), null);
  const line = await log.of('/handed');
  assert.deepEqual([line.handedTo, line.backend, line.reason, line.status], ['gw-1', `10.0.0.1:${there.port}`, 'Completed', 200]);
  await a.http(host, '/after');
  await log.of('/after');
  assert.equal(log.lines.filter(({ path }) => path === '/handed').length, 1);
});

test('a connection of tcp has a line when it is closed; TLS that passes through, and what ends here, has one each', async (t) => {
  const echo = createServer((socket) => socket.on('error', () => {}).pipe(socket)).listen(0, '127.0.0.1');
  await once(echo, 'listening');
  t.after(() => echo.close());
  const { port: echoPort } = echo.address() as AddressInfo;
  const port = await freePort();
  const backend = await app(t, 'app');
  const pem = both(certificate(t, host));
  const db = service('db', { serviceType: 'tcp', expose: { type: 'port', port } }, [member('shop/db', '1', echoPort)]);
  const streams = service(
    'stream',
    { serviceType: 'tcp', expose: { type: 'domain', domain: 'stream.example.com', tls: { secretName: 'tls' } } },
    [member('shop/stream', '1', echoPort)],
    { certificate: pem },
  );
  const secure = web(backend.port, { expose: { ...expose, tls: { secretName: 'tls' } } }, { certificate: pem });
  const { gw, log } = await logged(t, view(db, streams, secure));
  const exchange = async (socket: ReturnType<typeof connect>, text: string) => {
    socket.on('error', () => {}).write(text);
    await once(socket, 'data');
    socket.end();
    await once(socket, 'close');
  };
  await exchange(connect(port, '127.0.0.1'), 'hello');
  const tls = (servername: string) => connectTls({ port: gw.settings.httpsPort, host: '127.0.0.1', servername, rejectUnauthorized: false });
  await exchange(tls('stream.example.com'), 'hello');
  await exchange(tls(host), `GET /over-tls HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  await log.of('/over-tls');
  await until(() => log.lines.length >= 3);
  const facts = log.lines.map(({ service: name, protocol, backend: at, reason }) => ({ name, protocol, at, reason }));
  assert.deepEqual(
    facts.sort((a, b) => (String(a.name) < String(b.name) ? -1 : 1)),
    [
      { name: 'db', protocol: 'tcp', at: `10.0.0.1:${echoPort}`, reason: 'Completed' },
      { name: 'stream', protocol: 'tcp', at: `10.0.0.1:${echoPort}`, reason: 'Completed' },
      { name: 'web', protocol: 'http', at: `10.0.0.1:${backend.port}`, reason: 'Completed' },
    ],
  );
});

test('a connection of tcp that another replica takes has a line at each: who took it, and which backend it was', async (t) => {
  const echo = createServer((socket) => socket.on('error', () => {}).pipe(socket)).listen(0, '127.0.0.1');
  await once(echo, 'listening');
  t.after(() => echo.close());
  const port = await freePort();
  const log = await accessLog(t);
  const db = (members: Parameters<typeof service>[2]) =>
    view(service('db', { serviceType: 'tcp', expose: { type: 'port', port } }, members));
  const { port: echoPort } = echo.address() as AddressInfo;
  const full = db([member('shop/db', '1', echoPort)]);
  log.traffic.setView(full);
  const [a] = await replicas(t, [db([]), full], log.settings);
  const socket = connect(port, a.settings.addresses![0]).on('error', () => {});
  socket.write('hello');
  await once(socket, 'data');
  socket.end();
  await until(() => log.lines.length >= 2);
  const facts = log.lines.map(({ service: name, handedTo, handedOver, backend, reason }) => ({
    name,
    handedTo,
    handedOver,
    backend,
    reason,
  }));
  assert.deepEqual(
    facts.toSorted((one) => (one.handedTo === undefined ? 1 : -1)),
    [
      { name: 'db', handedTo: 'gw-1', handedOver: undefined, backend: undefined, reason: 'HandedOver' },
      { name: 'db', handedTo: undefined, handedOver: true, backend: `10.0.0.1:${echoPort}`, reason: 'Completed' },
    ],
  );
});

test('behind a load balancer that is trusted the user is whom it names, and of a stranger nobody', async (t) => {
  const backend = await app(t, 'app');
  const first = view(web(backend.port));
  const log = await accessLog(t, { addresses: 'whole' });
  log.traffic.setView(first);
  const headers = { 'x-forwarded-for': '203.0.113.9' };
  const behind = await gateway(t, first, { ...log.settings, trustedProxies: ['127.0.0.0/8'] });
  await behind.http(host, '/behind', { headers });
  assert.equal((await log.of('/behind')).user, '203.0.113.9');
  const open = await gateway(t, first, log.settings);
  await open.http(host, '/open', { headers });
  assert.equal((await log.of('/open')).user, '127.0.0.1');
});

test('without the access log nothing is told, and no request gets an id', async (t) => {
  const backend = await app(t, 'app');
  const log = await accessLog(t, { enabled: false });
  const gw = await gateway(t, view(web(backend.port)), log.settings);
  await request(gw.settings.httpPort, host, '/quiet');
  assert.equal(backend.requests[0]!.headers['x-request-id'], undefined);
  assert.deepEqual(log.lines, []);
});
