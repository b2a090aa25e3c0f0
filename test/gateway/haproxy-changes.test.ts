/** Changes to a running HAProxy: under load, over crashes, and where HAProxy refuses them. */
import assert from 'node:assert/strict';
import { createServer, type Socket } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import type { View } from '../../src/gateway/ir/ir.ts';
import { identify } from '../../src/gateway/haproxy/runtime/running.ts';
import { app, gateway, member, service, tally, until, view, type App, type Gateway } from './haproxy-harness.ts';

const host = 'web.example.com';
const expose = { type: 'domain' as const, domain: host };
const web = (members: App[], more: object = {}) =>
  service(
    'web',
    { expose, loadBalancing: { algorithm: 'round-robin', healthCheck: { type: 'http', interval: '1s', timeout: '1s' }, ...more } },
    members.map((each) => member('shop/web', each.name, each.port)),
  );
/** What a user gets; empty while nobody answers. */
const body = (gw: Gateway): Promise<string> =>
  gw.http(host).then(
    (answer) => answer.body,
    () => '',
  );
const wantedSoon = (gw: Gateway, wanted: View) => void gw.apply(wanted).catch(() => {});
const extra = (n: number) => service(`extra-${n}`, { expose: { type: 'domain', domain: `e${n}.example.com` } }, []);

test('no request is lost while backends come and go and HAProxy is reloaded', async (t) => {
  const members = await Promise.all(['a', 'b', 'c', 'd'].map((name) => app(t, name, (_req, res) => setTimeout(() => res.end(name), 10))));
  const gw = await gateway(t, view(web(members)));
  let isOver = false;
  t.after(() => (isOver = true));
  const statuses: string[] = [];
  const load = Promise.all(
    Array.from({ length: 8 }, async () => {
      while (!isOver)
        statuses.push(
          await gw.http(host).then(
            ({ status }) => String(status),
            (error: Error) => error.message,
          ),
        );
    }),
  );
  for (let i = 0; i < 3; i++) {
    await gw.apply(view(web(members.slice(i)), extra(i)));
    await gw.apply(view(web(members), extra(i)));
    await gw.apply(view(web(members, { algorithm: i % 2 ? 'least-conn' : 'ip-hash' }), extra(i)));
  }
  isOver = true;
  await load;
  assert.ok(gw.proxy.reloads >= 3);
  assert.ok(statuses.length > 100);
  assert.deepEqual(tally(statuses), { 200: statuses.length });
});

test('HAProxy that crashed comes back with the servers that it had, and takes changes again', async (t) => {
  const [a, b] = [await app(t, 'a'), await app(t, 'b')];
  const gw = await gateway(t, view(web([a])));
  await gw.apply(view(web([a, b])));
  await gw.kill('SIGKILL');
  await gw.apply(view(web([b])));
  gw.start();
  await gw.settled();
  assert.deepEqual(tally(await Promise.all(Array.from({ length: 4 }, async () => (await gw.http(host)).body))), { b: 4 });
  await gw.apply(view(web([a, b])));
  await until(async () => (await gw.http(host)).body === 'a');
  assert.equal(gw.proxy.reloads, 0);
});

test('after a crash no server is out because it was new at the last reload', async (t) => {
  // Requests come before the first check ends.
  const a = await app(t, 'a', (req, res) => setTimeout(() => res.end('a'), req.headers['user-agent'] === 'frp-k8s-health' ? 700 : 0));
  const gw = await gateway(t, view(extra(0)));
  await gw.apply(view(extra(0), web([a])));
  assert.equal(gw.proxy.reloads, 1);
  await until(async () => (await gw.http(host)).status === 200);
  const { pid } = await identify(join(gw.settings.directory, 'worker.sock'));
  process.kill(Number(pid), 'SIGKILL');
  await gw.kill();
  gw.start();
  const statuses: number[] = [];
  await until(async () => {
    const answer = await gw.http(host).catch(() => undefined);
    if (answer) statuses.push(answer.status);
    return statuses.length === 5;
  });
  assert.deepEqual(statuses, [200, 200, 200, 200, 200]);
});

test('an agent that starts anew finds what HAProxy has, and changes only what differs', async (t) => {
  const [a, b] = [await app(t, 'a'), await app(t, 'b')];
  const keys = { kind: 'keys' as const, header: 'bearer' as const, clients: { ['0'.repeat(64)]: 'x' } };
  const first = view({ ...web([a]), access: keys });
  const gw = await gateway(t, first);
  await gw.restartAgent();
  const clients = { ['1'.repeat(64)]: 'y' };
  await gw.apply(view({ ...web([b]), access: { ...keys, clients } }));
  assert.equal(gw.proxy.reloads, 0);
  await until(async () => (await gw.proxy.states()).length === 1);
  assert.equal((await gw.proxy.states())[0]!.server, member('shop/web', 'b', 0).name);
});

test('a service at a port that HAProxy cannot open is left out, and served when the port is free', async (t) => {
  const [a, b] = [await app(t, 'a'), await app(t, 'b')];
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  t.after(() => taken.close());
  const { port } = taken.address() as { port: number };
  const gw = await gateway(t, view(web([a])));
  const db = service('db', { serviceType: 'tcp', expose: { type: 'port', port } }, []);
  wantedSoon(gw, view(web([b]), db));
  await until(async () => (await gw.http(host)).body === 'b');
  assert.match(gw.proxy.refusals[0]!.message, new RegExp(`^port ${port} cannot be opened`));
  assert.ok(!gw.proxy.ports.includes(port), 'nobody listens there in the place of HAProxy');
  await gw.kill('SIGKILL');
  gw.start();
  await until(() => body(gw).then((text) => text === 'b'));
  taken.close();
  await until(() => gw.proxy.ports.includes(port) && gw.proxy.refusals.length === 0);
});

test('a backend that joins while HAProxy runs keeps its connections for further requests, as others do', async (t) => {
  const sockets = new Set<Socket>();
  const backend = await app(t, 'a', (req, res) => {
    if (req.headers['user-agent'] !== 'frp-k8s-health') sockets.add(req.socket);
    res.end('a');
  });
  const gw = await gateway(t, view(web([])));
  await gw.apply(view(web([backend])));
  await until(async () => (await gw.http(host)).body === 'a');
  for (let count = 0; count < 20; count++) await gw.http(host);
  assert.equal(gw.proxy.reloads, 0);
  assert.ok(sockets.size < 10, `${sockets.size} connections for 21 requests`);
});

test('a backend that reconnects at another port is the same server', async (t) => {
  const [a, b] = [await app(t, 'a'), await app(t, 'b')];
  const gw = await gateway(t, view(web([a])));
  await gw.apply(view(web([{ ...b, name: 'a' }])));
  await until(async () => (await gw.http(host)).body === 'b');
  assert.equal(gw.proxy.reloads, 0);
});

test('many changes at once are one reload a second', async (t) => {
  const a = await app(t, 'a');
  const gw = await gateway(t, view(web([a])));
  await Promise.all(
    Array.from({ length: 20 }, (_, n) => gw.apply(view(web([a]), ...Array.from({ length: n + 1 }, (_each, i) => extra(i))))),
  );
  await gw.settled();
  assert.ok(gw.proxy.reloads <= 3, String(gw.proxy.reloads));
  assert.equal((await gw.http('e19.example.com')).status, 503);
});
