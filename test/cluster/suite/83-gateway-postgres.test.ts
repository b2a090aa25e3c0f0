/** The sample postgres-proxy (R2), as it is written, with PostgreSQL behind it: mode dns, tcp, ip-hash. */
import { after, before, suite, test } from 'node:test';
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { testNamespace } from '../support/cluster.ts';
import { counts } from '../support/controller.ts';
import { gatewayInstalled, gatewayNamespace, onlineAtBoth, reloads, replicaAddress } from '../support/gateway.ts';
import { apply, get, items, kubectl, rolledOut, type Json, type Manifest } from '../support/kubectl.ts';
import { httpService } from '../support/objects.ts';
import { killServer, postgresClient, postgresServers, query, Session, startServer, type From } from '../support/postgres.ts';
import { eventually } from '../support/run.ts';
import { sample, serviceOf } from '../support/samples.ts';

const ns = 'databases';
const clients = ['psql-1', 'psql-2', 'psql-3', 'psql-4'];

/** The port at which users come, as docs/guide/gateway.md has a user make it. */
const userPort: Manifest = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'postgres', namespace: gatewayNamespace },
  spec: { selector: { app: 'frp-gateway' }, ports: [{ port: 5432 }] },
};

suite('PostgreSQL through the gateway', () => {
  /** the Service, and each replica by itself */
  const ways: string[] = [];
  const from = (name: string, way = 0): From => ({ namespace: ns, name, host: ways[way]! });
  const serverOf = async (name: string, way?: number): Promise<string> => (await query(from(name, way), 'show cluster_name')).trim();
  /** Every server that a client comes to, whichever way. */
  const serversOf = async (name: string): Promise<string[]> => {
    const found = new Set<string>();
    for (const way of [0, 0, 0, 1, 2]) found.add(await serverOf(name, way));
    return [...found];
  };

  before(async () => {
    await gatewayInstalled();
    await testNamespace(ns);
    await apply(
      userPort,
      ...sample('postgres-proxy'),
      // mode dns looks for the service's own name in its namespace
      serviceOf(ns, 'postgres-proxy', 5432, { clusterIP: 'None' }),
      postgresServers(ns, 'postgres-proxy', 2),
      ...clients.map((name) => postgresClient(ns, name)),
    );
    await rolledOut(ns, 'postgres-proxy');
    await kubectl('-n', ns, 'wait', '--for=condition=Ready', ...clients.map((name) => `pod/${name}`), '--timeout=120s');
    ways.push(
      String((await get(gatewayNamespace, 'service', 'postgres')).spec.clusterIP),
      await replicaAddress(0),
      await replicaAddress(1),
    );
    await onlineAtBoth(ns, 'postgres-proxy', 2);
  });
  after(() => kubectl('-n', gatewayNamespace, 'delete', 'service', 'postgres', '--ignore-not-found'));

  test('a query is answered, and a stranger turned away by PostgreSQL itself', async () => {
    assert.equal(await query(from('psql-1'), 'select 6 * 7'), '42\n');
    const stranger = query({ ...from('psql-1'), password: 'wrong' }, 'select 6 * 7');
    await assert.rejects(stranger, /password authentication failed for user "postgres"/);
  });

  test('one client stays with one server, by the Service and through either replica', async () => {
    const servers = (await items(ns, 'pod', '-l', 'app=postgres-proxy')).map(({ metadata }) => String(metadata.name));
    for (const client of clients) {
      const [only, ...others] = await serversOf(client);
      assert.ok(servers.includes(only!), `${only} is none of ${servers.join()}`);
      assert.deepEqual(others, [], `${client} comes to several servers`);
    }
  });

  test('some megabytes arrive whole, either way', async () => {
    const rows = Array.from({ length: 200_000 }, (_, i) => `${i}|${createHash('md5').update(String(i)).digest('hex')}\n`).join('');
    assert.ok(rows.length > 7_000_000);
    const down = await query(from('psql-1'), 'select i, md5(i::text) from generate_series(0, 199999) i');
    assert.ok(down === rows, `${down.length} of ${rows.length} characters, or others`);
    await query(from('psql-1'), 'create table sent (line text)');
    await query(from('psql-1'), 'copy sent from stdin', rows);
    const told = await query(
      from('psql-1'),
      `select count(*), md5(string_agg(line || chr(10), '' order by split_part(line, '|', 1)::int)) from sent`,
    );
    assert.equal(told, `200000|${createHash('md5').update(rows).digest('hex')}\n`);
  });

  test('a transaction goes on while HAProxy is reloaded', async () => {
    const connection = 'select pg_backend_pid(), txid_current(), count(*) from held';
    const session = new Session(from('psql-1'));
    try {
      await session.ask('create table held (n int); begin; insert into held values (1);');
      const [during] = await session.ask(`${connection};`);
      assert.match(during!, /^\d+\|\d+\|1$/);
      const before = await reloads();
      await apply(httpService(ns, 'newcomer', 'newcomer.databases.example.com'));
      await eventually('a reload of both replicas', async () => {
        for (const [ordinal, count] of (await reloads()).entries()) assert.ok(count > before[ordinal]!);
      });
      assert.deepEqual(await session.ask(`${connection};`), [during]);
      assert.deepEqual(await session.ask('insert into held values (2); commit;'), []);
    } finally {
      await session.end();
    }
    assert.equal(await query(from('psql-1'), 'select count(*) from held'), '2\n');
  });

  test('a client whose server is killed comes to the other one when a check has failed, and back', async () => {
    const isReady = async (): Promise<string> => {
      const { status } = await get(ns, 'pod', bound);
      return (status.conditions as Json[]).find(({ type }) => type === 'Ready').status as string;
    };
    const bound = await serverOf('psql-2');
    await killServer(ns, bound);
    const [other] = await eventually('the other server, whichever way', async () => {
      const found = await serversOf('psql-2');
      assert.ok(!found.includes(bound));
      return found;
    });
    assert.match(other!, /^postgres-proxy-/);
    // Nothing but the check has told: the Pod is ready, so its name still has the address.
    assert.equal(await isReady(), 'True');
    await counts(ns, 'postgres-proxy', 1, 2);
    await startServer(ns, bound);
    await eventually('its own server again', async () => assert.deepEqual(await serversOf('psql-2'), [bound]));
  });
});
