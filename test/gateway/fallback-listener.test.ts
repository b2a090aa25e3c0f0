/** Connections while a real HAProxy is away: somebody else listens in its place. */
import assert from 'node:assert/strict';
import { BlockList, createConnection } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { runCommand } from '../../src/gateway/haproxy/runtime/cli.ts';
import { FallbackListener, type FallbackOptions } from '../../src/gateway/replicas/fallback-listener.ts';
import { OtherReplicas } from '../../src/gateway/replicas/other-replicas.ts';
import { fallbackSocket, standInSocket } from '../../src/gateway/haproxy/index.ts';
import { proxyHeader } from '../../src/gateway/replicas/proxy-protocol.ts';
import { app, freePort, gateway, member, service, tally, until, view, type Gateway } from './haproxy-harness.ts';
import { replicas } from './replicas-harness.ts';

const host = 'web.example.com';
const web = (...ports: number[]) =>
  service(
    'web',
    { expose: { domain: host }, loadBalancing: { healthCheck: { interval: '1s', timeout: '1s' } } },
    ports.map((port) => member('shop/web', 'x', port)),
  );

/** @param others addresses of the replicas that take users meanwhile */
function fallback(
  t: TestContext,
  { settings }: Gateway,
  { others = [], ...more }: Partial<FallbackOptions> & { others?: string[] } = {},
): { taken: () => number } {
  let taken = 0;
  const replicas = new OtherReplicas(settings.addresses!, settings.failoverPort);
  replicas.follow(others, settings.replicaTls);
  const found = new FallbackListener({
    socketOf: (port) => fallbackSocket(settings.directory, port),
    replicas,
    proxies: new BlockList(),
    addresses: ['0.0.0.0'],
    onFallback: () => taken++,
    log: { info: () => undefined, warn: (text: unknown) => t.diagnostic(String(text)) } as FallbackOptions['log'],
    ...more,
  });
  t.after(() => found.close());
  found.listen([settings.httpPort]);
  return { taken: () => taken };
}

/** A load of one connection for each request, until it is ended. @returns what became of those that were begun after `from()` */
function load(t: TestContext, gw: Gateway) {
  let isOver = false;
  const results: { began: number; status: string }[] = [];
  const workers = Array.from({ length: 8 }, async () => {
    while (!isOver) {
      const began = performance.now();
      const status = await gw.http(host).then(
        ({ status }) => String(status),
        (error: Error) => error.message,
      );
      results.push({ began, status });
      await new Promise((later) => setTimeout(later, 1));
    }
  });
  const end = async () => {
    isOver = true;
    await Promise.all(workers);
  };
  t.after(end);
  return { results, end };
}

test('as long as HAProxy is there nothing is taken, over reloads too', async (t) => {
  const backend = await app(t, 'x');
  const gw = await gateway(t, view(web(backend.port)));
  const { taken } = fallback(t, gw);
  await until(async () => (await gw.http(host)).status === 200);
  for (let n = 0; n < 2; n++) {
    await gw.apply(view(web(backend.port), service(`extra-${n}`, { expose: { domain: `e${n}.example.com` } }, [])));
    for (let i = 0; i < 50; i++) assert.equal((await gw.http(host)).status, 200);
  }
  assert.equal(taken(), 0);
});

test('while HAProxy is away nobody is refused: users wait, and are served when it is back', async (t) => {
  const backend = await app(t, 'x');
  const gw = await gateway(t, view(web(backend.port)));
  const { taken } = fallback(t, gw);
  await until(async () => (await gw.http(host)).status === 200);
  const users = load(t, gw);
  await until(() => users.results.length > 50);
  await gw.crash();
  const died = performance.now();
  await until(() => taken() > 5);
  gw.start();
  await until(() => users.results.filter(({ began }) => began > died).length > 100);
  await users.end();
  const after = users.results.filter(({ began }) => began > died).map(({ status }) => status);
  assert.deepEqual(tally(after), { 200: after.length });
  assert.equal(backend.requests.at(-1)!.headers['x-forwarded-for'], '127.0.0.1');
});

test('where there is another replica it serves them meanwhile, and is told their addresses', async (t) => {
  const [here, there] = [await app(t, 'here'), await app(t, 'there')];
  const [a, b] = await replicas(t, [view(web(here.port)), view(web(there.port))]);
  await until(async () => (await b.http(host)).status === 200);
  fallback(t, a, { others: [...b.settings.addresses!] });
  await a.crash();
  const before = there.requests.length;
  for (let n = 0; n < 20; n++) assert.equal((await a.http(host, '/', { headers: { 'x-forwarded-for': '203.0.113.9' } })).body, 'there');
  assert.equal(there.requests.length - before, 20);
  // Whatever a user says of itself is not believed because a replica brought it.
  assert.equal(there.requests.at(-1)!.headers['x-forwarded-for'], '127.0.0.1');
});

test('whom another replica has brought is answered 503 where no backend is, with the time to come again, and nothing that replicas say to each other', async (t) => {
  const [a, b] = await replicas(t, [view(web(await freePort())), view(web(await freePort()))], {
    requestLines: { all: true, query: false, sampled: 1 },
  });
  await until(async () => (await b.http(host)).status === 503);
  fallback(t, a, { others: [...b.settings.addresses!] });
  await a.crash();
  const { status, headers } = await a.http(host);
  assert.equal(status, 503);
  assert.equal(headers.get('retry-after'), '1');
  assert.deepEqual(
    [...headers.keys()].filter((name) => name.startsWith('x-frp')),
    [],
  );
});

test('users whom another replica brings read no answer that replicas give each other: 503 where nobody serves', async (t) => {
  const here = await app(t, 'here');
  const [a, b] = await replicas(t, [view(web(here.port)), view(web(await freePort()))]);
  await until(async () => (await a.http(host)).status === 200);
  fallback(t, a, { others: [...b.settings.addresses!] });
  await a.crash();
  const answers = await Promise.all(Array.from({ length: 10 }, () => a.http(host)));
  for (const { status, body, headers } of answers) {
    assert.deepEqual([status, headers.get('retry-after'), body], [503, '1', 'no backend of the service is available']);
    assert.deepEqual(
      [...headers.keys()].filter((name) => name.startsWith('x-frp-')),
      [],
    );
  }
});

test('users whom another replica brings wait for servers there that went a moment ago, as its own users do', async (t) => {
  const [here, there] = [await app(t, 'here'), await app(t, 'there')];
  const [a, b] = await replicas(t, [view(web(here.port)), view(web(there.port))]);
  await until(async () => (await a.http(host)).status === 200 && (await b.http(host)).status === 200);
  fallback(t, a, { others: [...b.settings.addresses!] });
  await a.crash();
  await until(async () => /^frp-replicas,gw-0,.*,DOWN,/m.test(await runCommand(join(b.settings.directory, 'worker.sock'), 'show stat')));
  await b.apply(view(web()));
  const waiting = Promise.all(Array.from({ length: 5 }, () => a.http(host)));
  await new Promise((later) => setTimeout(later, 1000));
  await b.apply(view(web(there.port)));
  assert.deepEqual(tally((await waiting).map(({ status, body }) => `${status} ${body}`)), { '200 there': 5 });
});

test('what a load balancer says of its users goes along', async (t) => {
  const backend = await app(t, 'x');
  const proxies = { trustedProxies: ['127.0.0.1'], proxyProtocol: true };
  const gw = await gateway(t, view(web(backend.port)), proxies);
  const trusted = new BlockList();
  trusted.addAddress('127.0.0.1');
  const { taken } = fallback(t, gw, { proxies: trusted });
  await gw.crash();
  const balancer = createConnection(gw.settings.httpPort, '127.0.0.1');
  balancer.write(proxyHeader({ source: '203.0.113.9', sourcePort: 7, destination: '203.0.113.1', destinationPort: 80 }));
  balancer.write(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  await until(() => taken() === 1);
  gw.start();
  let text = '';
  balancer.on('data', (data) => (text += data.toString()));
  await once(balancer, 'end');
  assert.match(text, /^HTTP\/1.1 200 /);
  assert.equal(backend.requests.at(-1)!.headers['x-forwarded-for'], '203.0.113.9');
});

test('what a load balancer says of its users goes along to another replica too', async (t) => {
  const there = await app(t, 'there');
  const trustedProxies = ['127.0.0.1'];
  const [a, b] = await replicas(t, [view(), view(web(there.port))], { trustedProxies, proxyProtocol: true });
  const trusted = new BlockList();
  trusted.addAddress('127.0.0.1');
  fallback(t, a, { proxies: trusted, others: [...b.settings.addresses!] });
  await a.crash();
  const balancer = createConnection({ port: a.settings.httpPort, host: '127.0.0.2', localAddress: '127.0.0.1' });
  balancer.write(proxyHeader({ source: '203.0.113.9', sourcePort: 7, destination: '203.0.113.1', destinationPort: 80 }));
  balancer.write(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  let text = '';
  balancer.on('data', (data) => (text += data.toString()));
  await once(balancer, 'end');
  assert.match(text, /^HTTP\/1.1 200 /);
  assert.equal(there.requests.at(-1)!.headers['x-forwarded-for'], '203.0.113.9');
});

test('a user whom the tunnels’ HAProxy has brought is served here or by another replica, as any other', async (t) => {
  const [here, there] = [await app(t, 'here'), await app(t, 'there')];
  const [a, b] = await replicas(t, [view(web(here.port)), view(web(there.port))]);
  await until(async () => (await a.http(host)).status === 200 && (await b.http(host)).status === 200);
  const path = standInSocket(a.settings.directory, a.settings.httpPort);
  fallback(t, a, { shared: { port: a.settings.httpPort, path, isBrought: true }, others: [...b.settings.addresses!] });
  const bring = async (source: string) => {
    const user = createConnection({ path });
    const header = proxyHeader({ source, sourcePort: 7, destination: '203.0.113.1', destinationPort: 443 });
    // In two pieces, of which the second has what the user says too.
    user.write(header.subarray(0, 20));
    await new Promise((later) => setImmediate(later));
    user.write(Buffer.concat([header.subarray(20), Buffer.from(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)]));
    let text = '';
    user.on('data', (data) => (text += data.toString()));
    await once(user, 'end');
    return text;
  };
  assert.match(await bring('203.0.113.9'), /^HTTP\/1.1 200 [^]*here$/);
  assert.equal(here.requests.at(-1)!.headers['x-forwarded-for'], '203.0.113.9');
  await a.crash();
  assert.match(await bring('203.0.113.10'), /^HTTP\/1.1 200 [^]*there$/);
  assert.equal(there.requests.at(-1)!.headers['x-forwarded-for'], '203.0.113.10');
});

test('who comes from the address of a replica is a user as any other, whatever it says of itself', async (t) => {
  const backend = await app(t, 'x');
  const gw = await gateway(t, view(web(backend.port)));
  const { taken } = fallback(t, gw, { others: ['127.0.0.3'] });
  await gw.crash();
  const user = createConnection({ port: gw.settings.httpPort, host: '127.0.0.1', localAddress: '127.0.0.3' });
  user.on('error', () => undefined);
  user.write(proxyHeader({ source: '203.0.113.9', sourcePort: 7, destination: '203.0.113.1', destinationPort: 80 }, 'handed'));
  user.write(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  await until(() => taken() === 1);
  gw.start();
  let text = '';
  user.on('data', (data) => (text += data.toString()));
  await once(user, 'close');
  assert.match(text, /^HTTP\/1.[01] 400 /);
  assert.deepEqual(backend.requests, []);
});

test('where nobody comes back users are let go, and nothing goes in circles', async (t) => {
  const [a, b] = await replicas(t, [view(), view()]);
  const options = { patienceMs: 300 };
  const first = fallback(t, a, { ...options, addresses: ['127.0.0.2'], others: ['127.0.0.3'] });
  const second = fallback(t, b, { ...options, addresses: ['127.0.0.3'], others: ['127.0.0.2'] });
  await Promise.all([a.crash(), b.crash()]);
  await assert.rejects(a.http(host), /socket hang up|ECONNRESET/);
  // Nobody comes to the second one: replicas have a port of their own, where only HAProxy listens.
  assert.deepEqual([first.taken(), second.taken()], [1, 0]);
});
