/** Who may connect to the tunnels' HAProxy, and how many at a time. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { connect as connectTls, createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { checkWith, ownUse, TunnelProxy } from '../../src/gateway/haproxy/index.ts';
import type { TunnelSettings } from '../../src/gateway/haproxy/config/tunnel-config.ts';
import { alpn } from '../../src/link/protocol.ts';
import { logTo } from '../../src/log.ts';
import { both, certificate, type Pair } from './certificates.ts';
import { frame, message } from './frp-client.ts';
import { bringTo, directory, freePort, haproxy, request, until } from './haproxy-harness.ts';

const ignore = () => {};

/** The tunnels' HAProxy in front of a server that echoes. */
async function tunnel(t: TestContext, server: Pair, authorities: string[], more: Partial<TunnelSettings> = {}, memory?: number) {
  const at = directory(t);
  const open = new Set<Socket>();
  const echo = createServer((socket) => {
    open.add(socket.on('error', ignore).on('close', () => open.delete(socket)));
    socket.pipe(socket);
  }).listen(0, '127.0.0.1');
  await once(echo, 'listening');
  t.after(() => echo.close());
  const port = await freePort();
  const backend = `127.0.0.1:${(echo.address() as AddressInfo).port}`;
  const proxy = new TunnelProxy({
    directory: at,
    bind: `127.0.0.1:${port}`,
    server: backend,
    check: checkWith([haproxy]),
    changed: ignore,
    log: logTo({ write: ignore }),
    memory: memory === undefined ? undefined : { limit: memory, used: ownUse(at) },
    ...more,
  });
  t.after(() => proxy.close());
  const state = { serverPem: both(server), clientCaPem: authorities.join('\n'), revoked: [] };
  await bringTo(proxy, state);
  const child = spawn(haproxy, ['-W', '-S', join(at, 'master.sock'), '-f', join(at, 'current/haproxy.cfg')], { stdio: 'ignore' });
  t.after(async () => {
    child.kill('SIGTERM');
    await once(child, 'exit');
  });
  /** HAProxy's port of each connection to the server that echoes */
  const ends = () => [...open].map(({ remotePort }) => remotePort!);
  return { port, proxy, state, ends };
}

/** Whether a client's words come back through the tunnel. */
function dial(port: number, client: Pair): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectTls({ host: '127.0.0.1', port, cert: client.cert, key: client.key, rejectUnauthorized: false });
    const done = (is: boolean) => (resolve(is), socket.destroy());
    socket.on('secureConnect', () => socket.write('hello'));
    socket.on('data', () => done(true));
    socket.on('error', () => done(false));
    socket.on('close', () => resolve(false));
  });
}

/** A tunnel that stays. */
async function hold(t: TestContext, port: number, { cert, key }: Pair): Promise<TLSSocket> {
  const socket = connectTls({ host: '127.0.0.1', port, cert, key, rejectUnauthorized: false }).on('error', ignore);
  t.after(() => socket.destroy());
  await once(socket, 'secureConnect');
  return echoed(socket);
}

/** Its words still come back. */
async function echoed(socket: TLSSocket): Promise<TLSSocket> {
  socket.write('hello');
  await once(socket, 'data');
  return socket;
}

test('tunnels outlast reloads for new authorities, each in the process that it has come to, and are ended there when they are revoked', async (t) => {
  const [server, a, b, c] = ['gateway', 'a', 'b', 'c'].map((name) => certificate(t, name)) as [Pair, Pair, Pair, Pair];
  const { port, proxy, state } = await tunnel(t, server, [a.cert]);
  await until(() => dial(port, a));
  const first = await hold(t, port, a);
  await bringTo(proxy, { ...state, clientCaPem: [a.cert, b.cert].join('\n') });
  const second = await hold(t, port, b);
  await bringTo(proxy, { ...state, clientCaPem: [a.cert, b.cert, c.cert].join('\n') });
  assert.equal(await dial(port, c), true);
  await until(() => proxy.old.count === 2);
  await Promise.all([echoed(first), echoed(second)]);

  const revoked = [new X509Certificate(a.cert).fingerprint256.replaceAll(':', '').toLowerCase()];
  await bringTo(proxy, { ...state, clientCaPem: [a.cert, b.cert, c.cert].join('\n'), revoked });
  await until(() => first.closed && proxy.old.count === 1);
  await echoed(second);
  assert.deepEqual(proxy.old.ended, { processes: 0, connections: 0 });
});

for (const at of ['an entrance of their own', 'an entrance that links share', 'a port that users share'])
  test(`of a certificate that is revoked a tunnel stays which is spared, over reloads too, and others of it end: at ${at}`, async (t) => {
    const [server, a, b] = ['gateway', 'a', 'b'].map((name) => certificate(t, name)) as [Pair, Pair, Pair];
    const shared = await freePort();
    const { port: own, ...rest } = await tunnel(t, server, [a.cert], {
      ...(at !== 'an entrance of their own' && { link: '127.0.0.1:1' }),
      ...(at === 'a port that users share' && {
        shared: { bind: `127.0.0.1:${shared}`, names: [], users: '/nowhere', standIn: '/nowhere', proxies: [] },
      }),
    });
    const { proxy, state, ends } = rest;
    const port = at === 'a port that users share' ? shared : own;
    await until(() => dial(port, a));
    const held = async () => {
      const before = new Set(ends());
      const socket = await hold(t, port, a);
      return { socket, end: ends().find((end) => !before.has(end))! };
    };
    const [first, second] = [await held(), await held()];
    await bringTo(proxy, { ...state, clientCaPem: [a.cert, b.cert].join('\n') });
    const [third, fourth] = [await held(), await held()];
    const revoked = [new X509Certificate(a.cert).fingerprint256.replaceAll(':', '').toLowerCase()];
    const spared = new Set([first.end, third.end]);
    await bringTo(proxy, { ...state, clientCaPem: [a.cert, b.cert].join('\n'), revoked }, (hash) =>
      hash === revoked[0] ? spared : new Set(),
    );
    await until(() => second.socket.closed && fourth.socket.closed);
    await Promise.all([echoed(first.socket), echoed(third.socket)]);
    assert.ok(!(await dial(port, a)), 'and with the certificate nobody comes in any more');
    // Another certificate is revoked, and what was spared is not any more.
    await bringTo(proxy, { ...state, clientCaPem: [a.cert, b.cert].join('\n'), revoked: [...revoked, 'b'.repeat(64)] });
    await until(() => first.socket.closed && third.socket.closed);
  });

test('where memory is short the oldest process of the tunnels’ HAProxy ends with its tunnels, and sidecars come back to the newest', async (t) => {
  const [server, a, b] = ['gateway', 'a', 'b'].map((name) => certificate(t, name)) as [Pair, Pair, Pair];
  // Less than the newest needs by itself.
  const { port, proxy, state } = await tunnel(t, server, [a.cert], {}, 2 ** 20);
  await until(() => dial(port, a));
  const held = await hold(t, port, a);
  await bringTo(proxy, { ...state, clientCaPem: [a.cert, b.cert].join('\n') });
  await until(() => held.closed);
  await until(() => proxy.old.count === 0);
  assert.equal(proxy.old.ended.processes, 1);
  assert.equal(await dial(port, a), true);
  assert.equal(await dial(port, b), true);
});

test('the authorities of tenants, however many and however long their names, break nobody’s handshake', async (t) => {
  const server = certificate(t, 'gateway');
  const own = certificate(t, 'own');
  const client = certificate(t, 'client', own);
  const long = Array.from({ length: 24 }, (_, index) => `/OU=${String(index).padStart(64, 'x')}`).join('');
  // Together more than 64 KB of names.
  const others = Array.from({ length: 44 }, (_, index) => certificate(t, `tenant-${index}${long}`, undefined));
  const { port, proxy, state } = await tunnel(t, server, [own.cert]);
  await until(() => dial(port, client));
  await bringTo(proxy, { ...state, clientCaPem: [own, ...others].map(({ cert }) => cert).join('\n') });
  assert.ok(await dial(port, client), 'a bystander');
  assert.ok(await dial(port, certificate(t, 'member', others.at(-1))), 'and a member of the last one');
  assert.ok(!(await dial(port, certificate(t, 'stranger'))));
});

test('connections that do not finish their handshake are bounded by address, and do not keep out those who have', async (t) => {
  const own = certificate(t, 'own');
  const client = certificate(t, 'client', own);
  const { port } = await tunnel(t, certificate(t, 'gateway'), [own.cert]);
  await until(() => dial(port, client));
  const open = new Set<Socket>();
  t.after(() => open.forEach((socket) => socket.destroy()));
  let refused = 0;
  for (let index = 0; index < 1100; index++) {
    const socket = connect({ host: '127.0.0.1', port });
    open.add(socket);
    socket.on('error', ignore).on('close', () => (refused++, open.delete(socket)));
    await once(socket, 'connect').catch(ignore);
  }
  await until(() => refused >= 90);
  for (const socket of [...open].slice(0, 200)) socket.destroy();
  await until(() => dial(port, client));
});

test('sidecars that hold every connection they can have leave the kubelet its own, and the next one waits', async (t) => {
  const own = certificate(t, 'own');
  const client = certificate(t, 'client', own);
  const health = await freePort();
  const { port } = await tunnel(t, certificate(t, 'gateway'), [own.cert], { maxConnections: 20, health: `127.0.0.1:${health}` });
  await until(() => dial(port, client));
  const held: TLSSocket[] = [];
  t.after(() => held.forEach((socket) => socket.destroy()));
  const hold = () => {
    const socket = connectTls({ host: '127.0.0.1', port, cert: client.cert, key: client.key, rejectUnauthorized: false });
    held.push(socket.on('error', ignore));
    socket.write('hello');
    return once(socket, 'data');
  };
  // What was dialled to find out that it is there may still be under way.
  await Promise.all(Array.from({ length: 20 }, hold));
  let hasCome = false;
  const next = hold().then(() => (hasCome = true));
  for (let index = 0; index < 20; index++) assert.equal((await request(health, 'kubelet', '/')).status, 200);
  assert.ok(!hasCome);
  held[0]!.destroy();
  await next;
});

test('links of clusters go on to the agent as they are, beside tunnels, whose revoked certificates are ended as ever', async (t) => {
  const own = certificate(t, 'own');
  const client = certificate(t, 'client', own);
  const agent = certificate(t, 'agent');
  const links = createTlsServer({ cert: agent.cert, key: agent.key, ALPNProtocols: [alpn] }, (socket) =>
    socket.on('error', ignore).end('linked'),
  );
  links.on('tlsClientError', ignore).listen(0, '127.0.0.1');
  await once(links, 'listening');
  t.after(() => links.close());
  const link = `127.0.0.1:${(links.address() as AddressInfo).port}`;
  const { port, proxy, state } = await tunnel(t, certificate(t, 'gateway'), [own.cert], { link });
  await until(() => dial(port, client));
  assert.ok(!(await dial(port, certificate(t, 'stranger'))));
  const linked = connectTls({ host: '127.0.0.1', port, ALPNProtocols: [alpn], ca: agent.cert, checkServerIdentity: () => undefined });
  t.after(() => linked.destroy());
  const [said] = (await once(linked, 'data')) as [Buffer];
  assert.deepEqual([String(said), linked.authorized], ['linked', true]);
  // The address of whoever dials is known behind the entrance, so that the tunnel of a certificate is found.
  const open = connectTls({ host: '127.0.0.1', port, cert: client.cert, key: client.key, rejectUnauthorized: false });
  open.on('error', ignore);
  await once(open, 'secureConnect');
  open.write('hello');
  await once(open, 'data');
  const ended = once(open, 'close');
  await bringTo(proxy, { ...state, revoked: [new X509Certificate(client.cert).fingerprint256.replaceAll(':', '').toLowerCase()] });
  await ended;
  assert.ok(!(await dial(port, client)));
});

test('frames of tunnels arrive as they were sent, in whatever pieces, and a beginning of one does not wait for its end', async (t) => {
  const own = certificate(t, 'own');
  const client = certificate(t, 'client', own);
  const { port } = await tunnel(t, certificate(t, 'gateway'), [own.cert]);
  await until(() => dial(port, client));
  const socket = connectTls({ host: '127.0.0.1', port, cert: client.cert, key: client.key, rejectUnauthorized: false });
  t.after(() => socket.destroy());
  socket.on('error', ignore).setNoDelay();
  let back = Buffer.alloc(0);
  socket.on('data', (bytes: Buffer) => (back = Buffer.concat([back, bytes])));
  const [data, window, ping, syn, fin] = [0, 1, 2, 1, 4];
  const work = message('w', '{}');
  const said = Buffer.from('what a user says');
  const frames = Buffer.concat([
    frame(window, syn, 1, 0),
    frame(data, 0, 1, work.length, work),
    frame(data, 0, 1, said.length, said),
    frame(ping, syn, 0, 7),
    frame(window, fin, 1, 0),
  ]);
  let sent = Buffer.alloc(0);
  for (const size of [1, 5, 11, 13, frames.length])
    for (let at = 0; at < frames.length; at += size) {
      const piece = frames.subarray(at, at + size);
      socket.write(piece);
      sent = Buffer.concat([sent, piece]);
      if (size === 1 && at < 12) await until(() => back.length === sent.length);
    }
  await until(() => back.length >= sent.length);
  assert.deepEqual(back, sent);
});

test('a tunnel ends when its client falls silent, also where the client reads nothing, and who speaks keeps it', async (t) => {
  const own = certificate(t, 'own');
  const client = certificate(t, 'client', own);
  /** Says much, whatever it hears, and counts who is connected. */
  const open = new Set<Socket>();
  const talks = createServer((socket) => {
    open.add(socket.on('error', ignore).on('close', () => open.delete(socket)));
    socket.resume();
    const timer = setInterval(() => socket.writableLength === 0 && socket.write(Buffer.alloc(1024 * 1024)), 10);
    socket.on('close', () => clearInterval(timer));
  }).listen(0, '127.0.0.1');
  await once(talks, 'listening');
  t.after(() => (talks.close(), open.forEach((socket) => socket.destroy())));
  const server = `127.0.0.1:${(talks.address() as AddressInfo).port}`;
  const { port } = await tunnel(t, certificate(t, 'gateway'), [own.cert], { server });
  await until(() => dial(port, client));
  await until(() => open.size === 0);
  const dialled = () => {
    const socket = connectTls({ host: '127.0.0.1', port, cert: client.cert, key: client.key, rejectUnauthorized: false });
    t.after(() => socket.destroy());
    socket.on('error', ignore).write(frame(2, 2, 0, 1));
    return socket;
  };
  const speaker = dialled().resume();
  const timer = setInterval(() => speaker.write(frame(2, 2, 0, 1)), 1000);
  t.after(() => clearInterval(timer));
  const silent = dialled().resume();
  const deaf = dialled().pause();
  await until(() => open.size === 3);
  const ended = once(silent, 'close');
  await new Promise((later) => setTimeout(later, 2000));
  assert.equal(open.size, 3);
  await new Promise((later) => setTimeout(later, 2000));
  assert.equal(open.size, 1);
  await ended;
  assert.ok(!speaker.destroyed && deaf.isPaused());
});
