/** How requests are spread, by a real HAProxy: shares, affinity, health, drain, retries. */
import assert from 'node:assert/strict';
import { createServer, connect } from 'node:net';
import { once } from 'node:events';
import { test, type TestContext } from 'node:test';
import { app, freePort, gateway, member, request, service, tally, until, view, type App, type Gateway } from './haproxy-harness.ts';
import type { DistributedServiceSpec } from '../../src/model/types.ts';

const host = 'web.example.com';
const expose = { type: 'domain' as const, domain: host };
const trusted = { trustedProxies: ['127.0.0.0/8'] };
type Balancing = NonNullable<DistributedServiceSpec['loadBalancing']>;

const apps = async (t: TestContext, count: number) => Promise.all(Array.from({ length: count }, (_, i) => app(t, `app-${i}`)));
const web = (balancing: Balancing, members: App[], weights: number[] = []) =>
  view(
    service(
      'web',
      { expose, loadBalancing: balancing },
      members.map((each, i) => member('shop/web', each.name, each.port, { weight: weights[i] ?? 1 })),
    ),
  );
const shares = async (gw: Gateway, times: number, headers: (i: number) => Record<string, string> = () => ({})) => {
  const bodies: string[] = [];
  for (let i = 0; i < times; i++) bodies.push((await gw.http(host, '/', { headers: headers(i) })).body);
  return tally(bodies);
};
const near = (actual: number | undefined, expected: number, of: number, what: string) =>
  assert.ok(Math.abs((actual ?? 0) / of - expected) <= 0.05, `${what}: ${actual} of ${of}, expected ${expected}`);

for (const algorithm of ['random', 'round-robin', 'least-conn'] as const)
  test(`${algorithm} gives equal shares`, async (t) => {
    const members = await apps(t, 3);
    const gw = await gateway(t, web({ algorithm }, members, [1, 5, 9]));
    const counts = await shares(gw, 1000);
    for (const { name } of members) near(counts[name], 1 / 3, 1000, name);
  });

test('weighted gives shares by weight, and a changed weight holds at once', async (t) => {
  const members = await apps(t, 2);
  const gw = await gateway(t, web({ algorithm: 'weighted' }, members, [30, 70]));
  near((await shares(gw, 1000))['app-0'], 0.3, 1000, 'app-0');
  await gw.apply(web({ algorithm: 'weighted' }, members, [900_000, 100_000]));
  near((await shares(gw, 1000))['app-0'], 0.9, 1000, 'app-0');
  assert.equal(gw.proxy.reloads, 0);
});

test('ip-hash binds an address to a backend, the same on every replica, and moves few when one joins', async (t) => {
  const members = await apps(t, 4);
  const three = web({ algorithm: 'ip-hash' }, members.slice(0, 3));
  const client = (i: number) => ({ 'x-forwarded-for': `203.0.${i >> 8}.${i & 255}` });
  const where = async (gw: Gateway) => {
    const found: string[] = [];
    for (let i = 0; i < 600; i++) found.push((await gw.http(host, '/', { headers: client(i) })).body);
    return found;
  };
  const one = await gateway(t, three, trusted);
  const before = await where(one);
  assert.deepEqual(await where(one), before);
  for (const { name } of members.slice(0, 3)) assert.ok((tally(before)[name] ?? 0) > 100, `${name}: ${tally(before)[name]}`);
  // Another replica has met the servers in another order, some at run time.
  const other = await gateway(t, web({ algorithm: 'ip-hash' }, [members[3]!]), trusted);
  await other.apply(web({ algorithm: 'ip-hash' }, [members[2]!, members[0]!]));
  await other.apply(three);
  assert.deepEqual(await where(other), before);
  await one.apply(web({ algorithm: 'ip-hash' }, members));
  const after = await where(one);
  const moved = after.filter((name, i) => name !== before[i]);
  assert.ok(
    moved.every((name) => name === 'app-3'),
    'clients move to the new one only',
  );
  assert.ok(moved.length <= (600 / 4) * 1.4, `${moved.length} of 600 moved`);
  assert.equal(one.proxy.reloads + other.proxy.reloads, 0);
});

test('least-conn prefers those with less to do', async (t) => {
  const slow = await app(t, 'slow', (_req, res) => setTimeout(() => res.end('slow'), 300));
  const fast = await app(t, 'fast');
  const gw = await gateway(t, web({ algorithm: 'least-conn' }, [slow, fast]));
  const bodies: string[] = [];
  await Promise.all(
    Array.from({ length: 4 }, async () => {
      for (let i = 0; i < 25; i++) bodies.push((await gw.http(host)).body);
    }),
  );
  const counts = tally(bodies);
  assert.ok(counts.fast! > 3 * counts.slow!, JSON.stringify(counts));
});

test('a session stays on its backend by cookie, over a join, and leaves it with a drain', async (t) => {
  const members = await apps(t, 4);
  const balancing: Balancing = { algorithm: 'round-robin', sessionAffinity: { enabled: true, cookieName: 'sid', timeout: '5m' } };
  const gw = await gateway(t, web(balancing, members.slice(0, 3)));
  const first = await gw.http(host);
  const cookieOf = (answer: typeof first) => /^(sid=[^;]+); Path=\/; Max-Age=300; HttpOnly/.exec(answer.headers.get('set-cookie')!)![1]!;
  let cookie = cookieOf(first);
  const stay = async () =>
    tally(await Promise.all(Array.from({ length: 20 }, async () => (await gw.http(host, '/', { headers: { cookie } })).body)));
  assert.deepEqual(await stay(), { [first.body]: 20 });
  assert.equal((await gw.http(host, '/', { headers: { cookie } })).headers.get('set-cookie'), null);
  await gw.apply(web(balancing, members));
  assert.deepEqual(await stay(), { [first.body]: 20 });
  await gw.apply(
    view(
      service(
        'web',
        { expose, loadBalancing: balancing },
        members.map((each) => member('shop/web', each.name, each.port, { isDraining: each.name === first.body })),
      ),
    ),
  );
  cookie = cookieOf(await gw.http(host, '/', { headers: { cookie } }));
  const moved = await stay();
  assert.equal(Object.keys(moved).length, 1);
  assert.ok(!(first.body in moved), 'a backend that is ending gets nothing new');
});

test('a session is known to every replica, and after a reload or a crash', async (t) => {
  const members = await apps(t, 5);
  const services = web({ sessionAffinity: { enabled: true } }, members);
  const one = await gateway(t, services);
  const two = await gateway(t, services);
  const sessions = new Map<string, string>();
  while (sessions.size < 5) {
    const first = await one.http(host);
    sessions.set(first.headers.get('set-cookie')!.split(';')[0]!, first.body);
  }
  const same = async (gw: Gateway) => {
    for (const [cookie, name] of sessions) assert.equal((await gw.http(host, '/', { headers: { cookie } })).body, name);
  };
  await same(two);
  await one.apply(view(...services.services, service('other', { expose: { type: 'domain', domain: 'o.example.com' } }, [])));
  assert.equal(one.proxy.reloads, 1);
  await same(one);
  await one.kill('SIGKILL');
  one.start();
  await until(() =>
    one.http(host).then(
      () => true,
      () => false,
    ),
  );
  await same(one);
  const forged = await one.http(host, '/', { headers: { cookie: 'frp-session=here' } });
  assert.equal(forged.status, 200);
  assert.match(forged.headers.get('set-cookie')!, /^frp-session=s-/);
});

test('a backend that fails its checks is out, and in again when they succeed', async (t) => {
  let isWell = true;
  const sick = await app(t, 'sick', (req, res) => {
    res.statusCode = isWell || req.url !== '/healthz' ? 200 : 503;
    res.end('sick');
  });
  const well = await app(t, 'well');
  const check = { type: 'http' as const, path: '/healthz', interval: '1s', timeout: '1s', failureThreshold: 2, successThreshold: 2 };
  const gw = await gateway(t, web({ algorithm: 'round-robin', healthCheck: check }, [sick, well]));
  const ask = () => shares(gw, 10);
  assert.deepEqual(await ask(), { sick: 5, well: 5 });
  isWell = false;
  await until(async () => (await gw.proxy.states()).some(({ status }) => status === 'down'));
  assert.deepEqual(await ask(), { well: 10 });
  isWell = true;
  await until(async () => (await gw.proxy.states()).every(({ status }) => status === 'up'));
  assert.deepEqual(await ask(), { sick: 5, well: 5 });
});

test('the tcp check sees through frps: a port that accepts and closes is down', async (t) => {
  const open = createServer((socket) => socket.on('error', () => {}).on('data', (data) => socket.write(data)));
  const closing = createServer((socket) => setTimeout(() => socket.destroy(), 20));
  for (const server of [open, closing]) {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
  }
  const [openPort, closingPort] = [open, closing].map((server) => (server.address() as { port: number }).port);
  const port = await freePort();
  const echo = (members: number[]) =>
    view(
      service(
        'echo',
        { serviceType: 'tcp', expose: { type: 'port', port }, loadBalancing: { healthCheck: { type: 'tcp' } } },
        members.map((each) => member('shop/echo', String(each), each)),
      ),
    );
  const gw = await gateway(t, echo([]));
  await gw.apply(echo([openPort!, closingPort!]));
  await until(async () => (await gw.proxy.states()).every(({ check }) => check.startsWith('L7') || check.startsWith('L4')));
  await until(async () => (await gw.proxy.states()).some(({ status }) => status === 'up'));
  const up = (await gw.proxy.states()).filter(({ status }) => status === 'up').map(({ server }) => server);
  assert.deepEqual(up, [member('shop/echo', String(openPort), 0).name]);
  const socket = connect(port, '127.0.0.1');
  socket.write('hello');
  const [data] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  assert.equal(data.toString(), 'hello');
});

test('an idempotent request is sent to another backend, a POST only where that is asked for', async (t) => {
  const broken = createServer((socket) => socket.on('error', () => {}).on('data', () => socket.destroy()));
  broken.listen(0, '127.0.0.1');
  await once(broken, 'listening');
  t.after(() => broken.close());
  const brokenPort = (broken.address() as { port: number }).port;
  const fine = await app(t, 'fine');
  const of = (retry: object) =>
    view(
      service('web', { expose, loadBalancing: { algorithm: 'round-robin' }, advanced: { retry } }, [
        member('shop/web', 'broken', brokenPort),
        member('shop/web', 'fine', fine.port),
      ]),
    );
  const gw = await gateway(t, of({}));
  const statuses = async (method: string) =>
    tally(
      (
        await Promise.all(
          Array.from({ length: 10 }, () => request(gw.settings.httpPort, host, '/', { method, body: method === 'POST' ? 'x' : null })),
        )
      ).map(({ status }) => String(status)),
    );
  assert.deepEqual(await statuses('GET'), { 200: 10 });
  assert.ok((await statuses('POST'))[502]! > 0);
  await gw.apply(of({ nonIdempotent: true }));
  assert.deepEqual(await statuses('POST'), { 200: 10 });
  await gw.apply(of({ enabled: false }));
  assert.ok((await statuses('GET'))[502]! > 0);
});

test('an answer that begins later than keepAlive is waited for, and one that takes the whole time of requests is asked for once', async (t) => {
  const late = () =>
    app(t, 'late', ({ url }, response) => {
      if (url === '/late') setTimeout(() => response.end('late'), 2500);
    });
  const apps = [await late(), await late()];
  const of = (timeout: object) =>
    view(
      service(
        'web',
        { expose, advanced: { timeout } },
        apps.map(({ port }, at) => member('shop/web', String(at), port)),
      ),
    );
  const asked = (path: string) => apps.flatMap(({ requests }) => requests).filter(({ url }) => url === path).length;
  const gw = await gateway(t, of({ keepAlive: '1s', request: '4s' }));
  const answers = await Promise.all([
    gw.http(host, '/late'),
    gw.http(host, '/late', { method: 'POST', body: 'x' }),
    gw.http(host, '/never'),
    gw.http(host, '/never', { method: 'POST', body: 'x' }),
  ]);
  assert.deepEqual(
    answers.map(({ status }) => status),
    [200, 200, 504, 504],
  );
  assert.deepEqual([asked('/late'), asked('/never')], [2, 2]);

  await gw.apply(of({ keepAlive: '1s' }));
  assert.equal((await gw.http(host, '/again')).status, 504);
  assert.ok(asked('/again') > 1, 'without it another backend is tried');
});

test('a draining backend ends its requests and gets no other', async (t) => {
  const slow = await app(t, 'slow', (_req, res) => setTimeout(() => res.end('slow'), 500));
  const other = await app(t, 'other');
  const of = (isDraining: boolean) =>
    view(
      service('web', { expose, loadBalancing: { algorithm: 'round-robin' } }, [
        member('shop/web', 'slow', slow.port, { isDraining }),
        member('shop/web', 'other', other.port),
      ]),
    );
  const gw = await gateway(t, of(false));
  const running = Promise.all(Array.from({ length: 4 }, () => gw.http(host)));
  await until(() => slow.requests.length === 2);
  await gw.apply(of(true));
  assert.deepEqual(await shares(gw, 6), { other: 6 });
  assert.deepEqual(tally((await running).map(({ body }) => body)), { slow: 2, other: 2 });
  assert.ok((await gw.proxy.states()).some(({ status }) => status === 'drain'));
  await gw.apply(of(false));
  assert.ok((await shares(gw, 6)).slow);
});
