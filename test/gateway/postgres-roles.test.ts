/** `backends.readWrite` with a real PostgreSQL primary and its streaming replica, each behind frpc, through the whole gateway. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { renderClientConfig } from '../../src/frp/client-config.ts';
import { tuningOf } from '../../src/frp/tuning.ts';
import type { Listing } from '../../src/gateway/api/proxy-status.ts';
import type { ServiceReport } from '../../src/gateway/api/report-types.ts';
import { service } from '../support/services.ts';
import { Gateway } from './agent-harness.ts';
import { eventually } from './eventually.ts';
import { freePort } from './haproxy-harness.ts';
import { ask, Postgres, Session } from './postgres-server.ts';

/** As installation.ts has them. */
const credentials = { authorization: `Basic ${Buffer.from('frp-k8s:status').toString('base64')}` };
const uid = (end: number) => `7d2a6c1e-0000-4000-8000-${String(end).padStart(12, '0')}`;
const pod = (end: number) => ({ namespace: 'shop', name: `pg-${end}`, uid: uid(end) });

/** A service whose member tells its role at that port. */
const pg = (ports: { write: number; read: number }, rolePort: number) =>
  service('pg', {
    serviceType: 'tcp',
    backends: { discovery: {}, readWrite: { writePort: ports.write, readPort: ports.read, roleCheck: { port: rolePort } } },
    loadBalancing: { healthCheck: { type: 'tcp', interval: '1s', timeout: '1s', failureThreshold: 2 } },
    expose: {},
  });

async function cluster(t: TestContext) {
  const gateway = await Gateway.start();
  t.after(() => gateway.close());
  const ports = { write: await freePort(), read: await freePort() };
  gateway.putService(pg(ports, 8008));
  /** The two proxies that the injector gives the Pod of a server. */
  const joins = async (end: number, server: Postgres) => {
    const its = pg(ports, server.rolePort);
    const text = renderClientConfig(
      {
        members: [{ service: its, localPort: server.port }],
        namespace: 'shop',
        tuning: tuningOf(its.spec, undefined, { cpu: undefined, memory: undefined }),
        logLevel: 'info',
        gateway: { host: '127.0.0.1', port: gateway.ports.tunnel },
      },
      gateway.config,
    );
    const named = text.replaceAll('{{ .Envs.POD_NAME }}', pod(end).name).replaceAll('{{ .Envs.POD_UID }}', pod(end).uid);
    gateway.putPod(pod(end));
    await gateway.sidecar(pod(end), 'pg', server.port, { client: { proxies: (JSON.parse(named) as { proxies: object[] }).proxies } });
  };
  const first = await Postgres.start(t, 'first');
  const second = await Postgres.start(t, 'second', first);
  await joins(1, first);
  await joins(2, second);
  const nameAt = (port: number) => ask(port, 'show cluster_name');
  await eventually('writing comes to the primary', async () => (await nameAt(ports.write)) === 'first');
  await eventually('reading comes to the replica', async () => (await nameAt(ports.read)) === 'second');
  /** What the agent tells the controller, and people. */
  const tells = (primaries: number, reason: string | undefined) =>
    eventually(`the agent tells of ${primaries} primaries`, async () => {
      const { pools } = JSON.parse((await gateway.status('/api/proxy/tcp', credentials)).body) as Pick<Listing, 'pools'>;
      const report = JSON.parse((await gateway.status('/api/services/shop/pg', credentials)).body) as ServiceReport;
      return pools.find(({ pool }) => pool === undefined)?.up === primaries && report.closed?.reason === reason;
    });
  return { ports, first, second, nameAt, gateway, tells };
}

test('what is written at one port is read at the other, where nothing can be written', async (t) => {
  const { ports, gateway } = await cluster(t);
  await ask(ports.write, 'create table orders (n int); insert into orders values (42)');
  await eventually('the replica has it', async () => (await ask(ports.read, 'select n from orders')) === '42');
  await assert.rejects(ask(ports.read, 'insert into orders values (43)'), /cannot execute INSERT in a read-only transaction/);
  // Each member once, and both serve.
  await eventually('both are online', async () => {
    const { proxies } = JSON.parse((await gateway.status('/api/proxy/tcp', credentials)).body) as { proxies: { status: string }[] };
    return proxies.map(({ status }) => status).join() === 'online,online';
  });
});

test('when the primary dies its sessions end, reading goes on, and writing comes to the replica that is promoted', async (t) => {
  const { ports, first, second, nameAt, tells } = await cluster(t);
  await tells(1, undefined);
  await ask(ports.write, 'create table orders (n int); insert into orders values (1)');
  const [writing, reading] = [new Session(ports.write), new Session(ports.read)];
  t.after(() => (writing.end(), reading.end()));
  assert.equal(await writing.ask('select 1;'), '1');
  assert.equal(await reading.ask('select count(*) from orders;'), '1');
  await first.stop();
  // psql learns that its connection has ended when it asks.
  while ((await writing.ask('select 1;')) !== undefined);
  await assert.rejects(nameAt(ports.write));
  await tells(0, 'NoPrimary');
  assert.equal(await reading.ask('select count(*) from orders;'), '1');
  assert.equal(await ask(second.port, 'select pg_promote()'), 't');
  await eventually('writing comes to it', async () => (await nameAt(ports.write)) === 'second');
  await ask(ports.write, 'insert into orders values (2)');
  // No replica is left: the primary stands in.
  await eventually('reading too', async () => (await ask(ports.read, 'select count(*) from orders')) === '2');
});

test('an old primary that comes back as one keeps everybody from writing until it is gone', async (t) => {
  const { ports, first, second, nameAt, tells } = await cluster(t);
  await first.stop();
  await ask(second.port, 'select pg_promote()');
  await eventually('writing comes to the new primary', async () => (await nameAt(ports.write)) === 'second');
  await first.run();
  await eventually('nobody can write', () =>
    nameAt(ports.write).then(
      () => false,
      () => true,
    ),
  );
  await tells(2, 'SeveralPrimaries');
  await first.stop();
  await tells(1, undefined);
  await eventually('writing comes to the one that is left', async () => (await nameAt(ports.write)) === 'second');
});
