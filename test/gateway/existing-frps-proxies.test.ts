/** What users get through an frps that was there before: every kind of proxy, the members of a group, health checks. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { createAuthority, issue } from '../../certs/authority.ts';
import type { DistributedServiceSpec } from '../../src/model/types.ts';
import { service } from '../support/services.ts';
import { freePort, request, until } from './haproxy-harness.ts';
import { startApp, startServer, startSidecar, token, type Joined } from './injected-sidecar.ts';

const files = { 'frps.token': token };
const unchecked = { loadBalancing: { healthCheck: { enabled: false } } };
const byPort = (port: number) => ({ expose: { type: 'port' as const, port }, ...unchecked });
const byName: Partial<DistributedServiceSpec> = { serviceType: 'tcp', expose: { domain: 'tls.example.com' }, ...unchecked };

const [major, minor] = execFileSync(process.env.FRPS!, ['--version'], { encoding: 'utf8' }).split('.').map(Number);
/** frp has groups of https proxies from 0.66 on. */
const hasGroupsByName = major! > 0 || minor! >= 66;

const life = { lifetimeMs: 3_600_000, now: Date.now() };
const { certPem: cert, keyPem: key } = await issue(await createAuthority(life), {
  ...life,
  commonName: 'app',
  dnsNames: ['tls.example.com'],
  usages: ['serverAuth'],
});

/** Apps that say who they are, by http, tcp and TLS. @returns port */
const web = (t: TestContext, name: string) => startApp(t, (_, answer) => answer.end(name));
const listening = async (t: TestContext, server: Server): Promise<number> => {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
};
const tcpApp = (t: TestContext, name: string) =>
  listening(
    t,
    createServer((socket) => void socket.on('error', () => {}).end(name)),
  );
const tlsApp = (t: TestContext, name: string) =>
  listening(
    t,
    createTlsServer({ cert, key }, (socket) => void socket.on('error', () => {}).end(name)),
  );
const udpApp = async (t: TestContext, name: string): Promise<number> => {
  const socket = createSocket('udp4', (packet, from) => socket.send(`${name} ${packet.toString()}`, from.port, from.address));
  await once(socket.bind(0, '127.0.0.1'), 'listening');
  t.after(() => socket.close());
  return socket.address().port;
};

const said = async (socket: Socket): Promise<string> => {
  let text = '';
  socket.setTimeout(3000, () => socket.destroy());
  socket.on('error', () => {}).on('data', (part: Buffer) => (text += part.toString()));
  await new Promise((closed) => socket.on('close', closed));
  return text;
};
const byHttp = async (port: number) => (await request(port, 'web.example.com', '/').catch(() => undefined))?.body;
const byTcp = (port: number) => said(connect({ host: '127.0.0.1', port }));
const byTls = (port: number) => said(connectTls({ host: '127.0.0.1', port, servername: 'tls.example.com', rejectUnauthorized: false }));

/** One packet each time until one comes back. */
async function byUdp(t: TestContext, port: number): Promise<string> {
  const user = createSocket('udp4').bind(0, '127.0.0.1');
  t.after(() => user.close());
  let answer: string | undefined;
  user.on('message', (packet) => (answer = packet.toString()));
  await until(() => {
    user.send('hello', port, '127.0.0.1');
    return answer !== undefined;
  });
  return answer!;
}

/** A server with ports for every kind of proxy, and Pods that join it. */
async function installation(t: TestContext) {
  const names = await freePort();
  const { port, users } = await startServer(t, { vhostHTTPSPort: names });
  const pod = (name: string, groups: Joined[]) => {
    const keys = Object.fromEntries(groups.map((_, index) => [`group-${index}.key`, `key ${index}`]));
    return startSidecar(t, { port, auth: { tokenSecret: 'frps-token' }, tls: 'unverified' }, { ...files, ...keys }, { groups, pod: name });
  };
  return { users, names, pod };
}

/** Who answers, asked until each of them has, and then twelve times, of which none fails. */
async function sharedBy(members: string[], ask: () => Promise<string | undefined>): Promise<void> {
  const answered = new Set<string | undefined>();
  await until(async () => {
    answered.add(await ask());
    return members.every((each) => answered.has(each));
  });
  const answers = [];
  while (answers.length < 12) answers.push(await ask());
  assert.deepEqual([...new Set(answers)].sort(), members);
}

test('one sidecar carries http, tcp, udp and TLS by server name', async (t) => {
  const { users, names, pod } = await installation(t);
  const [tcp, udp] = [await freePort(), await freePort()];
  await pod('all-0', [
    { service: service('web', { expose: { domain: 'web.example.com' }, ...unchecked }), port: await web(t, 'the web') },
    { service: service('mail', { serviceType: 'tcp', ...byPort(tcp) }), port: await tcpApp(t, 'the mail') },
    { service: service('game', { serviceType: 'udp', expose: { type: 'port', port: udp } }), port: await udpApp(t, 'the game says') },
    { service: service('named', byName), port: await tlsApp(t, 'the named') },
  ]);
  await until(async () => (await byHttp(users)) === 'the web');
  await until(async () => (await byTcp(tcp)) === 'the mail');
  await until(async () => (await byTls(names)) === 'the named');
  assert.equal(await byUdp(t, udp), 'the game says hello');
});

test('the Pods of a group share the users, and those of one that is gone are the other’s', async (t) => {
  const { users, pod } = await installation(t);
  const tcp = await freePort();
  const join = async (name: string) =>
    pod(name, [
      { service: service('web', { expose: { domain: 'web.example.com' }, ...unchecked }), port: await web(t, name) },
      { service: service('mail', { serviceType: 'tcp', ...byPort(tcp) }), port: await tcpApp(t, name) },
    ]);
  const [first] = [await join('a'), await join('b')];
  for (const ask of [() => byHttp(users), () => byTcp(tcp)]) await sharedBy(['a', 'b'], ask);
  first.end();
  await until(async () => (await byHttp(users)) === 'b' && (await byHttp(users)) === 'b');
  for (const ask of [() => byHttp(users), () => byTcp(tcp)]) await sharedBy(['b'], ask);
});

/** Two Pods of a service by server name, of which the first has users. */
async function named(t: TestContext) {
  const { names, pod } = await installation(t);
  const join = async (name: string) => pod(name, [{ service: service('named', byName), port: await tlsApp(t, name) }]);
  await join('a');
  await until(async () => (await byTls(names)) === 'a');
  return { second: await join('b'), ask: () => byTls(names) };
}

test('the Pods of a service by server name share the users', { skip: !hasGroupsByName }, async (t) => {
  const { ask } = await named(t);
  await sharedBy(['a', 'b'], ask);
});

test('an frps before 0.66 refuses the second Pod of a service by server name', { skip: hasGroupsByName }, async (t) => {
  const { second, ask } = await named(t);
  await until(() => /start error: router config conflict/.test(second.said()));
  await sharedBy(['a'], ask);
});

for (const type of ['http', 'tcp'] as const)
  test(`a Pod whose app fails its ${type} health check gets no users until it is well again`, async (t) => {
    const { users, pod } = await installation(t);
    const healthCheck = { type, interval: '1s', timeout: '1s', failureThreshold: 1, ...(type === 'http' && { path: '/alive' }) };
    const spec = { expose: { domain: 'web.example.com' }, loadBalancing: { healthCheck } };
    let isWell = true;
    const app = createHttpServer((_, answer) => void answer.writeHead(isWell ? 200 : 503).end('a'));
    const port = await listening(t, app);
    const fail = () => (type === 'http' ? (isWell = false) : app.close());
    const recover = () => (type === 'http' ? (isWell = true) : app.listen(port, '127.0.0.1'));
    await pod('a', [{ service: service('web', spec), port }]);
    await pod('b', [{ service: service('web', spec), port: await web(t, 'b') }]);
    const ask = () => byHttp(users);
    await sharedBy(['a', 'b'], ask);
    fail();
    await until(async () => (await Promise.all([ask(), ask(), ask(), ask()])).every((each) => each === 'b'));
    await sharedBy(['b'], ask);
    recover();
    await sharedBy(['a', 'b'], ask);
  });
