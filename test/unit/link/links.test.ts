import assert from 'node:assert/strict';
import { connect, createServer } from 'node:net';
import { after, test } from 'node:test';
import { logTo } from '../../../src/log.ts';
import { refusalFields } from '../../../src/model/logs/fields.ts';
import type { LinkState } from '../../../src/link/held-link.ts';
import { LinkError } from '../../../src/link/protocol.ts';
import { endOf, heard } from './ends.ts';
import { joinAs, serviceItem, startCluster, startGateway, until, type TestCluster, type TestGateway } from './joined.ts';

const closing: { close(): Promise<void> }[] = [];
after(async () => {
  for (const each of closing.reverse()) await each.close();
});
const gatewayOf = async (...given: Parameters<typeof startGateway>): Promise<TestGateway> => {
  const gateway = await startGateway(...given);
  closing.push(gateway);
  return gateway;
};
const clusterOf = (...given: Parameters<typeof startCluster>): TestCluster => {
  const cluster = startCluster(...given);
  closing.push(cluster);
  return cluster;
};

test('a cluster joins with a token, its services reach the gateway, and what becomes of them comes back', async () => {
  const gateway = await gatewayOf();
  const cluster = clusterOf(await joinAs(await gateway.token()));
  cluster.end.outbox.set(serviceItem('api'));
  await until(() => gateway.sources.services.byKey('prod/api') !== undefined, 'the service');
  assert.equal(gateway.sources.decidingCluster('prod/api'), 'home');
  gateway.statuses.push(
    { name: 'prod.api.12345678.api-0.uid-0', status: 'online', elsewhere: 'home/api-0' },
    { name: 'prod.api.12345678.other-0.uid-1', status: 'online', elsewhere: 'other/other-0' },
  );
  await until(() => 'proxy prod.api.12345678.api-0.uid-0' in heard(cluster.end), 'the proxy');
  const { 'gateway gateway': about, ...others } = heard(cluster.end);
  assert.deepEqual(others, { 'proxy prod.api.12345678.api-0.uid-0': { status: 'online' } });
  assert.partialDeepStrictEqual(about, { cluster: 'home', authority: gateway.authority.bundlePem });
  cluster.end.outbox.delete({ kind: 'service', key: 'prod/api' });
  await until(() => gateway.sources.services.byKey('prod/api') === undefined, 'its end');
});

test('a gateway that restarts serves what it was told last before any cluster is back, and is told only what has changed', async () => {
  const first = await startGateway();
  const identity = await joinAs(await first.token());
  const cluster = startCluster(identity);
  for (let i = 0; i < 50; i++) cluster.end.outbox.set(serviceItem(`s${i}`));
  await until(() => first.sources.services.size === 50, 'the services');
  await cluster.close();
  await first.close();
  const second = await gatewayOf({ directory: first.directory, port: first.port });
  assert.equal(second.sources.services.size, 50);
  const later = clusterOf(identity, { end: endOf({}, [], cluster.end.outbox) });
  cluster.end.outbox.delete({ kind: 'service', key: 'prod/s0' });
  await until(() => second.sources.services.size === 49, 'the change');
  assert.equal(later.link.state.isUp, true);
});

test('a join that is refused has a line in the log of the shape of every refusal, without the token', async () => {
  const lines: string[] = [];
  const gateway = await gatewayOf({ log: logTo({ write: (line) => lines.push(line) }) });
  const token = await gateway.token();
  await joinAs(token);
  await assert.rejects(joinAs(token));
  const refusals = lines.map((line) => JSON.parse(line) as Record<string, unknown>).filter(({ event }) => event === 'refusal');
  assert.deepEqual(
    refusals.map(({ level, op, reason }) => ({ level, op, reason })),
    [{ level: 'warn', op: 'Join', reason: 'TokenUsed' }],
  );
  for (const name of Object.keys(refusals[0]!)) assert.ok(name in refusalFields, name);
});

for (const [what, reason, words, given] of [
  [
    'used before',
    'TokenUsed',
    /has been used; if that was not this cluster, remove it/,
    async (gateway: TestGateway) => {
      const token = await gateway.token();
      await joinAs(token);
      return token;
    },
  ],
  [
    'expired',
    'TokenExpired',
    /the token expired .* ago; make another one/,
    (gateway: TestGateway) => gateway.token('home', { ttlMs: -5000 }),
  ],
  [
    'of another gateway',
    'PinDiffers',
    /not the gateway's: pin differs/,
    async (gateway: TestGateway) => {
      const { createAuthority } = await import('../../../certs/authority.ts');
      const other = await gatewayOf({ authority: await createAuthority({ lifetimeMs: 1e10, now: Date.now() }) });
      return other.token('home', { addresses: [`127.0.0.1:${gateway.port}`] });
    },
  ],
  [
    'not known',
    'TokenUnknown',
    /has made no such token/,
    async (gateway: TestGateway) => {
      const other = await gatewayOf();
      return other.token('home', { addresses: [`127.0.0.1:${gateway.port}`] });
    },
  ],
  [
    'for an address where nobody listens',
    'Unreachable',
    /127\.0\.0\.1:1: connection refused/,
    (gateway: TestGateway) => gateway.token('home', { addresses: ['127.0.0.1:1'] }),
  ],
] as const)
  test(`a token that is ${what} grants nothing, and both ends say why: ${reason}`, async () => {
    const gateway = await gatewayOf();
    const token = await given(gateway);
    const before = await gateway.store.clusters();
    await assert.rejects(joinAs(token), (error: LinkError) => {
      assert.equal(error.reason, reason);
      assert.match(error.message, words);
      return true;
    });
    assert.deepEqual(await gateway.store.clusters(), before);
  });

test('of two that use one token at once only one joins', async () => {
  const gateway = await gatewayOf();
  const token = await gateway.token();
  const results = await Promise.allSettled([joinAs(token), joinAs(token), joinAs(token)]);
  assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
});

test('whoever answers in the place of a gateway without TLS learns nothing and is named', async () => {
  const gateway = await gatewayOf();
  const stranger = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
  await new Promise<void>((resolve) => stranger.listen(0, '127.0.0.1', resolve));
  const { port } = stranger.address() as { port: number };
  const token = await gateway.token('home', { addresses: [`127.0.0.1:${port}`] });
  await assert.rejects(joinAs(token), LinkError);
  stranger.close();
});

test('a cluster that is removed has no link, no service and no trust from then on, and says why', async () => {
  const gateway = await gatewayOf();
  const states: LinkState[] = [];
  const cluster = clusterOf(await joinAs(await gateway.token()), { changed: (state) => states.push(state) });
  cluster.end.outbox.set(serviceItem('api'));
  await until(() => gateway.sources.services.size === 1, 'the service');
  assert.equal(await gateway.store.removeCluster('home'), true);
  await gateway.links.follow();
  assert.deepEqual([gateway.sources.services.size, gateway.sources.has('home')], [0, false]);
  await until(() => states.some((state) => !state.isUp && state.reason === 'ClusterRemoved'), 'the reason');
  const removed = states.find((state) => !state.isUp && state.reason === 'ClusterRemoved') as Extract<LinkState, { isUp: false }>;
  assert.ok(removed.message.startsWith(`127.0.0.1:${gateway.port}: `), removed.message);
  assert.deepEqual(gateway.links.linked(), []);
});

test('a certificate from before a cluster joined anew opens no link', async () => {
  const gateway = await gatewayOf();
  const old = await joinAs(await gateway.token());
  const fresh = await joinAs(await gateway.token());
  const states: LinkState[] = [];
  clusterOf(old, { changed: (state) => states.push(state) });
  const cluster = clusterOf(fresh);
  await until(() => cluster.link.state.isUp, 'the new link');
  await until(() => states.some((state) => !state.isUp && state.reason === 'ClusterRemoved'), 'the refusal');
});

test('a change beyond the grant is refused with its reason, and the rest of the cluster is served', async () => {
  const gateway = await gatewayOf();
  const cluster = clusterOf(await joinAs(await gateway.token('home', { grant: { namespaces: ['prod'], hosts: ['*.example.com'] } })));
  const { outbox } = cluster.end;
  outbox.set(serviceItem('api'));
  outbox.set(serviceItem('bank', { spec: { expose: { type: 'domain', domain: 'bank.example.org' } } }));
  outbox.set(serviceItem('sys', { namespace: 'kube-system' }));
  outbox.set({ kind: 'pod', key: 'uid-9', value: { namespace: 'kube-system', name: 'x', isReady: true, ports: {} } });
  outbox.set({ kind: 'service', key: 'prod/broken', value: { metadata: { name: 'broken', namespace: 'prod' }, spec: { serviceType: 5 } } });
  outbox.set({ kind: 'weather', key: 'today', value: 'fine' });
  await until(() => 'unknown weather' in heard(cluster.end), 'what is not understood');
  assert.deepEqual(
    [...gateway.sources.services.all()].map(({ metadata }) => metadata.name),
    ['api'],
  );
  const {
    'refused prod/bank': bank,
    'refused kube-system/sys': sys,
    'refused pod uid-9': pod,
    'refused prod/broken': broken,
  } = heard(cluster.end);
  assert.deepEqual(bank, { reason: 'NotGranted', message: 'this cluster has no grant for host bank.example.org at the gateway' });
  assert.deepEqual(sys, { reason: 'NotGranted', message: 'this cluster has no grant for namespace kube-system at the gateway' });
  assert.partialDeepStrictEqual(pod, { reason: 'NotGranted' });
  assert.partialDeepStrictEqual(broken, { reason: 'NotValid' });
});

test('of one service in two clusters the one that joined first decides, and the other hears which fields differ, and no values', async () => {
  const gateway = await gatewayOf();
  const [first, second] = [clusterOf(await joinAs(await gateway.token('one'))), clusterOf(await joinAs(await gateway.token('two')))];
  second.end.outbox.set(serviceItem('api', { spec: { expose: { type: 'domain', domain: 'two.example.com' } } }));
  await until(() => gateway.sources.decidingCluster('prod/api') === 'two', 'the second');
  first.end.outbox.set(serviceItem('api'));
  await until(() => gateway.sources.decidingCluster('prod/api') === 'one', 'the first');
  await until(() => 'differs prod/api' in heard(second.end), 'what differs');
  assert.deepEqual(heard(second.end)['differs prod/api'], { fields: ['expose.domain'], cluster: 'one' });
  await first.close();
  await gateway.store.removeCluster('one');
  await gateway.links.follow();
  assert.equal(gateway.sources.services.byKey('prod/api')?.spec.expose?.domain, 'two.example.com');
});

test('a peer that is silent is noticed, and the link is dialled again', async () => {
  const gateway = await gatewayOf();
  // Bytes are passed on until it is told to swallow them, as a firewall does that drops packets.
  let isSwallowing = false;
  const { connect } = await import('node:net');
  const relay = createServer((socket) => {
    const other = connect(gateway.port, '127.0.0.1');
    const isSwallowed = isSwallowing;
    socket.on('data', (chunk) => (isSwallowing && !isSwallowed ? undefined : other.write(chunk)));
    other.on('data', (chunk) => (isSwallowing && !isSwallowed ? undefined : socket.write(chunk)));
    for (const each of [socket, other]) each.on('error', () => {}).on('close', () => [socket, other].forEach((one) => one.destroy()));
  });
  await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve));
  closing.push({ close: async () => void relay.close() });
  const address = `127.0.0.1:${(relay.address() as { port: number }).port}`;
  const identity = { ...(await joinAs(await gateway.token())), addresses: [address] };
  const states: LinkState[] = [];
  const heartbeat = { everyMs: 50, patienceMs: 200 };
  const cluster = clusterOf(identity, { changed: (state) => states.push(state), heartbeat });
  await until(() => cluster.link.state.isUp, 'the link');
  isSwallowing = true;
  await until(() => states.some((state) => !state.isUp && state.reason === 'Silent'), 'its end');
  const silent = states.find((state) => !state.isUp && state.reason === 'Silent') as Extract<LinkState, { isUp: false }>;
  assert.match(silent.message, new RegExp(`^${address}: the other end has not answered for`));
  await until(() => cluster.link.state.isUp, 'the next link');
});

test('another controller of the cluster takes the link over, and the older one is told so', async () => {
  const gateway = await gatewayOf();
  const identity = await joinAs(await gateway.token());
  const states: LinkState[] = [];
  const first = startCluster(identity, { changed: (state) => states.push(state) });
  await until(() => first.link.state.isUp, 'the first link');
  const second = clusterOf(identity);
  await until(() => states.some((state) => !state.isUp && /another controller/.test(state.message)), 'the reason');
  await first.close();
  await until(() => second.link.state.isUp, 'the second link');
});

test('a certificate that is about to end is renewed over the link', async () => {
  const gateway = await gatewayOf();
  const identity = await joinAs(await gateway.token());
  const renewed: string[] = [];
  const now = () => Date.now() + 25 * 86_400_000;
  clusterOf(identity, { now, renewed: async ({ certPem }) => void renewed.push(certPem) });
  await until(() => renewed.length > 0, 'the next certificate');
  assert.notEqual(renewed[0], identity.certPem);
  const next = clusterOf({ ...identity, certPem: renewed[0]! });
  assert.equal(next.link.state.isUp, false);
});

test('what floods the gateway waits, and what others send is taken meanwhile', async () => {
  const gateway = await gatewayOf({ limits: { rate: 50, burst: 100 } });
  const [loud, calm] = [clusterOf(await joinAs(await gateway.token('loud'))), clusterOf(await joinAs(await gateway.token('calm')))];
  await until(() => gateway.links.linked().length === 2, 'both links');
  for (let i = 0; i < 1000; i++)
    loud.end.outbox.set({ kind: 'pod', key: `uid-${i}`, value: { namespace: 'prod', name: `p${i}`, isReady: true, ports: {} } });
  calm.end.outbox.set(serviceItem('api'));
  await until(() => gateway.sources.services.byKey('prod/api') !== undefined, 'the service');
});

test('more than a cluster may tell ends its link with TooMuch, and takes nothing from what it told before', async () => {
  const gateway = await gatewayOf({ limits: { bytes: 20_000 } });
  const states: LinkState[] = [];
  const cluster = clusterOf(await joinAs(await gateway.token()), { changed: (state) => states.push(state) });
  cluster.end.outbox.set(serviceItem('api'));
  await until(() => gateway.sources.services.size === 1, 'the service');
  cluster.end.outbox.set({ kind: 'secret', key: 'tls prod/large', value: { data: { 'tls.crt': 'x'.repeat(30_000) } } });
  await until(() => states.some((state) => !state.isUp && /more than 20000 bytes/.test(state.message)), 'the refusal');
  assert.equal(gateway.sources.services.size, 1);
});

test('no cluster speaks with the key of another, also after a restart; once that one is removed it may', async () => {
  const key = {
    kty: 'EC',
    crv: 'P-256',
    kid: 'k',
    x: 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU',
    y: 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0',
  };
  const tell = (cluster: TestCluster, more: object = {}) =>
    cluster.end.outbox.set({ kind: 'keys', key: 'tokens', value: { issuer: 'https://kubernetes', keys: [{ ...key, ...more }] } });
  let gateway = await startGateway();
  // The thief is the older one.
  const thief = clusterOf(await joinAs(await gateway.token('thief')));
  const owner = clusterOf(await joinAs(await gateway.token('owner')));
  const issuerOf = (name: string) => gateway.sources.all.find(({ cluster }) => cluster === name)?.tokens.issuer();
  tell(owner);
  await until(() => issuerOf('owner') !== undefined, 'the key');
  // The same number, otherwise written.
  tell(thief, { kid: 'other', x: `${key.x}=` });
  await until(() => 'refused keys tokens' in heard(thief.end), 'the refusal');
  assert.partialDeepStrictEqual(heard(thief.end)['refused keys tokens'], { reason: 'KeyTaken' });
  assert.doesNotMatch(JSON.stringify(heard(thief.end)), /owner/);
  await gateway.close();
  const { directory, port } = gateway;
  gateway = await gatewayOf({ directory, port });
  assert.deepEqual([issuerOf('thief'), issuerOf('owner')], [undefined, 'https://kubernetes']);
  await gateway.store.removeCluster('owner');
  await gateway.links.follow();
  assert.equal(issuerOf('thief'), 'https://kubernetes');
});

test('the list of clusters has what a cluster tells at once, and whether its link is up', async () => {
  const gateway = await gatewayOf();
  const cluster = clusterOf(await joinAs(await gateway.token()));
  cluster.end.outbox.set(serviceItem('api'));
  gateway.statuses.push({ name: 'prod.api.12345678.api-0.uid-0', status: 'online', elsewhere: 'home/api-0' });
  const seen = async (isLinked: boolean, services: number) => {
    const of = async () => (await gateway.store.seen('home'))[0];
    for (let found = await of(); ; found = await of()) {
      if (found?.isLinked === isLinked && found.services === services && found.backends === 1) return;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  await seen(true, 1);
  cluster.end.outbox.delete({ kind: 'service', key: 'prod/api' });
  await seen(true, 0);
  await cluster.close();
  await seen(false, 0);
});

test('who opens connections and says nothing keeps no cluster out', async () => {
  const gateway = await gatewayOf();
  const identity = await joinAs(await gateway.token());
  const held = Array.from({ length: 520 }, () => connect(gateway.port, '127.0.0.1').on('error', () => {}));
  closing.push({ close: async () => held.forEach((each) => each.destroy()) });
  await until(() => held.some(({ closed }) => closed), 'the end of the first ones');
  const cluster = clusterOf(identity);
  await until(() => cluster.link.state.isUp, 'the link');
});

test('a token that was used for nothing, as the gateway could not keep the cluster, is good again', async () => {
  const gateway = await gatewayOf();
  const token = await gateway.token();
  const putCluster = gateway.store.putCluster.bind(gateway.store);
  gateway.store.putCluster = () => Promise.reject(Object.assign(new Error('no space left on device'), { code: 'ENOSPC' }));
  await assert.rejects(joinAs(token), { reason: 'Failed' });
  gateway.store.putCluster = putCluster;
  await joinAs(token);
});
