/** Parts that hang: they keep their sockets and answer nothing. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, it, test, type TestContext } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { runCommand } from '../../src/gateway/haproxy/runtime/cli.ts';
import { base64 } from '../../src/kube/authority-secret.ts';
import type { KubeObject } from '../../src/kube/types.ts';
import { service as defined } from '../support/services.ts';
import { Gateway as Whole } from './agent-harness.ts';
import { eventually } from './eventually.ts';
import {
  app,
  freePort,
  gateway,
  member,
  newReplicaTls,
  replicaTls,
  request,
  service,
  tally,
  until,
  view,
  type Gateway,
} from './haproxy-harness.ts';
import { addresses, replicas } from './replicas-harness.ts';

const host = 'web.example.com';
const [first] = addresses;
const web = (members: readonly { name: string; port: number }[]) =>
  service(
    'web',
    {
      expose: { domain: host },
      loadBalancing: { algorithm: 'round-robin', healthCheck: { type: 'http', interval: '10s', timeout: '1s' } },
    },
    members.map(({ name, port }) => member('shop/web', name, port)),
  );
const names = ['a', 'b', 'c'];

/** Backends of one process, as they are behind frps: stopped, it accepts connections and answers nothing. */
async function tunnel(t: TestContext): Promise<{ members: { name: string; port: number }[]; signal(name: NodeJS.Signals): void }> {
  const program = `
    const { createServer } = require('node:http');
    const answer = (req, res) => req.url === '/stream' ? (res.write('first'), setTimeout(() => res.end(' last'), 4000)) : setTimeout(() => res.end('here'), 5);
    const servers = [1, 2, 3].map(() => createServer(answer).listen(0, '127.0.0.1'));
    setTimeout(() => console.log(JSON.stringify(servers.map((each) => each.address().port))), 100);`;
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const ports = JSON.parse(line.toString()) as number[];
  return { members: names.map((name, n) => ({ name, port: ports[n]! })), signal: (name) => void child.kill(name) };
}

/** A replica that cannot reach the other one, and knows it. */
async function cutOff(t: TestContext, members: readonly { name: string; port: number }[]): Promise<Gateway> {
  const [a, b] = await replicas(t, [view(web(members)), view(web([]))]);
  await b.crash();
  const isDown = async () => /^frp-replicas,gw-1,.*,DOWN,/m.test(await runCommand(join(a.settings.directory, 'worker.sock'), 'show stat'));
  await until(isDown);
  return a;
}

const served = (gw: Gateway, path = '/', init: RequestInit = {}) =>
  gw.http(host, path, init).then(
    ({ status, body }) => `${status} ${body}`,
    (error: Error) => error.message,
  );

test('what waits for a stuck frps is served by the other replica, and so is everything after it', async (t) => {
  const there = await app(t, 'there');
  const here = await tunnel(t);
  const both = [view(web(here.members)), view(web([there]))] as const;
  const [a, b] = await replicas(t, [...both]);
  await Promise.all([until(async () => (await served(a)) === '200 here'), until(async () => (await served(b)) === '200 there')]);
  here.signal('SIGSTOP');
  const waiting = [...names, ...names].map(() => served(a));
  const post = served(a, '/', { method: 'POST', body: 'x' });
  await new Promise((later) => setTimeout(later, 1200));
  await a.applyWith(both[0], { state: { isReady: true, isStuck: true } });
  let isOver = false;
  t.after(() => (isOver = true));
  const moving = (async () => {
    while (!isOver) {
      await a.proxy.endWaiting(1);
      await new Promise((later) => setTimeout(later, 100));
    }
  })();
  assert.deepEqual(tally(await Promise.all(waiting)), { '200 there': waiting.length });
  assert.match(await post, /^502 /, 'nobody knows whether it has been carried out');
  const after = await Promise.all(Array.from({ length: 20 }, () => served(a, '/', { method: 'POST', body: 'x' })));
  assert.deepEqual(tally(after), { '200 there': after.length });
  isOver = true;
  await moving;
});

test('an answer that is under way goes on where what waits is ended', async (t) => {
  const here = await tunnel(t);
  const [a] = await replicas(t, [view(web(here.members)), view(web([]))]);
  await until(async () => (await served(a)) === '200 here');
  const stream = served(a, '/stream');
  await new Promise((later) => setTimeout(later, 2500));
  assert.equal(await a.proxy.endWaiting(1), 0);
  assert.equal(await stream, '200 first last');
});

test('a replica that is stuck serves by itself where no other one can be reached', async (t) => {
  const here = await app(t, 'here');
  const [a, b] = await replicas(t, [view(web([here])), view(web([]))]);
  await until(async () => (await served(a)) === '200 here');
  await b.crash();
  await a.applyWith(view(web([here])), { state: { isReady: true, isStuck: true } });
  await until(async () => (await served(a)) === '200 here');
});

test('a service that has lost its servers a moment ago waits for them where no other replica can be reached', async (t) => {
  const here = await app(t, 'here');
  const [a, b] = await replicas(t, [view(web([here])), view(web([]))]);
  await until(async () => (await served(a)) === '200 here');
  await b.crash();
  await until(async () => (await served(a)) === '200 here');
  await new Promise((later) => setTimeout(later, 4000));
  await a.apply(view(web([])));
  const waiting = Array.from({ length: 5 }, () => served(a));
  await new Promise((later) => setTimeout(later, 1000));
  await a.apply(view(web([here])));
  assert.deepEqual(tally(await Promise.all(waiting)), { '200 here': 5 });
});

for (const [where, isAlone] of [
  ['no other replica can be reached', false],
  ['there is no other replica', true],
] as const)
  test(`when frps ends and nobody tells HAProxy of it no request is lost although ${where}`, async (t) => {
    const here = await tunnel(t);
    const back = await app(t, 'back');
    const a = isAlone ? await gateway(t, view(web(here.members))) : await cutOff(t, here.members);
    await until(async () => (await served(a)) === '200 here');
    let isOver = false;
    t.after(() => (isOver = true));
    const answers: string[] = [];
    const load = ['GET', 'GET', 'GET', 'POST'].map(async (method) => {
      while (!isOver) {
        const answer = await served(a, '/', { method });
        // One that the tunnel had in its hands may have been carried out.
        if (method === 'GET' || !answer.startsWith('50')) answers.push(answer);
      }
    });
    await until(() => answers.length > 50);
    here.signal('SIGKILL');
    await new Promise((later) => setTimeout(later, 2000));
    await a.apply(view(web([back])));
    await until(() => answers.filter((answer) => answer === '200 back').length > 20);
    isOver = true;
    await Promise.all(load);
    assert.deepEqual(Object.keys(tally(answers)).sort(), ['200 back', '200 here']);
  });

test('a service that never had a server is answered 503 at once, with the time to come again', async (t) => {
  const [a] = await replicas(t, [view(web([])), view(web([]))]);
  const began = performance.now();
  const { status, headers } = await a.http(host);
  assert.equal(status, 503);
  assert.equal(headers.get('retry-after'), '1');
  assert.ok(performance.now() - began < 4000);
});

test('whether users may be sent to a replica HAProxy answers by itself', async (t) => {
  const healthPort = await freePort();
  const [a] = await replicas(t, [view(web([])), view(web([]))], { healthPort });
  const health = async (path: string) => (await request(healthPort, 'x', path, {}, first)).status;
  assert.deepEqual([await health('/healthz'), await health('/readyz')], [200, 200]);
  await a.applyWith(view(web([])), { healthPort, state: { isReady: false, isStuck: false } });
  assert.deepEqual([await health('/healthz'), await health('/readyz')], [200, 503]);
});

test('a stranger with another certificate, or none, reads and writes no table and hands nothing over', async (t) => {
  const here = await app(t, 'here');
  const [a] = await replicas(t, [view(web([here])), view(web([]))]);
  await until(async () => (await served(a)) === '200 here');
  const stranger = await newReplicaTls();
  const own = a.settings.peers[0]!.address;
  const ports = [Number(own.slice(own.lastIndexOf(':') + 1)), a.settings.failoverPort!];
  const hello = 'HAProxyS 2.1\ngw-0\ngw-1 1 0\n';
  for (const port of ports) {
    const plain = connect(port, first);
    plain.write(hello);
    assert.equal(await bytesOf(plain), '', 'without TLS');
    for (const tls of [{}, { cert: stranger.identityPem, key: stranger.identityPem }]) {
      const socket = connectTls({ host: first, port, rejectUnauthorized: false, ...tls });
      socket.on('secureConnect', () => socket.write(hello));
      assert.equal(await bytesOf(socket), '', 'with TLS');
    }
  }
  const known = (await replicaTls())!;
  const peer = connectTls({ host: first, port: ports[0]!, rejectUnauthorized: false, cert: known.identityPem, key: known.identityPem });
  peer.on('secureConnect', () => peer.write(hello));
  peer.on('data', () => peer.destroy());
  assert.match(await bytesOf(peer), /^[0-9]{3}/, 'a replica is answered');
});

/** What comes until the connection ends. */
async function bytesOf(socket: Socket): Promise<string> {
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
  socket.on('error', () => undefined);
  await new Promise((done) => socket.on('close', done));
  return text;
}

describe('the agent', { timeout: 120_000 }, () => {
  for (const part of ['frps', 'tunnel', 'users'] as const)
    it(`notices within three seconds that ${part} hangs, and asks its supervisor to start it again`, async (t) => {
      const gateway = await Whole.start();
      t.after(() => gateway.close());
      gateway.putService(defined('web'));
      gateway.signal(part, 'SIGSTOP');
      const began = performance.now();
      await eventually('it is told', () => gateway.lines.some(({ msg }) => msg === `${part} does not answer`));
      assert.ok(performance.now() - began < 3500, `after ${Math.round(performance.now() - began)} ms`);
      if (part !== 'users')
        await eventually('HAProxy knows', async () =>
          /^stuck /m.test(await readFile(join(gateway.directory, 'users/current/maps/state.map'), 'utf8')),
        );
      await eventually('its supervisor is asked', () => existsSync(join(gateway.directory, `${part}.restart`)));
      gateway.signal(part, 'SIGCONT');
      await eventually('it answers again', () => gateway.lines.some(({ msg }) => String(msg).startsWith(`${part} answers again`)));
      await eventually('users may come', async () => (await gateway.get('/readyz', gateway.ports.health)).status === 200);
    });

  it('restarts with the API server away, and so do frps, both HAProxies and the sidecars: users are served as before', async (t) => {
    const gateway = await Whole.start();
    t.after(() => gateway.close());
    gateway.putService(defined('web', { loadBalancing: { healthCheck: { type: 'http', path: '/', interval: '1s' } } }));
    const pod = { namespace: 'shop', name: 'web-1', uid: '3f2a6c1e-0000-4000-8000-000000000001' };
    const { port } = await gateway.app('app');
    gateway.putPod(pod);
    await gateway.sidecar(pod, 'web', port);
    const isServed = async () => (await gateway.request('web.example.com')).body === 'app';
    await eventually('it serves', isServed);
    await gateway.stopAgent();
    gateway.api.close();
    for (const part of ['frps', 'tunnel', 'users', 'frpc web-1']) await gateway.kill(part);
    const [agent] = [gateway.startAgent(), gateway.startUsers(), gateway.startTunnel()];
    await agent;
    await gateway.startFrps();
    await gateway.sidecar(pod, 'web', port);
    await eventually('it serves again', isServed);
    await eventually('it is ready', async () => (await gateway.get('/readyz', gateway.ports.operations)).status === 200);
  });

  it('ends together with frps: no request reaches the app of another service afterwards', async (t) => {
    const gateway = await Whole.start({ allowHttpIssuers: true });
    t.after(() => gateway.close());
    const pods = ['bank', 'shop'].map((namespace, n) => ({
      namespace,
      name: `${namespace}-1`,
      uid: `3f2a6c1e-0000-4000-8000-00000000000${n}`,
    }));
    const [bank, shop] = await Promise.all([gateway.app('bank'), gateway.app('shop')]);
    const bodyOf = async (host: string) => (await gateway.request(host).catch(() => undefined))?.body;
    // The first has the first port; the other one comes first after the restart.
    for (const [n, { port }] of [bank, shop].entries()) {
      const { namespace } = pods[n]!;
      gateway.putService(defined(namespace, {}, namespace));
      gateway.putPod(pods[n]!);
      await gateway.sidecar(pods[n]!, namespace, port);
      await eventually(`${namespace} is served`, async () => (await bodyOf(`${namespace}.example.com`)) === namespace);
    }
    await holdUp(gateway);
    await gateway.stopAgent();
    for (const part of ['frps', 'frpc bank-1', 'frpc shop-1']) await gateway.kill(part);
    const answers = new Set<string | undefined>();
    let isOver = false;
    t.after(() => (isOver = true));
    const load = (async () => {
      while (!isOver) answers.add(await bodyOf('bank.example.com'));
    })();
    const agent = gateway.startAgent();
    await gateway.startFrps();
    await gateway.sidecar(pods[1]!, 'shop', shop.port);
    await agent;
    await eventually('the other service is served', async () => (await bodyOf('shop.example.com')) === 'shop');
    await gateway.sidecar(pods[0]!, 'bank', bank.port);
    await eventually('it is served', async () => (await bodyOf('bank.example.com')) === 'bank');
    isOver = true;
    await load;
    assert.ok(!answers.has('shop'));
  });
});

/** An agent that starts waits before its first change of HAProxy: for an issuer that does not answer. */
async function holdUp(gateway: Whole): Promise<void> {
  const silent = await gateway.listen(createServer());
  gateway.api.put(`/api/v1/namespaces/${gateway.config.gateway.namespace}/secrets/silent`, {
    metadata: {
      name: 'silent',
      namespace: gateway.config.gateway.namespace,
      labels: { 'frp.io/gateway-copy': 'true' },
      annotations: { 'frp.io/copy-of': 'shop/silent', 'frp.io/copy-kind': 'credentials' },
    },
    data: { issuer: base64(`http://127.0.0.1:${silent}`), audience: base64('slow') },
  } as KubeObject);
  gateway.putService(defined('slow', { security: { authentication: { type: 'oauth2', tokenSecret: 'silent' } } }));
}
