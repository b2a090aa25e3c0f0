/** What HAProxy remembers of users, over reloads, crashes and the death of a replica: where they are bound to, and their limits. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { runCommand } from '../../src/gateway/haproxy/runtime/cli.ts';
import type { UsersSettings } from '../../src/gateway/haproxy/index.ts';
import { hasFinished } from '../../src/gateway/haproxy/runtime/peer-sync.ts';
import type { View } from '../../src/gateway/ir/ir.ts';
import { app, freePort, gateway, member, request, service, tally, until, view, type Gateway } from './haproxy-harness.ts';

const host = 'web.example.com';
const clients = Array.from({ length: 40 }, (_, i) => `127.0.1.${i + 1}`);
const extra = (n: number) => service(`extra-${n}`, { expose: { type: 'domain', domain: `e${n}.example.com` } }, []);

/** A server that says its name and closes. */
async function teller(t: TestContext, name: string): Promise<{ name: string; port: number }> {
  const server = createServer((socket) => socket.on('error', () => {}).end(name)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return { name, port: (server.address() as AddressInfo).port };
}

/** What a connection from an address brings until it ends; empty where it is refused. */
const hear = (at: { host?: string; port: number }, localAddress: string) =>
  new Promise<string>((resolve) => {
    let heard = '';
    const socket = connect({ host: '127.0.0.1', ...at, localAddress });
    socket.on('data', (data: Buffer) => (heard += data.toString()));
    socket.on('error', () => {});
    socket.on('close', () => resolve(heard));
  });

/** A tcp service whose clients are bound to one of five backends. */
async function bound(t: TestContext) {
  const port = await freePort();
  const backends = await Promise.all(['a', 'b', 'c', 'd', 'e'].map((name) => teller(t, name)));
  const loadBalancing = { algorithm: 'round-robin' as const, sessionAffinity: { enabled: true } };
  const db = service(
    'db',
    { serviceType: 'tcp', expose: { type: 'port', port }, loadBalancing },
    backends.map(({ name, port: at }) => member('shop/db', name, at)),
  );
  return { port, db };
}

/** Two replicas that know each other; they serve the same ports at different addresses. */
async function replicas(t: TestContext, of: View, more: Partial<UsersSettings> = {}): Promise<[Gateway, Gateway]> {
  const peers = [
    { name: 'gw-0', address: `127.0.0.1:${await freePort()}` },
    { name: 'gw-1', address: `127.0.0.1:${await freePort()}` },
  ];
  const one = await gateway(t, of, { ...more, peers, localPeer: 'gw-0' });
  return [one, await gateway(t, of, { ...more, peers, localPeer: 'gw-1', addresses: ['127.0.0.2'] })];
}

const worker = ({ settings }: Gateway) => join(settings.directory, 'worker.sock');

/** How many users a replica remembers, in all tables together. */
async function remembered(gw: Gateway): Promise<number> {
  const shown = await runCommand(worker(gw), 'show table');
  return [...shown.matchAll(/used:([0-9]+)/g)].reduce((sum, [, used]) => sum + Number(used), 0);
}

/** Most requests of one user that a replica knows of, its own and those of others. */
async function counted(gw: Gateway): Promise<number> {
  const names = [...(await runCommand(worker(gw), 'show table')).matchAll(/table: ([^ ,]+)/g)].map(([, name]) => name!);
  const shown = await Promise.all(names.map((name) => runCommand(worker(gw), `show table ${name}`)));
  return Math.max(0, ...[...shown.join('\n').matchAll(/http_req_rate\([0-9]+\)=([0-9]+)/g)].map(([, count]) => Number(count)));
}

async function places(at: { host?: string; port: number }): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const client of clients) found.set(client, await hear(at, client));
  return found;
}

/** Does something again and again while something else happens. */
async function meanwhile(work: () => Promise<unknown>, again: (round: number) => Promise<unknown>): Promise<void> {
  let isOver = false;
  const load = (async () => {
    for (let round = 0; !isOver; round++) await again(round);
  })();
  await work().finally(() => (isOver = true));
  await load;
}

test('tcp clients that connect all the while are led to the same backend over reloads', async (t) => {
  const { port, db } = await bound(t);
  const gw = await gateway(t, view(db));
  const before = await places({ port });
  assert.equal(new Set(before.values()).size, 5);
  const elsewhere: string[] = [];
  let count = 0;
  const reloads = async () => {
    for (let i = 1; i <= 4; i++) await gw.apply(view(db, ...Array.from({ length: i }, (_, n) => extra(n))));
  };
  await meanwhile(reloads, (round) =>
    Promise.all(
      [0, 10, 20, 30].map(async (offset) => {
        const client = clients[(offset + round) % clients.length]!;
        const heard = await hear({ port }, client);
        count++;
        if (heard !== before.get(client)) elsewhere.push(`${client}: ${heard}, not ${before.get(client)}`);
      }),
    ),
  );
  assert.equal(gw.proxy.reloads, 4);
  assert.ok(count > clients.length);
  assert.deepEqual(elsewhere, []);
});

test('the other replica knows where tcp clients belong when one dies, and tells it when it is back', async (t) => {
  const { port, db } = await bound(t);
  const [one, two] = await replicas(t, view(db));
  const before = await places({ port });
  await until(async () => (await remembered(two)) === clients.length);
  await one.kill('SIGKILL');
  assert.deepEqual(await places({ host: '127.0.0.2', port }), before);
  one.start();
  await until(async () => (await hear({ port }, clients[0]!)) !== '');
  assert.deepEqual(await places({ port }), before);
});

/** A service with one request a second, ten in ten seconds, for each user. */
async function limited(t: TestContext) {
  const backend = await app(t, 'app');
  const spec = { expose: { type: 'domain' as const, domain: host }, security: { rateLimit: { requestsPerSecond: 1 } } };
  return service('web', spec, [member('shop/web', '1', backend.port)]);
}

const trusted = { trustedProxies: ['127.0.0.0/8'] };
const ask = async (gw: Gateway, user: string) => {
  const { addresses: [address] = [], httpPort } = gw.settings;
  return (await request(httpPort, host, '/', { headers: { 'x-forwarded-for': user } }, address)).status;
};

test('a user who is over the limit stays so over reloads, and others are served', async (t) => {
  const web = await limited(t);
  const gw = await gateway(t, view(web), trusted);
  await until(async () => (await ask(gw, '203.0.113.1')) === 429);
  const statuses: number[] = [];
  const reloads = async () => {
    for (let i = 1; i <= 3; i++) await gw.apply(view(web, ...Array.from({ length: i }, (_, n) => extra(n))));
  };
  await meanwhile(reloads, async () => {
    statuses.push(...(await Promise.all(Array.from({ length: 5 }, () => ask(gw, '203.0.113.1')))));
  });
  assert.equal(gw.proxy.reloads, 3);
  assert.deepEqual(tally(statuses.map(String)), { 429: statuses.length });
  assert.equal(await ask(gw, '203.0.113.2'), 200);
});

test('a user who is over the limit at one replica is so at the other, when the first has died too', async (t) => {
  const [one, two] = await replicas(t, view(await limited(t)), trusted);
  // A replica that has just started takes over what another one knew of it, which may be less than what it knows itself.
  for (const gw of [one, two]) await until(() => hasFinished(worker(gw)));
  // Far over the limit, so that it is still exceeded when one has died.
  await until(async () => {
    await Promise.all(Array.from({ length: 20 }, () => ask(one, '203.0.113.1')));
    return (await counted(two)) >= 50;
  });
  await one.kill('SIGKILL');
  assert.equal(await ask(two, '203.0.113.1'), 429, 'the first that it asks there');
  assert.equal(await ask(two, '203.0.113.2'), 200);
});
