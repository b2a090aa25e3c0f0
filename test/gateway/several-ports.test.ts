/** A service with several ports, through a real gateway and a plain frps: each port leads to its own port of the app. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, connect, type AddressInfo } from 'node:net';
import { after, before, describe, it, test, type TestContext } from 'node:test';
import { renderClientConfig } from '../../src/frp/client-config.ts';
import { partsOf } from '../../src/frp/parts.ts';
import { tuningOf } from '../../src/frp/tuning.ts';
import { answerIn, type Listed } from '../../src/controller/backends/server-answers.ts';
import type { ServiceReport, Trace } from '../../src/gateway/api/report-types.ts';
import type { DistributedService, DistributedServiceSpec } from '../../src/model/types.ts';
import { service } from '../support/services.ts';
import { Gateway } from './agent-harness.ts';
import { eventually } from './eventually.ts';
import { freePort, until } from './haproxy-harness.ts';
import { startServer, startSidecar } from './injected-sidecar.ts';

const pod = (end: number) => ({ namespace: 'shop', name: `mail-${end}`, uid: `5c2a6c1e-0000-4000-8000-00000000000${end}` });
type Port = NonNullable<NonNullable<DistributedServiceSpec['expose']>['ports']>[number];
const mail = (ports: Port[], more: Partial<DistributedServiceSpec> = {}) =>
  service('mail', { serviceType: 'tcp', expose: { type: 'port', ports }, ...more });

/** What a server says that speaks first; undefined where there is none. */
async function greeting(port: number): Promise<string | undefined> {
  const socket = connect(port, '127.0.0.1').on('error', () => {});
  try {
    const [said] = await Promise.race([once(socket, 'data'), once(socket, 'close').then(() => [undefined])]);
    return said === undefined ? undefined : String(said);
  } catch {
    return undefined;
  } finally {
    socket.destroy();
  }
}
const speaker = (name: string) => createServer((socket) => socket.on('error', () => {}).end(name));

describe('several ports through the gateway', { timeout: 120_000 }, () => {
  let gateway: Gateway;
  before(async () => {
    gateway = await Gateway.start();
  });
  after(() => gateway?.close());

  /** A Pod, and its frpc with the proxies that the webhook writes. */
  async function join(end: number, of: DistributedService, localPorts: Record<string, number>): Promise<void> {
    const own = pod(end);
    gateway.putPod(own);
    const [localPort = 0] = Object.values(localPorts);
    const tuning = tuningOf(of.spec, undefined, { cpu: undefined, memory: undefined });
    const input = { members: [{ service: of, localPort, localPorts }], namespace: 'shop', tuning, logLevel: 'info' };
    const text = renderClientConfig({ ...input, gateway: { host: '127.0.0.1', port: gateway.ports.tunnel } }, gateway.config);
    const named = text.replaceAll('{{ .Envs.POD_NAME }}', own.name).replaceAll('{{ .Envs.POD_UID }}', own.uid);
    const { proxies } = JSON.parse(named) as { proxies: object[] };
    await gateway.sidecar(own, of.metadata.name, localPort, { client: { proxies } });
  }
  const credentials = { authorization: `Basic ${Buffer.from('frp-k8s:status').toString('base64')}` };
  const told = async <T>(question: string): Promise<T> => JSON.parse((await gateway.status(question, credentials)).body) as T;
  const says = (port: number, wanted: string | undefined) =>
    eventually(`port ${port} says ${wanted}`, async () => (await greeting(port)) === wanted);

  it('each lead to their own port of the app, can move while the Pod runs, and fail by themselves', async () => {
    const [smtp, imap, moved] = [await freePort(), await freePort(), await freePort()];
    const servers = { smtp: speaker('smtp'), imap: speaker('imap') };
    const local = { smtp: await gateway.listen(servers.smtp), imap: await gateway.listen(servers.imap) };
    const healthCheck = { type: 'tcp', interval: '1s', timeout: '1s', failureThreshold: 1 } as const;
    const with_ = (...ports: Port[]) => mail(ports, { loadBalancing: { healthCheck } });
    const ports: Port[] = [
      { name: 'smtp', port: smtp, backendPort: local.smtp },
      { name: 'imap', port: imap, backendPort: local.imap },
    ];
    gateway.putService(with_(...ports));
    await join(1, with_(...ports), local);
    await says(smtp, 'smtp');
    await says(imap, 'imap');

    gateway.putService(with_({ ...ports[0]!, port: moved }, ports[1]!));
    await says(moved, 'smtp');
    await says(smtp, undefined);
    assert.equal(await greeting(imap), 'imap');

    servers.imap.close();
    const statuses = async () => (await gateway.agent!.listing()).proxies.map(({ status, reason }) => [status, reason]).sort();
    await eventually('imap is down', async () => JSON.stringify(await statuses()).includes('port imap: '));
    assert.equal(await greeting(moved), 'smtp');
    const report = await told<ServiceReport>('/api/services/shop/mail');
    assert.deepEqual([report.unserved, report.up, report.partial, report.registered], [undefined, 1, 1, 1]);
    assert.deepEqual(report.backends.map(({ port, state }) => [port, state]).sort(), [
      ['imap', 'down'],
      ['smtp', 'up'],
    ]);
    assert.deepEqual(report.routes.map(({ at }) => at).sort(), [`:${imap}`, `:${moved}`].sort());
    const { ends } = await told<Trace>(`/api/routes?host=:${moved}`);
    assert.match(ends[0]!.steps.map(({ text }) => text).join(), /shop\/mail:smtp: 1 of 1 backends up/);
  });

  it('are each served by whoever has it, where each backend lacks another one', async () => {
    const [smtp, imap] = [await freePort(), await freePort()];
    const healthCheck = { type: 'tcp', interval: '1s', timeout: '1s', failureThreshold: 1 } as const;
    const ports: Port[] = [
      { name: 'smtp', port: smtp, backendPortName: 'smtp' },
      { name: 'imap', port: imap, backendPortName: 'imap' },
    ];
    const lame = service('post', { serviceType: 'tcp', expose: { type: 'port', ports }, loadBalancing: { healthCheck } });
    gateway.putService(lame);
    const nobody = await freePort();
    await join(2, lame, { smtp: await gateway.listen(speaker('smtp of 2')), imap: nobody });
    await join(3, lame, { smtp: nobody, imap: await gateway.listen(speaker('imap of 3')) });
    await eventually('each lacks one', async () => {
      const { up, partial } = await told<ServiceReport>('/api/services/shop/post');
      return up === 2 && partial === 2;
    });
    for (let times = 0; times < 5; times++) assert.deepEqual([await greeting(smtp), await greeting(imap)], ['smtp of 2', 'imap of 3']);
    const { closed } = await told<ServiceReport>('/api/services/shop/post');
    assert.equal(closed, undefined);
    const listed = answerIn([(await gateway.agent!.listing()) as Listed]);
    assert.deepEqual([listed.pools.get('shop/post')?.get('smtp'), listed.pools.get('shop/post')?.get('imap')], [1, 1]);
    const lacking = [...partsOf(lame.spec, true, undefined)].map(([part, { at }]) => [
      at,
      [2, 3].filter((end) => listed.services.get('shop/post')?.get(pod(end).uid)?.parts?.[part]?.isOnline === false),
    ]);
    assert.deepEqual(lacking, [
      [`port ${smtp} (smtp)`, [3]],
      [`port ${imap} (imap)`, [2]],
    ]);
  });

  it('that are any are served where the status says it', async () => {
    const port = await freePort();
    const local = await gateway.listen(speaker('any'));
    const random = 30_000 + (port % 2700);
    const of = mail([{ name: 'any', port: 0, backendPort: local }]);
    gateway.putService({ ...of, status: { ports: [{ name: 'any', port: random }] } });
    await join(4, of, { any: local });
    await says(random, 'any');
  });
});

/** A Pod's sidecar at an frps of somebody else. */
async function plain(t: TestContext, of: DistributedService): Promise<void> {
  const auth = { tokenSecret: 'frps-token' };
  const server = await startServer(t);
  await startSidecar(
    t,
    { port: server.port, auth, tls: 'unverified' },
    { 'frps.token': 's3cret of the club' },
    { groups: [{ service: of }] },
  );
}

test('several tcp ports at a plain frps each lead to their own port of the app', async (t) => {
  const ports = { smtp: await freePort(), imap: await freePort() };
  const apps = await Promise.all(
    Object.entries(ports).map(async ([name, port]) => {
      const server = speaker(name).listen(0, '127.0.0.1');
      await once(server, 'listening');
      t.after(() => server.close());
      return { name, port, backendPort: (server.address() as AddressInfo).port };
    }),
  );
  await plain(t, mail(apps, { loadBalancing: { healthCheck: { type: 'tcp' } } }));
  for (const { name, port } of apps) await until(async () => (await greeting(port)) === name);
});

test('several udp ports at a plain frps each lead to their own port of the app', async (t) => {
  const ports = { query: await freePort(), play: await freePort() };
  const apps = await Promise.all(
    Object.entries(ports).map(async ([name, port]) => {
      const socket = createSocket('udp4');
      socket.on('message', (_, { port, address }) => socket.send(name, port, address));
      socket.bind(0, '127.0.0.1');
      await once(socket, 'listening');
      t.after(() => socket.close());
      return { name, port, backendPort: socket.address().port };
    }),
  );
  await plain(t, service('game', { serviceType: 'udp', expose: { type: 'port', ports: apps } }));
  const user = createSocket('udp4');
  t.after(() => user.close());
  let said = '';
  user.on('message', (message) => (said = String(message)));
  for (const { name, port } of apps) await until(async () => (user.send('?', port, '127.0.0.1'), said === name));
});
