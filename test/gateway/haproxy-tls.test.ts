/** TLS at real HAProxies: hosts of users, and the mTLS of tunnels. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { rename } from 'node:fs/promises';
import { get } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { connect, createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls, createServer as createTls, type TLSSocket } from 'node:tls';
import { checkWith, TunnelProxy, type TunnelState } from '../../src/gateway/haproxy/index.ts';
import { identify } from '../../src/gateway/haproxy/runtime/running.ts';
import { logTo } from '../../src/log.ts';
import { both, certificate, type Pair } from './certificates.ts';
import { app, bringTo, directory, freePort, gateway, haproxy, member, service, until, view } from './haproxy-harness.ts';

async function https(port: number, host: string, ca: string, path = '/') {
  const call = get({ host: '127.0.0.1', port, servername: host, headers: { host }, ca, path, agent: false });
  const [response] = (await once(call, 'response')) as [IncomingMessage & { socket: TLSSocket }];
  const peer = response.socket.getPeerX509Certificate()!;
  let body = '';
  for await (const chunk of response) body += String(chunk);
  return { status: response.statusCode, body, serial: peer.serialNumber };
}

test('TLS ends at the gateway for hosts with a certificate, which is changed live; others pass through', async (t) => {
  const [first, second, third, inner] = [
    certificate(t, 'a.example.com'),
    certificate(t, 'a.example.com'),
    certificate(t, 'b.example.com'),
    certificate(t, 'p.example.com'),
  ];
  const backend = await app(t, 'a', (req, res) => res.end(String(req.headers['x-forwarded-proto'])));
  const passed = createTls({ cert: inner.cert, key: inner.key }, (socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npassed'));
  }).listen(0, '127.0.0.1');
  await once(passed, 'listening');
  t.after(() => passed.close());
  const tls = (redirect: boolean) => ({ tls: { secretName: 's', redirect } });
  const web = (pem: string | undefined, redirect = false) =>
    service('web', { expose: { type: 'domain', domain: 'a.example.com', ...tls(redirect) } }, [member('shop/web', '1', backend.port)], {
      certificate: pem,
    });
  const other = service(
    'other',
    { expose: { type: 'domain', domain: 'b.example.com', ...tls(false) } },
    [member('shop/other', '1', backend.port)],
    { certificate: both(third) },
  );
  const raw = service('raw', { serviceType: 'tcp', expose: { type: 'domain', domain: 'p.example.com' } }, [
    member('shop/raw', '1', (passed.address() as AddressInfo).port),
  ]);

  const gw = await gateway(t, view(web(both(first))));
  const serial = (pair: Pair) => new X509Certificate(pair.cert).serialNumber;
  assert.deepEqual(await https(gw.settings.httpsPort, 'a.example.com', first.cert), { status: 200, body: 'https', serial: serial(first) });
  await gw.apply(view(web(both(second))));
  assert.equal((await https(gw.settings.httpsPort, 'a.example.com', second.cert)).serial, serial(second));
  assert.equal((await gw.http('a.example.com')).body, 'http');
  await gw.apply(view(web(both(second), true)));
  const redirected = await gw.http('a.example.com', '/x?y=1');
  assert.equal(redirected.status, 308);
  assert.equal(redirected.headers.get('location'), 'https://a.example.com/x?y=1');
  assert.equal(gw.proxy.reloads, 0);
  await assert.rejects(https(gw.settings.httpsPort, 'b.example.com', third.cert), 'a host without a certificate has no TLS');

  await gw.apply(view(web(both(second)), other));
  assert.equal((await https(gw.settings.httpsPort, 'b.example.com', third.cert)).serial, serial(third));
  await gw.apply(view(web(both(second)), other, raw));
  assert.equal((await https(gw.settings.httpsPort, 'p.example.com', inner.cert)).body, 'passed');
  assert.equal((await https(gw.settings.httpsPort, 'a.example.com', second.cert)).body, 'https');

  const reloads = gw.proxy.reloads;
  const broken = await gw.apply(view(web('garbage'), other, raw));
  assert.match(broken.problems.join(), /shop\/web: spec\.expose\.tls/);
  await assert.rejects(https(gw.settings.httpsPort, 'a.example.com', second.cert), 'nothing of the old one is kept');
  assert.equal((await https(gw.settings.httpsPort, 'b.example.com', third.cert)).serial, serial(third));
  for (const pem of ['garbage', undefined]) {
    await gw.apply(view(web(pem, true), other, raw));
    assert.equal((await gw.http('a.example.com')).status, 308, 'what asks for TLS is not answered without');
  }
  assert.equal(gw.proxy.reloads, reloads);
});

test('tunnels must show a client certificate that is not revoked, and stay up while certificate and CA change', async (t) => {
  const [server1, server2, ca1, ca2] = [
    certificate(t, 'gw.example.com'),
    certificate(t, 'gw.example.com'),
    certificate(t, 'ca1'),
    certificate(t, 'ca2'),
  ];
  const [good, bad, next] = [certificate(t, 'good', ca1), certificate(t, 'bad', ca1), certificate(t, 'next', ca2)];
  const frps = createServer((socket) => socket.on('error', () => {}).pipe(socket)).listen(0, '127.0.0.1');
  await once(frps, 'listening');
  t.after(() => frps.close());
  const port = await freePort();
  const at = directory(t);
  const proxy = new TunnelProxy({
    directory: at,
    bind: `127.0.0.1:${port}`,
    server: `127.0.0.1:${(frps.address() as AddressInfo).port}`,
    check: checkWith([haproxy]),
    changed: () => {},
    log: logTo({ write: () => {} }),
  });
  t.after(() => proxy.close());
  const apply = (state: TunnelState) => bringTo(proxy, state);
  const fingerprint = ({ cert }: Pair) => new X509Certificate(cert).fingerprint256.replaceAll(':', '');
  await apply({ serverPem: both(server1), clientCaPem: ca1.cert, revoked: [] });
  const child = spawn(haproxy, ['-W', '-S', join(at, 'master.sock'), '-f', join(at, 'current/haproxy.cfg')], { stdio: 'ignore' });
  t.after(async () => {
    child.kill('SIGTERM');
    await once(child, 'exit');
  });
  await until(() =>
    identify(join(at, 'worker.sock')).then(
      () => true,
      () => false,
    ),
  );
  await apply({ serverPem: both(server1), clientCaPem: ca1.cert, revoked: [] });

  /** Opens a tunnel and says whether an echo comes back through it. */
  const dial = async (client: Pair | undefined, server: Pair) => {
    const socket = connectTls({ host: '127.0.0.1', port, servername: 'gw.example.com', ca: server.cert, ...client });
    t.after(() => socket.destroy());
    const echo = (text: string) =>
      new Promise<boolean>((resolve) => {
        if (socket.destroyed) resolve(false);
        socket.once('data', (data: Buffer) => resolve(data.toString() === text));
        for (const end of ['error', 'close']) socket.once(end, () => resolve(false));
        socket.write(text);
      });
    return { echo, isOpen: await echo('hello') };
  };
  const tunnel = await dial(good, server1);
  assert.ok(tunnel.isOpen);
  const revoked = await Promise.all(Array.from({ length: 40 }, () => dial(bad, server1)));
  assert.ok(revoked.every(({ isOpen }) => isOpen));
  assert.ok(!(await dial(undefined, server1)).isOpen, 'no certificate');
  assert.ok(!(await dial(next, server1)).isOpen, 'of an unknown CA');

  await apply({ serverPem: both(server1), clientCaPem: ca1.cert, revoked: [fingerprint(bad)] });
  assert.ok(!(await dial(bad, server1)).isOpen, 'revoked');
  for (const { echo } of revoked) assert.ok(!(await echo('still here')), 'each of its tunnels has ended');
  assert.ok(await tunnel.echo('still here'), 'that of another has not');
  await apply({ serverPem: both(server2), clientCaPem: `${ca1.cert}\n${ca2.cert}`, revoked: [fingerprint(bad)] });
  assert.ok((await dial(next, server2)).isOpen, 'of the new CA');
  assert.ok((await dial(good, server2)).isOpen);
  // As while the master starts anew after another reload: it does not listen then.
  const master = join(at, 'master.sock');
  await rename(master, `${master}.away`);
  const applied = apply({ serverPem: both(server2), clientCaPem: ca2.cert, revoked: [] });
  await Promise.race([applied.catch(() => {}), sleep(1000)]);
  await rename(`${master}.away`, master);
  await applied;
  assert.ok(!(await dial(good, server2)).isOpen, 'the old CA is gone');
  await apply({ serverPem: both(server1), clientCaPem: ca2.cert, revoked: [] });
  assert.ok((await dial(next, server1)).isOpen, 'a new server certificate after changes of CAs');
  assert.ok(await tunnel.echo('still here'), 'the first tunnel stays, in the process from before the reload');
  await apply({ serverPem: both(server1), clientCaPem: ca2.cert, revoked: [fingerprint(good)] });
  assert.ok(!(await tunnel.echo('still here')), 'a revocation ends it there too');
  await apply({ serverPem: both(server1), clientCaPem: ca2.cert, revoked: [] });
  const commands = await recordCommands(t, join(at, 'worker.sock'));
  await proxy.close();
  const restarted = new TunnelProxy({
    directory: at,
    bind: `127.0.0.1:${port}`,
    check: checkWith([haproxy]),
    changed: () => {},
    log: logTo({ write: () => {} }),
  });
  t.after(() => restarted.close());
  await restarted.apply({ serverPem: both(server1), clientCaPem: ca2.cert, revoked: [] });
  assert.match(commands.join(''), /show ssl cert/);
  assert.doesNotMatch(commands.join(''), /\b(set|commit|add|del) /, 'an agent that starts anew changes nothing that is there');
  await restarted.apply({ serverPem: both(server2), clientCaPem: ca2.cert, revoked: [] });
  assert.match(commands.join(''), /commit ssl cert/);
  assert.ok((await dial(next, server2)).isOpen);
  assert.equal(createHash('sha256').update(new X509Certificate(bad.cert).raw).digest('hex').toUpperCase(), fingerprint(bad));
});

/** Puts itself in front of a Unix socket. @returns what is sent to it from now on */
async function recordCommands(t: TestContext, path: string): Promise<string[]> {
  const sent: string[] = [];
  await rename(path, `${path}.real`);
  const relay = createServer({ allowHalfOpen: true }, (client) => {
    const real = connect({ path: `${path}.real`, allowHalfOpen: true });
    client.on('data', (data: Buffer) => sent.push(data.toString()));
    client.pipe(real).pipe(client);
    for (const socket of [client, real]) socket.on('error', () => {});
  }).listen(path);
  await once(relay, 'listening');
  t.after(() => relay.close());
  return sent;
}
