/** Processes from before reloads share one memory limit: above a mark the oldest ends, below it nobody's connection does. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { ownUse } from '../../src/gateway/haproxy/index.ts';
import { oldProcesses } from '../../src/gateway/haproxy/runtime/master.ts';
import { both, certificate } from './certificates.ts';
import { app, freePort, gateway, member, service, until, view, type Gateway } from './haproxy-harness.ts';

const mebibyte = 2 ** 20;
const host = 'web.example.com';
const expose = { type: 'domain' as const, domain: host };
const eager = { burst: 1000, refillMs: 1, pauseMs: 1, longestPauseMs: 1 };

/** Another edit is another configuration, which needs a reload. */
const edited = (edit: number) => ({ advanced: { timeout: { keepAlive: `${edit + 30}s` } } });

async function echo(t: TestContext): Promise<number> {
  const server = createServer((socket) => socket.on('error', () => {}).pipe(socket)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** A connection that has been answered, and stays. */
async function hold(t: TestContext, port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1').on('error', () => {});
  t.after(() => socket.destroy());
  socket.write('hello');
  await once(socket, 'data');
  return socket.resume();
}

/** Until there are so many old processes. The master does not answer while it starts anew. */
const untilOld = (gw: Gateway, count: number): Promise<void> =>
  until(() =>
    oldProcesses(gw.settings.directory).then(
      (old) => old.length === count,
      () => false,
    ),
  );

/** Until HAProxy has been reloaded for it. */
async function reload(gw: Gateway, wanted: ReturnType<typeof view>): Promise<void> {
  const before = gw.proxy.reloads;
  void gw.apply(wanted);
  await until(() => gw.proxy.reloads > before);
  await gw.settled();
}

test('users that hold all they can in each process, over many reloads, never take more than the memory limit, and everybody else is served', async (t) => {
  const [users, edits, limit] = [250, 10, 96 * mebibyte];
  const sink = createServer((socket) => socket.on('error', () => {}).pause()).listen(0, '127.0.0.1');
  await once(sink, 'listening');
  t.after(() => sink.close());
  const backend = await app(t, 'app');
  const [web, greedy] = [
    service('web', { expose }, [member('shop/web', '1', backend.port)]),
    (edit: number) =>
      service('greedy', { expose: { type: 'domain', domain: 'greedy.example.com' }, ...edited(edit) }, [
        member('shop/greedy', '1', (sink.address() as AddressInfo).port),
      ]),
  ];
  const gw = await gateway(t, view(web, greedy(0)), { maxConnections: 1000 }, undefined, eager, limit);
  const used = ownUse(gw.settings.directory);
  let most = 0;
  const measure = async () => (most = Math.max(most, (await used())?.bytes ?? 0));
  const measuring = setInterval(() => void measure(), 50);
  t.after(() => clearInterval(measuring));
  const open = new Set<Socket>();
  t.after(() => open.forEach((socket) => socket.destroy()));
  for (let edit = 1; edit <= edits; edit++) {
    const sent = Array.from({ length: users }, async () => {
      const socket = connect(gw.settings.httpPort, '127.0.0.1').on('error', () => {});
      open.add(socket);
      socket.once('close', () => open.delete(socket));
      await once(socket, 'connect');
      socket.write(`POST / HTTP/1.1\r\nHost: greedy.example.com\r\nContent-Length: 9000000\r\n\r\n${'x'.repeat(40_000)}`);
    });
    await Promise.all(sent);
    assert.equal((await gw.http(host)).body, 'app');
    await reload(gw, view(web, greedy(edit)));
  }
  await measure();
  t.diagnostic(`${(most / mebibyte).toFixed(0)} MiB at most, ${JSON.stringify(gw.proxy.old.ended)}, ${open.size} held yet`);
  assert.ok(most < limit, `${most} bytes`);
  assert.ok(gw.proxy.old.ended.connections >= gw.proxy.old.ended.processes * users * 0.9, gw.output());
  assert.ok(open.size >= users, 'who was there last still is');
  assert.equal((await gw.http(host)).body, 'app');
  assert.match(gw.output(), /ended the oldest process of HAProxy: (they use more memory|a reload has no room)/);
});

test('below the mark no connection ends, over however many reloads of others it lasts, until there are 32 old processes', async (t) => {
  const [port, backend] = [await freePort(), await app(t, 'app')];
  const held = service('held', { serviceType: 'tcp', expose: { type: 'port', port } }, [member('shop/held', 'x', await echo(t))]);
  const web = (edit: number) => service('web', { expose, ...edited(edit) }, [member('shop/web', '1', backend.port)]);
  const gw = await gateway(t, view(held, web(0)), {}, undefined, eager, 8192 * mebibyte);
  const first = await hold(t, port);
  const alone = 12;
  for (let edit = 1; edit <= alone; edit++) await reload(gw, view(held, web(edit)));
  await untilOld(gw, 1);
  const sockets = [first];
  for (let edit = alone + 1; edit <= alone + 31; edit++) {
    sockets.push(await hold(t, port));
    await reload(gw, view(held, web(edit)));
  }
  await untilOld(gw, 32);
  const { reloads } = gw.proxy;
  for (let again = 0; again < 20; again++) await gw.apply(view(held, web(alone + 31)));
  assert.equal(gw.proxy.reloads, reloads, 'what has not changed is no reload');
  assert.ok(sockets.every((socket) => !socket.closed));
  assert.deepEqual(gw.proxy.old.ended, { processes: 0, connections: 0 });

  sockets.push(await hold(t, port));
  await reload(gw, view(held, web(alone + 32)));
  await until(() => first.closed);
  assert.ok(sockets.slice(1).every((socket) => !socket.closed));
});

test('where memory is short nothing is reloaded that has not changed, and the oldest processes end until it is not', async (t) => {
  const [port, backend] = [await freePort(), await app(t, 'app')];
  const held = service('held', { serviceType: 'tcp', expose: { type: 'port', port } }, [member('shop/held', 'x', await echo(t))]);
  const web = (edit: number) => service('web', { expose, ...edited(edit) }, [member('shop/web', '1', backend.port)]);
  // Less than the newest needs by itself: what is old ends, whatever it holds.
  const gw = await gateway(t, view(held, web(0)), {}, undefined, eager, mebibyte);
  const old = await hold(t, port);
  await reload(gw, view(held, web(1)));
  await until(() => old.closed);
  const served = await hold(t, port);
  const { reloads } = gw.proxy;
  for (let again = 0; again < 20; again++) await gw.apply(view(held, web(1)));
  assert.equal(gw.proxy.reloads, reloads);
  assert.ok(!served.closed && gw.proxy.old.ended.connections === 1, JSON.stringify(gw.proxy.old.ended));
  await reload(gw, view(held, web(2)));
});

test('users that are idle between two requests keep no old process: their connections end at the reload', async (t) => {
  const backend = await app(t, 'app');
  const pair = certificate(t, host);
  const web = (edit: number) =>
    service(
      'web',
      { expose: { ...expose, tls: { secretName: 'web', redirect: false } }, ...edited(edit) },
      [member('shop/web', '1', backend.port)],
      {
        certificate: both(pair),
      },
    );
  const gw = await gateway(t, view(web(0)), {}, undefined, eager, 8192 * mebibyte);
  const plain = connect(gw.settings.httpPort, '127.0.0.1').on('error', () => {});
  plain.write(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  await once(plain, 'data');
  const session = connectHttp2(`https://${host}:${gw.settings.httpsPort}`, {
    ca: pair.cert,
    lookup: (_name, _options, found) => found(null, [{ address: '127.0.0.1', family: 4 }]),
  });
  t.after(() => session.destroy());
  await once(session.request({ ':path': '/', ':authority': host }).resume(), 'end');
  await reload(gw, view(web(1)));
  await until(() => plain.closed && session.closed);
  await untilOld(gw, 0);
  assert.equal(gw.proxy.old.ended.processes, 0);
});
