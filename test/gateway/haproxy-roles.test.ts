/** A primary and its replicas at a real HAProxy: writing goes to who says that it is the primary, reading to the replicas. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { exposuresOfPool, servicePoolsOf } from '../../src/gateway/ir/pools.ts';
import type { View } from '../../src/gateway/ir/ir.ts';
import type { Role } from '../../src/model/read-write.ts';
import { serviceKey } from '../../src/model/store.ts';
import { app, freePort, gateway, member, service, tally, until, view, type Gateway } from './haproxy-harness.ts';

interface Database {
  name: string;
  port: number;
  /** where it tells its role */
  rolePort: number;
  role: Role | 'none';
  open: Set<Socket>;
}

/** Answers a connection with its name, and goes on; tells its role as Patroni does. */
async function database(t: TestContext, name: string, role: Database['role']): Promise<Database> {
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on('error', () => {}).on('close', () => open.delete(socket));
    socket.write(name);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const its: Database = { name, port: (server.address() as AddressInfo).port, rolePort: 0, role, open };
  const patroni = await app(t, name, (request, response) => {
    response.statusCode = request.url === `/${its.role}` ? 200 : 503;
    response.end('{}');
  });
  its.rolePort = patroni.port;
  t.after(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  return its;
}

interface Cluster {
  write: number;
  read: number;
  /** with these members */
  of: (...databases: Database[]) => View;
}

async function cluster(): Promise<Cluster> {
  const [write, read] = [await freePort(), await freePort()];
  const { service: owner } = service(
    'pg',
    {
      serviceType: 'tcp',
      backends: { discovery: { mode: 'auto' }, readWrite: { writePort: write, readPort: read } },
      loadBalancing: { algorithm: 'round-robin', healthCheck: { type: 'tcp', interval: '1s', timeout: '1s', failureThreshold: 1 } },
    },
    [],
  );
  const of = (...databases: Database[]): View =>
    view(
      ...servicePoolsOf(owner).map((pool) => ({
        service: pool.service,
        role: pool.role,
        exposures: exposuresOfPool(pool, undefined),
        access: { kind: 'none' as const },
        certificate: undefined,
        backends: databases.map(({ name, port, rolePort }) => member(serviceKey(pool.service), name, port, { rolePort })),
      })),
    );
  return { write, read, of };
}

interface Connection {
  /** of the database; empty where it was closed without one */
  name: string;
  closed: Promise<unknown>;
  end: () => void;
}

async function connection(port: number): Promise<Connection> {
  const socket = connect(port, '127.0.0.1').on('error', () => {});
  const closed = new Promise((resolve) => socket.on('close', resolve));
  const name = await Promise.race([once(socket, 'data').then(([data]) => String(data)), closed.then(() => '')]);
  return { name, closed, end: () => socket.destroy() };
}

async function nameAt(port: number): Promise<string> {
  const { name, end } = await connection(port);
  end();
  return name;
}

/** Until so many connections in a row come to these databases, and to all of them. */
const leadsTo = (port: number, ...names: string[]): Promise<void> =>
  until(async () => {
    const found = Object.keys(tally(await Promise.all([1, 2, 3, 4].map(() => nameAt(port))))).sort();
    return found.join() === names.sort().join();
  });

async function three(t: TestContext): Promise<{ gw: Gateway; a: Database; b: Database; c: Database; at: Cluster }> {
  const [a, b, c] = [await database(t, 'a', 'primary'), await database(t, 'b', 'replica'), await database(t, 'c', 'replica')];
  const at = await cluster();
  const gw = await gateway(t, at.of());
  await gw.apply(at.of(a, b, c));
  return { gw, a, b, c, at };
}

test('writing comes to the primary, and reading to the replicas in turn', async (t) => {
  const { at } = await three(t);
  await leadsTo(at.write, 'a');
  await leadsTo(at.read, 'b', 'c');
});

test('when the role moves, connections to the old primary end, and new ones come to the new one', async (t) => {
  const { at, a, b } = await three(t);
  await leadsTo(at.write, 'a');
  await leadsTo(at.read, 'b', 'c');
  const writing = await connection(at.write);
  assert.equal(writing.name, 'a');
  [a.role, b.role] = ['replica', 'primary'];
  await writing.closed;
  await leadsTo(at.write, 'b');
  await leadsTo(at.read, 'a', 'c');
});

test('who reads comes to the primary while there is no replica, and nobody writes without a primary', async (t) => {
  const { at, a, b, c } = await three(t);
  [b.role, c.role] = ['none', 'none'];
  await leadsTo(at.read, 'a');
  const reading = await connection(at.read);
  b.role = 'replica';
  await leadsTo(at.read, 'b');
  // Who came to the primary stays.
  await until(() => a.open.size === 1);
  reading.end();
  a.role = 'none';
  await leadsTo(at.write, '');
  await leadsTo(at.read, 'b');
});

test('while two say that they are the primary nobody may begin to write, and who writes goes on', async (t) => {
  const { at, a, b } = await three(t);
  await leadsTo(at.write, 'a');
  const writing = await connection(at.write);
  b.role = 'primary';
  await leadsTo(at.write, '');
  await leadsTo(at.read, 'c');
  await until(() => a.open.size === 1);
  a.role = 'none';
  await writing.closed;
  await leadsTo(at.write, 'b');
});

test('a member whose role nobody can ask for has no users, and has them once its tunnel is there', async (t) => {
  const { at, gw, a, b, c } = await three(t);
  await leadsTo(at.read, 'b', 'c');
  const without = at.of(a, b, c);
  const isOfB = (address: string) => address === `10.0.0.1:${b.port}`;
  const services = without.services.map((each) => ({
    ...each,
    backends: each.backends.map(({ rolePort, ...rest }) => (isOfB(rest.address) ? rest : { rolePort: rolePort!, ...rest })),
  }));
  await gw.apply({ services });
  await leadsTo(at.read, 'c');
  await gw.apply(at.of(a, b, c));
  await leadsTo(at.read, 'b', 'c');
});

test('what is known of the roles outlives a reload', async (t) => {
  const { at, gw, a, b, c } = await three(t);
  await leadsTo(at.write, 'a');
  await leadsTo(at.read, 'b', 'c');
  const web = service('web', { expose: { type: 'domain', domain: 'web.example.com' } }, []);
  const writing = await connection(at.write);
  await gw.apply({ services: [...at.of(a, b, c).services, web] });
  assert.deepEqual(tally(await Promise.all([1, 2, 3, 4].map(() => nameAt(at.write)))), { a: 4 });
  await until(() => a.open.size === 1);
  writing.end();
});
