/** `spec.backends.readWrite` with a PostgreSQL primary and its streaming replica, whose roles are told as docs/guide/databases.md shows. */
import { after, before, suite, test } from 'node:test';
import assert from 'node:assert/strict';
import type { DistributedService } from '../../../src/model/types.ts';
import { testNamespace } from '../support/cluster.ts';
import { counts } from '../support/controller.ts';
import { gatewayInstalled, gatewayNamespace, onlineAtBoth, replicaAddress } from '../support/gateway.ts';
import { apply, get, kubectl, type Manifest } from '../support/kubectl.ts';
import { service } from '../support/objects.ts';
import { askServer, killServer, postgresClient, postgresReplicated, query, Session, startServer, type From } from '../support/postgres.ts';
import { eventually } from '../support/run.ts';

const ns = 'replicated';
const [write, read] = [15_432, 15_433];

/** The ports at which users come, as docs/guide/gateway.md has a user make them. */
const userPorts: Manifest = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'replicated', namespace: gatewayNamespace },
  spec: {
    selector: { app: 'frp-gateway' },
    ports: [
      { name: 'write', port: write },
      { name: 'read', port: read },
    ],
  },
};

suite('a PostgreSQL primary and its replica through the gateway', () => {
  /** the Service, and each replica of the gateway by itself */
  const ways: string[] = [];
  const at = (port: number, way = 0): From => ({ namespace: ns, name: 'psql', host: `${ways[way]!} port=${port}` });
  const nameAt = async (port: number, way?: number): Promise<string> => (await query(at(port, way), 'show cluster_name')).trim();
  const leadsTo = (port: number, name: string) =>
    eventually(`port ${port} leads to ${name}, whichever way`, async () => {
      for (const way of ways.keys()) assert.equal(await nameAt(port, way), name);
    });

  /** @returns the message of the condition */
  const isReady = async (status: string, reason: string): Promise<string> => {
    let message = '';
    await eventually(`it is Ready=${status} with ${reason}`, async () => {
      const { conditions = [] } = ((await get(ns, 'distributedservice', 'pg')) as DistributedService).status ?? {};
      const ready = conditions.find(({ type }) => type === 'Ready');
      assert.deepEqual([ready?.status, ready?.reason], [status, reason]);
      message = ready?.message ?? '';
    });
    return message;
  };

  before(async () => {
    await gatewayInstalled();
    await testNamespace(ns);
    await apply(
      userPorts,
      service(ns, 'pg', {
        serviceType: 'tcp',
        backends: { discovery: { mode: 'auto' }, readWrite: { writePort: write, readPort: read } },
        loadBalancing: { healthCheck: { interval: '2s', timeout: '1s', failureThreshold: 2 } },
      }),
      ...postgresReplicated(ns, 'pg'),
      postgresClient(ns, 'psql'),
    );
    await kubectl('-n', ns, 'rollout', 'status', 'statefulset/pg', '--timeout=180s');
    await kubectl('-n', ns, 'wait', '--for=condition=Ready', 'pod/psql', '--timeout=120s');
    ways.push(
      String((await get(gatewayNamespace, 'service', 'replicated')).spec.clusterIP),
      await replicaAddress(0),
      await replicaAddress(1),
    );
    await onlineAtBoth(ns, 'pg', 2);
  });
  after(() => kubectl('-n', gatewayNamespace, 'delete', 'service', 'replicated', '--ignore-not-found'));

  test('one port leads to the primary and the other one to the replica, and both are healthy', async () => {
    await leadsTo(write, 'pg-0');
    await leadsTo(read, 'pg-1');
    await query(at(write), 'create table orders (n int); insert into orders values (42)');
    await eventually('the replica has it', async () => assert.equal(await query(at(read), 'select n from orders'), '42\n'));
    await assert.rejects(query(at(read), 'insert into orders values (43)'), /cannot execute INSERT in a read-only transaction/);
    await counts(ns, 'pg', 2, 2);
  });

  test('when the primary is killed its sessions end, reading goes on, and writing comes to the replica that is promoted', async () => {
    const [writing, reading] = [new Session(at(write)), new Session(at(read))];
    try {
      assert.deepEqual(await writing.ask('select 1;'), ['1']);
      assert.deepEqual(await reading.ask('select n from orders;'), ['42']);
      await killServer(ns, 'pg-0');
      await assert.rejects(async () => {
        for (;;) await writing.ask('select 1;');
      }, /psql ended/);
      await eventually('nobody can write', () => assert.rejects(nameAt(write)));
      await isReady('False', 'NoPrimary');
      assert.deepEqual(await reading.ask('select n from orders;'), ['42']);
      assert.equal(await askServer(ns, 'pg-1', 'select pg_promote()'), 't\n');
      await leadsTo(write, 'pg-1');
      await query(at(write), 'insert into orders values (44)');
      await leadsTo(read, 'pg-1');
      await counts(ns, 'pg', 1, 2);
      await isReady('True', 'Serving');
    } finally {
      await Promise.all([writing.end(), reading.end()]);
    }
  });

  test('an old primary that comes back as one keeps everybody from writing until it is gone', async () => {
    await startServer(ns, 'pg-0');
    await eventually('nobody can write, whichever way', async () => {
      for (const way of ways.keys()) await assert.rejects(nameAt(write, way));
    });
    assert.match(await isReady('False', 'SeveralPrimaries'), /pg-0 and pg-1 say that they are the primary, so nobody may begin to write/);
    await killServer(ns, 'pg-0');
    await leadsTo(write, 'pg-1');
    assert.equal(await query(at(write), 'select count(*) from orders'), '2\n');
    await isReady('True', 'Serving');
  });
});
