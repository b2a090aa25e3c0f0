/** Two replicas, each a real HAProxy: what one cannot serve the other one does. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { connect as connectHttp2, createServer as createHttp2, type Http2Server } from 'node:http2';
import { connect, createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { test, type TestContext } from 'node:test';
import { runCommand } from '../../src/gateway/haproxy/runtime/cli.ts';
import type { HandedRequests } from '../../src/gateway/haproxy/runtime/stats.ts';
import { proxyHeader } from '../../src/gateway/replicas/proxy-protocol.ts';
import { app, freePort, member, request, service, tally, until, view, type Gateway } from './haproxy-harness.ts';
import { addresses, replicas } from './replicas-harness.ts';

const host = 'web.example.com';
const [first] = addresses;

const web = (members: readonly { name: string; port: number }[], more: object = {}) =>
  service(
    'web',
    {
      expose: { domain: host },
      loadBalancing: { algorithm: 'round-robin', healthCheck: { type: 'http', interval: '10s', timeout: '1s' } },
      ...more,
    },
    members.map(({ name, port }) => member('shop/web', name, port)),
  );

const names = Array.from({ length: 12 }, (_, n) => `pod-${n}`);
/** Backends behind one process, as they are behind frps: it ends, and all of them refuse. */
async function tunnel(t: TestContext, count: number): Promise<{ ports: number[]; kill(): void }> {
  const program = `
    const { createServer } = require('node:http');
    const servers = Array.from({ length: ${count} }, () => createServer((req, res) => setTimeout(() => res.end('here'), 5)).listen(0, '127.0.0.1'));
    setTimeout(() => console.log(JSON.stringify(servers.map((each) => each.address().port))), 100);`;
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  const kill = () => void child.kill('SIGKILL');
  t.after(kill);
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  return { ports: JSON.parse(line.toString()) as number[], kill };
}

const slow = (t: TestContext) => (name: string) => app(t, name, (_req, res) => setTimeout(() => res.end(name), 5));
const served = (gw: Gateway, init: RequestInit = {}) =>
  gw.http(host, '/', init).then(
    ({ status }) => status,
    (error: Error) => error.message,
  );
const ready = (gw: Gateway, init: RequestInit = {}) => until(async () => (await served(gw, init)) === 200);

test('when frps ends under load no request is lost, whatever the number of backends', async (t) => {
  const there = await Promise.all(names.map(slow(t)));
  const here = await tunnel(t, names.length);
  const [a, b] = await replicas(t, [view(web(names.map((name, n) => ({ name, port: here.ports[n]! })))), view(web(there))]);
  await Promise.all([ready(a), ready(b)]);
  let isOver = false;
  t.after(() => (isOver = true));
  const statuses: (number | string)[] = [];
  const load = Promise.all(
    Array.from({ length: 8 }, async () => {
      while (!isOver) statuses.push(await served(a));
    }),
  );
  await until(() => statuses.length > 100);
  here.kill();
  const count = statuses.length;
  await until(() => statuses.length > count + 300);
  isOver = true;
  await load;
  assert.deepEqual(tally(statuses.map(String)), { 200: statuses.length });
});

test('a process that is being replaced goes on by what its successor has: reloads while the other replica is away lose nothing', async (t) => {
  const here = await Promise.all(names.map(slow(t)));
  const [a, b] = await replicas(t, [view(web(here)), view(web(here))]);
  await ready(a);
  await b.crash();
  let isOver = false;
  t.after(() => (isOver = true));
  const statuses: (number | string)[] = [];
  const load = Promise.all(
    Array.from({ length: 8 }, async () => {
      while (!isOver) statuses.push(await served(a));
    }),
  );
  for (const seconds of [40, 41, 42, 43, 44, 45]) {
    await a.apply(view(web(here, { advanced: { timeout: { keepAlive: `${seconds}s` } } })));
    const count = statuses.length;
    await until(() => statuses.length > count + 100);
  }
  isOver = true;
  await load;
  assert.ok(a.proxy.reloads >= 6);
  assert.deepEqual(tally(statuses.map(String)), { 200: statuses.length });
});

test('a request that no backend took goes to the other replica whatever its method, with its body', async (t) => {
  const there = await app(t, 'there');
  const [a] = await replicas(t, [view(web([{ name: 'gone', port: await freePort() }])), view(web([there]))]);
  await ready(a, { method: 'POST', body: 'x=1' });
  assert.equal(there.requests.at(-1)!.body, 'x=1');
  assert.equal(there.requests.at(-1)!.method, 'POST');
});

test('a request that passes one replica on its way to another one is counted as handed over once', async (t) => {
  const there = await app(t, 'there');
  const gone = [{ name: 'gone', port: await freePort() }];
  const [a] = await replicas(t, [view(web(gone)), view(web(gone)), view(web([there]))]);
  await ready(a);
  const handed = async () => {
    const [{ attempts, movedOn }] = [...(await a.proxy.stats()).handedRequests.values()] as [HandedRequests];
    return attempts - movedOn;
  };
  const before = await handed();
  for (let count = 0; count < 12; count++) assert.equal(await served(a), 200);
  assert.equal((await handed()) - before, 12);
});

test('a request that a backend took and did not answer is not sent again unless it may be', async (t) => {
  const dying = await app(t, 'dying', (req, res) => (req.method === 'POST' ? res.destroy() : res.end('ok')));
  const there = await app(t, 'there');
  const [a] = await replicas(t, [view(web([dying])), view(web([there]))]);
  await ready(a);
  assert.equal(await served(a, { method: 'POST' }), 502);
  assert.deepEqual(
    there.requests.filter(({ method }) => method === 'POST'),
    [],
  );
});

test('a request that a replica died with is sent to another one if it may be, and answered on the same connection if not', async (t) => {
  const [taken, repeated]: [string[], string[]] = [[], []];
  const holding = await app(t, 'holding', (req, res) => void (req.url === '/held' ? taken.push(req.method!) : res.end('holding')));
  const there = await app(t, 'there', (req, res) => {
    if (req.url === '/held') repeated.push(req.method!);
    res.end('there');
  });
  const [a, b, c] = await replicas(t, [view(web([])), view(web([holding])), view(web([there]))]);
  // Until the others have what they hold it is the only one that may be asked.
  await c.crash();
  await until(() => knows(a, 'gw-2', 'DOWN'));
  await ready(a);
  const users = Array.from({ length: 4 }, () => new Agent({ keepAlive: true, maxSockets: 1 }));
  t.after(() => users.forEach((each) => each.destroy()));
  const send = (agent: Agent, method: string, path: string) => answerOf(agent, a, method, path);
  for (const each of users) assert.equal(await send(each, 'GET', '/'), '200 holding');
  const held = users.map((each, n) => send(each, n < 2 ? 'GET' : 'POST', '/held'));
  await until(() => taken.length === users.length);
  c.start();
  await until(() => knows(a, 'gw-2', 'UP'));
  await b.crash();
  assert.deepEqual(tally(await Promise.all(held)), { '200 there': 2, '502 the backend gave no valid answer': 2 });
  assert.deepEqual(repeated, ['GET', 'GET']);
});

test('over a connection that its user keeps, too, a request that no backend answered is answered, and sent again only if it may be', async (t) => {
  const dying = await app(t, 'dying', (req, res) => void (req.url === '/boom' ? res.destroy() : res.end('ok')));
  const there = await app(t, 'there', (req, res) => void (req.url === '/boom' ? res.destroy() : res.end('ok')));
  const [a] = await replicas(t, [view(web([dying])), view(web([there]))]);
  await ready(a);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  for (const method of ['GET', 'POST', 'GET', 'POST']) {
    assert.equal(await answerOf(agent, a, 'GET', '/'), '200 ok');
    assert.equal(await answerOf(agent, a, method, '/boom'), '502 the backend gave no valid answer');
  }
  const posts = [...dying.requests, ...there.requests].filter(({ method }) => method === 'POST');
  assert.equal(posts.length, 2);
});

const knows = async ({ settings }: Gateway, replica: string, status: 'UP' | 'DOWN') =>
  (await runCommand(join(settings.directory, 'worker.sock'), 'show stat'))
    .split('\n')
    .some((line) => line.startsWith(`frp-replicas,${replica},`) && line.includes(`,${status},`));

/** Of a request over a connection that its user keeps: status and text, or the error. */
async function answerOf(agent: Agent, { settings }: Gateway, method: string, path: string): Promise<string> {
  const sent = httpRequest({ agent, host: settings.addresses![0], port: settings.httpPort, method, path, headers: { host } });
  sent.end();
  try {
    const [answer] = (await once(sent, 'response')) as [IncomingMessage];
    let text = '';
    for await (const chunk of answer) text += String(chunk);
    return `${answer.statusCode} ${text}`;
  } catch (error) {
    return String(error);
  }
}

test('a request that kills its backends is tried maxAttempts times in all', async (t) => {
  const killer = (name: string) => app(t, name, (req, res) => (req.url === '/boom' ? res.destroy() : res.end(name)));
  const [here, there] = await Promise.all([Promise.all(['a', 'b', 'c', 'd'].map(killer)), Promise.all(['a', 'b', 'c', 'd'].map(killer))]);
  const [a] = await replicas(t, [view(web(here)), view(web(there))]);
  await ready(a);
  assert.equal((await a.http(host, '/boom')).status, 502);
  const tried = (apps: typeof here) => apps.flatMap(({ requests }) => requests.filter(({ url }) => url === '/boom')).length;
  assert.deepEqual([tried(here), tried(there)], [2, 1]);
});

test('the user is told to the backend as without the second replica', async (t) => {
  const there = await app(t, 'there');
  const keys = { kind: 'keys' as const, header: 'apikey' as const, clients: {} };
  const trustedProxies = ['127.0.0.1'];
  const [a] = await replicas(t, [view(web([])), view({ ...web([there]), access: keys })], { trustedProxies });
  await until(async () => (await served(a)) === 401);
  const [c] = await replicas(t, [view(web([])), view(web([there]))], { trustedProxies });
  const headers = { 'x-forwarded-for': '203.0.113.9', 'x-frp-client': 'root', 'x-frp-pool': 'be-other', 'x-frp-site': 'other' };
  await ready(c, { headers });
  const seen = there.requests.at(-1)!.headers;
  assert.equal(seen['x-forwarded-for'], '203.0.113.9, 127.0.0.1');
  assert.equal(seen['x-forwarded-proto'], 'http');
  assert.equal(seen.host, host);
  assert.deepEqual(
    Object.keys(seen).filter((name) => name.startsWith('x-frp-')),
    [],
  );
});

test('where both have nothing the answer is 503, and nothing goes in circles', async (t) => {
  const gone = [{ name: 'gone', port: await freePort() }];
  const [a, b] = await replicas(t, [view(web(gone)), view(web(gone))]);
  const answers = await Promise.all([a.http(host), b.http(host), a.http(host, '/', { method: 'POST', body: 'x' })]);
  for (const { status, body } of answers) {
    assert.equal(status, 503);
    assert.equal(body, 'no backend of the service is available');
  }
});

test('a request whose attempts have all been closed without an answer gets 503, with the time to come again, where nobody is left', async (t) => {
  const closing = (name: string, lost: () => Promise<unknown> = () => Promise.resolve()) =>
    app(t, name, (req, res) => void (req.url === '/lost' ? lost().then(() => res.destroy()) : res.end(name)));
  const here = await Promise.all(['a', 'b', 'c'].map((name) => closing(name)));
  // By the time that the last attempt is closed the tunnels have ended.
  const there = await closing('there', () => a.apply(view(web([]))));
  const [a, b] = await replicas(t, [view(web(here)), view(web([there]))]);
  await Promise.all([ready(a), ready(b)]);
  const { status, headers, body } = await a.http(host, '/lost');
  assert.deepEqual([status, headers.get('retry-after'), body], [503, '1', 'no backend of the service is available']);
});

test('the port for hand-over is for replicas only', async (t) => {
  const here = await app(t, 'here');
  const [a] = await replicas(t, [view(web([here])), view(web([]))]);
  await ready(a);
  await assert.rejects(
    request(a.settings.failoverPort!, host, '/', { headers: { 'x-frp-site': host } }, first),
    /socket hang up|ECONNRESET/,
  );
});

const forged = proxyHeader({ source: '203.0.113.9', sourcePort: 7, destination: '127.0.0.2', destinationPort: 80 }, 'handed');

test('nobody is believed for the address that it comes from: a PROXY header from the address of a replica is no header', async (t) => {
  const [tcpPort, echo] = [await freePort(), await echoApp(t)];
  const here = await app(t, 'here');
  const db = service('db', { serviceType: 'tcp', expose: { type: 'port', port: tcpPort } }, [member('shop/db', 'x', echo)]);
  const [a] = await replicas(t, [view(db, web([here])), view(db, web([]))]);
  await ready(a);
  const asReplica = async (port: number, text: string) => {
    const socket = connect({ port, host: first, localAddress: addresses[1] });
    socket.write(Buffer.concat([forged, Buffer.from(text)]));
    const [answer] = (await once(socket, 'data')) as [Buffer];
    socket.destroy();
    return answer;
  };
  const count = here.requests.length;
  const answer = await asReplica(a.settings.httpPort, `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  assert.match(answer.toString(), /^HTTP\/1.[01] 400 /);
  assert.equal(here.requests.length, count);
  assert.deepEqual((await asReplica(tcpPort, 'x')).subarray(0, forged.length), forged, 'it is a part of what the backend gets');
});

test('what is said of a user to another replica is inside TLS: a header before it ends the connection', async (t) => {
  const there = await app(t, 'there');
  const [a, b] = await replicas(t, [view(web([])), view(web([there]))]);
  await ready(a);
  const { identityPem, authorityPem } = a.settings.replicaTls!;
  const attempt = async (before: Buffer) => {
    const socket = connect({ port: b.settings.failoverPort!, host: addresses[1] });
    socket.write(before);
    const session = connectTls({ socket, cert: identityPem, key: identityPem, ca: authorityPem, checkServerIdentity: () => undefined });
    session.on('error', () => undefined);
    session.write(`GET / HTTP/1.1\r\nHost: ${host}\r\nX-Frp-Site: ${host}\r\nX-Frp-Source: 203.0.113.9\r\nConnection: close\r\n\r\n`);
    let text = '';
    session.on('data', (data: Buffer) => (text += data.toString()));
    await new Promise((closed) => session.once('close', closed));
    return text;
  };
  assert.match(await attempt(Buffer.alloc(0)), /^HTTP\/1.1 200 /);
  assert.equal(await attempt(forged), '');
});

test('a stream is handed over with the address of its user, and not in circles', async (t) => {
  const [port, lost] = [await freePort(), await freePort()];
  const seen: string[] = [];
  const there = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', (data) => {
      seen.push(data.toString('latin1').split('\r\n')[0]!);
      socket.end('there\n');
    });
  }).listen(0, '127.0.0.1');
  await once(there, 'listening');
  t.after(() => there.close());
  const db = (own: boolean) =>
    service(
      'db',
      { serviceType: 'tcp', expose: { type: 'port', port, proxyProtocol: 'v1' } },
      own ? [member('shop/db', 'x', (there.address() as AddressInfo).port)] : [],
    );
  const none = service('none', { serviceType: 'tcp', expose: { type: 'port', port: lost } }, []);
  const [a] = await replicas(t, [view(db(false), none), view(db(true), none)]);
  await until(async () => (await firstLine(port, first, '127.0.0.9')) === 'there');
  assert.match(seen.at(-1)!, new RegExp(`^PROXY TCP4 127.0.0.9 127.0.0.2 [0-9]+ ${port}$`));
  assert.equal(await firstLine(lost, first), '');
  await a.settled();
});

test('a service with a port for itself is handed over, by http, gRPC and tcp', async (t) => {
  const [port, grpcPort, tcpPort] = [await freePort(), await freePort(), await freePort()];
  const there = await app(t, 'there');
  const [stream, call] = [await tcpApp(t, 'there'), await grpcApp(t, 'there')];
  const health = (type: 'http' | 'tcp') => ({ loadBalancing: { healthCheck: { type, interval: '1s', timeout: '1s' } } });
  const services = (own: boolean) =>
    view(
      service(
        'call',
        { serviceType: 'grpc', expose: { type: 'port', port: grpcPort }, ...health('tcp') },
        own ? [member('shop/call', 'x', call)] : [],
      ),
      service(
        'db',
        { serviceType: 'tcp', expose: { type: 'port', port: tcpPort }, ...health('tcp') },
        own ? [member('shop/db', 'x', stream)] : [],
      ),
      service('web', { expose: { type: 'port', port }, ...health('http') }, own ? [member('shop/web', 'x', there.port)] : []),
    );
  const [a] = await replicas(t, [services(false), services(true)]);
  await until(async () => (await request(port, 'any.example.com', '/', {}, first)).body === 'there');
  await until(async () => (await firstLine(tcpPort, first)) === 'there');
  await until(async () => (await grpcCall(grpcPort, first)) === 'there');
  await a.settled();
});

async function tcpApp(t: TestContext, name: string): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.write(`${name}\n`);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** Sends back what it gets. */
async function echoApp(t: TestContext): Promise<number> {
  const server = createServer((socket) => socket.on('error', () => undefined).pipe(socket)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** What a tcp service says first; empty where the connection is closed. */
async function firstLine(port: number, address: string, localAddress?: string): Promise<string> {
  const socket = connect({ port, host: address, ...(localAddress === undefined ? {} : { localAddress }) });
  socket.on('error', () => undefined);
  socket.write('hello\n');
  let text = '';
  await new Promise<void>((done) => {
    socket.on('data', (data) => {
      text += data.toString();
      done();
    });
    socket.on('close', () => done());
  });
  socket.destroy();
  return text.trim();
}

async function grpcApp(t: TestContext, name: string): Promise<number> {
  const server: Http2Server = createHttp2();
  server.on('stream', (stream) => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
    stream.end(name);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

async function grpcCall(port: number, address: string): Promise<string> {
  const session = connectHttp2(`http://${address}:${port}`);
  session.on('error', () => undefined);
  try {
    const stream = session.request({ ':method': 'POST', ':path': '/x.Y/Z', 'content-type': 'application/grpc', te: 'trailers' });
    stream.end('x');
    let text = '';
    for await (const chunk of stream) text += String(chunk);
    return text;
  } catch {
    return '';
  } finally {
    session.destroy();
  }
}
