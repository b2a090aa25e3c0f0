/** Sidecars of an installation that uses an frps which was there before: its token, its TLS, its way of transport. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';
import { createAuthority, issue, type Authority } from '../../certs/authority.ts';
import { ownerOf } from '../../src/frp/proxy-names.ts';
import { askServerApi } from '../../src/frp/server-api.ts';
import type { DistributedServiceSpec } from '../../src/model/types.ts';
import { service } from '../support/services.ts';
import { app, directory, freePort, request, until } from './haproxy-harness.ts';
import { credentials, startServer, startSidecar, token } from './injected-sidecar.ts';

/** The groups of a Pod with one, which an app serves at a port. */
const webOf = (port: number, spec: Partial<DistributedServiceSpec>) => ({
  groups: [
    {
      service: service('web', { expose: { domain: 'web.example.com' }, loadBalancing: { healthCheck: { enabled: false } }, ...spec }),
      port,
    },
  ],
});

const isServed = (users: number) => async () =>
  (await request(users, 'web.example.com', '/hello').catch(() => undefined))?.body === 'app /hello';
const auth = { tokenSecret: 'frps-token' };
const files = { 'frps.token': token };

const life = { lifetimeMs: 3_600_000, now: Date.now() };
const serverName = 'frps.example.com';
const owner: Authority = await createAuthority(life);
const serverPair = await issue(owner, { ...life, commonName: 'frps', dnsNames: [serverName], usages: ['serverAuth'] });

/** Files of a server's certificate, and of who signed its clients'. */
function serverFiles(t: TestContext) {
  const at = directory(t);
  const all = { 'tls.crt': serverPair.certPem, 'tls.key': serverPair.keyPem, 'ca.crt': owner.certPem };
  for (const [name, text] of Object.entries(all)) writeFileSync(join(at, name), text);
  return { pair: { certFile: join(at, 'tls.crt'), keyFile: join(at, 'tls.key') }, trustedCaFile: join(at, 'ca.crt') };
}

test('a sidecar logs in with the token, to a server whose own certificate nobody can verify', async (t) => {
  const { port, users } = await startServer(t);
  await startSidecar(t, { port, auth, tls: 'unverified' }, files);
  await until(isServed(users));
});

test('a server without TLS is joined without it, where the installation says so', async (t) => {
  const { port, users } = await startServer(t, { auth: { token, additionalScopes: ['HeartBeats', 'NewWorkConns'] } });
  await startSidecar(t, { port, tls: 'off', auth: { ...auth, additionalScopes: ['HeartBeats', 'NewWorkConns'] } }, files);
  await until(isServed(users));
});

test('a server with a certificate is verified by who signed it, and one of another is refused', async (t) => {
  const { port, users } = await startServer(t, { transport: { tls: serverFiles(t).pair } });
  const keys = { port, auth, tls: 'server', caSecret: 'owner-ca', serverName } as const;
  const stranger = await startSidecar(t, keys, { ...files, 'frps-ca.crt': (await createAuthority(life)).certPem });
  // frpc tells a handshake that failed as "session shutdown", or as what x509 says.
  await until(() => /connect to server error: (session shutdown|.*certificate signed by unknown authority)/.test(stranger.said()));
  assert.ok(!(await isServed(users)()));
  stranger.end();
  await startSidecar(t, keys, { ...files, 'frps-ca.crt': owner.certPem });
  await until(isServed(users));
});

test('a server that asks for certificates of its own authority is shown one', async (t) => {
  const { pair, trustedCaFile } = serverFiles(t);
  const { port, users } = await startServer(t, { transport: { tls: { force: true, ...pair, trustedCaFile } } });
  const { certPem, keyPem } = await issue(owner, { ...life, commonName: 'member', usages: ['clientAuth'] });
  const shown = { 'tls.crt': certPem, 'tls.key': keyPem };
  await startSidecar(t, { port, auth, caSecret: 'owner-ca', serverName }, { ...files, 'frps-ca.crt': owner.certPem, ...shown });
  await until(isServed(users));
});

for (const protocol of ['websocket', 'kcp', 'quic'] as const)
  test(`the tunnel goes by ${protocol} where the server wants it`, async (t) => {
    const udp = await freePort();
    const { port, users } = await startServer(t, protocol === 'websocket' ? {} : { [`${protocol}BindPort`]: udp });
    const keys = {
      port: protocol === 'websocket' ? port : udp,
      auth,
      tls: 'unverified',
      transport: { protocol, useCompression: true },
    } as const;
    await startSidecar(t, keys, files);
    await until(isServed(users));
  });

test('the tunnel goes by wss to a web server in front of frps, whose certificate well-known authorities signed', async (t) => {
  const { port, users } = await startServer(t);
  const front = createTlsServer({ cert: serverPair.certPem, key: serverPair.keyPem }, (socket) => {
    const behind = connect({ host: '127.0.0.1', port });
    socket.on('error', () => behind.destroy()).pipe(behind);
    behind.on('error', () => socket.destroy()).pipe(socket);
  }).listen(0, '127.0.0.1');
  await once(front, 'listening');
  t.after(() => front.close());
  const keys = { port: (front.address() as AddressInfo).port, auth, tls: 'server', serverName, transport: { protocol: 'wss' } } as const;
  await startSidecar(t, keys, { ...files, 'well-known': owner.certPem });
  await until(isServed(users));
});

test('a sidecar waits for the token, says what the server says of a wrong one, and starts anew for another', async (t) => {
  const { port, users } = await startServer(t);
  const sidecar = await startSidecar(t, { port, auth, tls: 'unverified' }, {});
  await until(() => /waiting for .* token/.test(sidecar.said()));
  sidecar.give({ 'frps.token': 'of yesterday' });
  await until(() => /token in login doesn't match/.test(sidecar.said()));
  assert.ok(!(await isServed(users)()));
  sidecar.give({ 'frps.token': token });
  // The kubelet starts a native sidecar again that has ended.
  await once(sidecar.child, 'exit');
});

test('proxies of a user are found by the server’s API, and those of other users are not taken for them', async (t) => {
  const { port, api } = await startServer(t);
  await startSidecar(t, { port, auth, tls: 'unverified', user: 'cluster-a', metadatas: { team: 'shop' } }, files);
  const listed = async () =>
    (await askServerApi(new URL('/api/proxy/http', api), { credentials, signal: AbortSignal.timeout(5000) })) as {
      proxies: { name: string; status: string }[];
    };
  await until(async () => ((await listed().catch(() => undefined))?.proxies ?? []).some(({ status }) => status === 'online'));
  const names = (await listed()).proxies.map(({ name }) => name);
  assert.deepEqual(
    names.map((name) => ownerOf(name, 'cluster-a')?.service),
    ['shop/web'],
  );
  assert.deepEqual(
    names.map((name) => ownerOf(name, 'cluster-b')),
    [undefined],
  );
});

test('the app is asked for the Host of the spec, also by its health check, and gets headers as they are written', async (t) => {
  const { port, users } = await startServer(t);
  const checked = new Set<string | undefined>();
  const backend = await app(t, 'app', ({ url, headers }, answer) => {
    if (url === '/alive') checked.add(headers.host);
    // One that refuses foreign Hosts, as Ollama on loopback does.
    answer.writeHead(headers.host === 'localhost:11434' ? 200 : 403, { server: 'app/1.2', 'x-c': 'of the app' }).end('app');
  });
  const value = '50% "off" \'now\' {{ .Envs.FRP_GROUP }} \\ %[src] ${HOME}';
  const forged = {
    'X-Frp-Client': 'root',
    'X-Real-IP': '1.2.3.4',
    'X-Forwarded-For': '1.2.3.4',
    Connection: 'x-a',
    'X-Cr': 'a\r\nX-Frp-Client: root',
  };
  const headers = { request: { set: { 'X-A': value, ...forged } }, response: { set: { 'X-C': value } } };
  const spec: Partial<DistributedServiceSpec> = {
    expose: { domain: 'web.example.com', hostHeader: 'localhost:11434', headers },
    loadBalancing: { healthCheck: { type: 'http', path: '/alive', interval: '1s', timeout: '1s' } },
  };
  await startSidecar(t, { port, auth, tls: 'unverified' }, files, webOf(backend.port, spec));
  const ask = () => request(users, 'web.example.com', '/a', { headers: { 'x-a': 'of the user' } });
  await until(async () => (await ask().catch(() => undefined))?.status === 200);
  const answer = await ask();
  assert.deepEqual([answer.body, answer.headers.get('x-c')], ['app', value]);
  const { headers: seen } = backend.requests.find(({ url }) => url === '/a')!;
  assert.deepEqual(
    [seen.host, seen['x-a'], seen['x-frp-client'], seen['x-real-ip'], seen['x-forwarded-for'], seen['x-cr']],
    ['localhost:11434', value, undefined, undefined, '127.0.0.1', undefined],
  );
  assert.deepEqual([...checked], ['localhost:11434']);
});

for (const [path, spelled] of [
  ['/socket.io', '/socket%2Eio/?EIO=4'],
  ['/.well-known/x', '/.well-known/x/y'],
  ['/api/v1.0', '/api/v1.0'],
  ["/@a:b/(c)!$&'+,=~", '/%40a%3Ab/%28c%29%21%24%26%27%2B%2C%3D~'],
  ['/caf%C3%A9', '/caf%c3%a9'],
] as const)
  test(`an app at ${path} is found at ${spelled}`, async (t) => {
    const { port, users } = await startServer(t);
    const backend = await app(t, 'app');
    const spec = { expose: { type: 'path' as const, domain: 'web.example.com', path } };
    await startSidecar(t, { port, auth, tls: 'unverified' }, files, webOf(backend.port, spec));
    await until(async () => (await request(users, 'web.example.com', spelled).catch(() => undefined))?.status === 200);
    assert.equal((await request(users, 'web.example.com', path)).body, 'app');
    assert.equal((await request(users, 'web.example.com', '/elsewhere')).status, 404);
  });

test('packets of udp pass whole, as large as both ends were told', async (t) => {
  const udpPacketSize = 7000;
  const [{ port }, users] = [await startServer(t, { udpPacketSize }), await freePort()];
  const echo = createSocket('udp4', (packet, from) => echo.send(packet, from.port, from.address)).bind(0, '127.0.0.1');
  await once(echo, 'listening');
  t.after(() => echo.close());
  const spec = { serviceType: 'udp' as const, expose: { type: 'port' as const, port: users } };
  await startSidecar(t, { port, auth, tls: 'unverified', udpPacketSize }, files, webOf(echo.address().port, spec));
  const user = createSocket('udp4').bind(0, '127.0.0.1');
  t.after(() => user.close());
  const packet = Buffer.alloc(udpPacketSize, 'x');
  const echoed = new Promise<Buffer>((resolve) => user.once('message', resolve));
  let isDone = false;
  void echoed.then(() => (isDone = true));
  await until(() => {
    user.send(packet, users, '127.0.0.1');
    return isDone;
  });
  assert.deepEqual(await echoed, packet);
});
