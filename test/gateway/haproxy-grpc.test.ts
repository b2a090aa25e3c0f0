/** gRPC by host, with TLS that ends at a real HAProxy: every call of a channel is balanced by itself. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectH2 } from 'node:http2';
import { test, type TestContext } from 'node:test';
import { connect as connectTls } from 'node:tls';
import type { ServedService } from '../../src/gateway/ir/ir.ts';
import type { DistributedServiceSpec } from '../../src/model/types.ts';
import { both, certificate } from './certificates.ts';
import { call, grpcApp } from './grpc.ts';
import { gateway, member, service, tally, until, view, type Gateway } from './haproxy-harness.ts';

const host = 'users.example.com';

/** A service with two apps, and a channel to it. */
async function users(
  t: TestContext,
  spec: Partial<DistributedServiceSpec>,
  more: Partial<ServedService> = {},
  others: ServedService[] = [],
) {
  const pair = certificate(t, host);
  const apps = [await grpcApp(t, 'one'), await grpcApp(t, 'two')];
  const expose = { type: 'domain' as const, domain: host, tls: { secretName: 's' } };
  const members = (weights: number[]) => apps.map(({ name, port }, i) => member('shop/users', name, port, { weight: weights[i]! }));
  const of = (weights: number[]) =>
    view(service('users', { serviceType: 'grpc', expose, ...spec }, members(weights), { certificate: both(pair), ...more }), ...others);
  const gw = await gateway(t, of([1, 1]));
  return { gw, of, apps, channel: await channel(t, gw, pair.cert) };
}

async function channel(t: TestContext, { settings }: Gateway, ca: string) {
  const socket = connectTls({ host: '127.0.0.1', port: settings.httpsPort, servername: host, ca, ALPNProtocols: ['h2'] });
  await once(socket, 'secureConnect');
  assert.equal(socket.alpnProtocol, 'h2');
  const session = connectH2(`https://${host}`, { createConnection: () => socket });
  t.after(() => session.destroy());
  return session;
}

test('calls of one channel are spread, also by weights that change while it is open', async (t) => {
  const { gw, of, channel } = await users(t, { loadBalancing: { algorithm: 'weighted' } });
  const spread = async (count: number) => {
    const names: string[] = [];
    for (let i = 0; i < count; i++) names.push(await call(channel));
    return tally(names);
  };
  assert.deepEqual(await spread(10), { one: 5, two: 5 });
  await gw.apply(of([3, 1]));
  assert.deepEqual(await spread(20), { one: 15, two: 5 });
  assert.equal(gw.proxy.reloads, 0);
});

test('calls reach their service beside hosts whose TLS passes through, and with affinity by the address of the user', async (t) => {
  const raw = service('raw', { serviceType: 'tcp', expose: { type: 'domain', domain: 'raw.example.com' } }, []);
  const spec = { loadBalancing: { algorithm: 'round-robin' as const, sessionAffinity: { enabled: true } } };
  const { channel } = await users(t, spec, {}, [raw]);
  const first = await call(channel);
  for (let i = 0; i < 10; i++) assert.equal(await call(channel), first);
});

test('the app is called by the authority and with the metadata of the spec', async (t) => {
  const headers = { request: { set: { 'x-tenant': 'shop' }, remove: ['x-debug'] } };
  const expose = { type: 'domain' as const, domain: host, tls: { secretName: 's' }, hostHeader: 'users.local:50051', headers };
  const { channel, apps } = await users(t, { expose });
  await call(channel, { 'x-tenant': 'other', 'x-debug': '1' });
  const [seen] = apps.flatMap(({ calls }) => calls);
  assert.deepEqual(
    [seen?.[':authority'] ?? seen?.host, seen?.['x-tenant'], seen?.['x-debug'], seen?.['x-forwarded-host']],
    ['users.local:50051', 'shop', undefined, host],
  );
});

test('the health service of each backend is asked, and keys are asked for as for any other request', async (t) => {
  const clients = { [createHash('sha256').update('s3cret').digest('hex')]: 'alice' };
  const { gw, channel } = await users(
    t,
    { loadBalancing: { algorithm: 'round-robin', healthCheck: { type: 'grpc', interval: '1s' } } },
    { access: { kind: 'keys', header: 'apikey', clients } },
  );
  await until(async () => (await gw.proxy.states()).every(({ check, status }) => check === 'L7OK' && status === 'up'));
  const names = [];
  for (let i = 0; i < 10; i++) names.push(await call(channel, { 'x-api-key': 's3cret' }));
  assert.deepEqual(tally(names), { one: 5, two: 5 });
  const stream = channel.request({ ':method': 'POST', ':path': '/x.Y/Z', 'content-type': 'application/grpc', te: 'trailers' });
  stream.resume().end('call');
  const [headers] = (await once(stream, 'response')) as [Record<string, unknown>];
  assert.equal(headers[':status'], 401);
});
