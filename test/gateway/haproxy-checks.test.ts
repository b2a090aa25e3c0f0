/** Why a member is out, as HAProxy's last check says: every kind of check against every kind of app that fails it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { reasonOf } from '../../src/gateway/api/check-reasons.ts';
import { backendName } from '../../src/gateway/haproxy/index.ts';
import type { DistributedServiceSpec } from '../../src/model/types.ts';
import { app, freePort, gateway, member, service, view } from './haproxy-harness.ts';

type Kind = NonNullable<NonNullable<DistributedServiceSpec['loadBalancing']>['healthCheck']>['type'] & string;

async function tcp(t: TestContext, handle: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    handle(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return (server.address() as AddressInfo).port;
}

test('a member that is out says why, by the kind of its health check', async (t) => {
  const notFound = await app(t, 'not found', (_, response) => {
    // A text with a comma and quotes, as it comes back in HAProxy's statistics.
    response.writeHead(404, 'No, "really"').end();
  });
  const apps = {
    notfound: notFound.port,
    // What frps does where frpc cannot reach the app.
    closes: await tcp(t, (socket) => socket.end()),
    silent: await tcp(t, () => undefined),
    nobody: await freePort(),
  };
  const expected: Record<Kind, Partial<Record<keyof typeof apps, string | undefined>>> = {
    http: {
      notfound: 'GET /health answered 404',
      closes: 'GET /health got no HTTP answer',
      silent: 'GET /health did not answer in 1s',
      nobody: 'its tunnel takes no connection',
    },
    https: {
      notfound: 'its health check got no TLS handshake',
      silent: 'its health check got no TLS handshake in 1s',
    },
    grpc: {
      notfound: 'grpc.health.v1.Health/Check did not answer SERVING',
      silent: 'grpc.health.v1.Health/Check did not answer in 1s',
    },
    tcp: { closes: 'its port takes no connections', silent: undefined },
  };
  let port = await freePort();
  const cases = Object.entries(expected).flatMap(([type, reasons]) =>
    Object.entries(reasons).map(([kind, reason]) => {
      const name = `${type}-${kind}`;
      const healthCheck = { type: type as Kind, path: '/health', interval: '1s', timeout: '1s', failureThreshold: 1 };
      const isHttp = type === 'http' || type === 'https';
      const serviceType = isHttp ? ('http' as const) : (type as 'tcp' | 'grpc');
      const expose = isHttp ? { domain: `${name}.example.com` } : { type: 'port' as const, port: ++port };
      const one = member(`shop/${name}`, 'm', apps[kind as keyof typeof apps]);
      return { name, reason, given: service(name, { serviceType, expose, loadBalancing: { healthCheck } }, [one]) };
    }),
  );
  const gw = await gateway(t, view(...cases.map(({ given }) => given)));
  const reasons = async () => {
    const states = new Map((await gw.proxy.states()).map((state) => [state.backend, state]));
    return Object.fromEntries(
      cases.map(({ name, given }) => [name, reasonOf(states.get(backendName(`shop/${name}`))!, given.service.spec)]),
    );
  };
  const wanted = Object.fromEntries(cases.map(({ name, reason }) => [name, reason]));
  let found = await reasons();
  // For so many looks at most, so that a failure shows what differs.
  for (let looks = 0; looks < 1000 && !isDeepStrictEqual(found, wanted); looks++) {
    await sleep(20);
    found = await reasons();
  }
  assert.deepEqual(found, wanted);
});
