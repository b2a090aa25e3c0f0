/** Whatever a client says to frps behind the gateway's door, frps goes on, and so do the tunnels of others. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { issue } from '../../certs/authority.ts';
import { service } from '../support/services.ts';
import { Gateway } from './agent-harness.ts';
import { eventually } from './eventually.ts';
import { frame, FrpClient, message, type Credentials } from './frp-client.ts';

const uid = (end: number) => `5c2a6c1e-0000-4000-8000-${String(end).padStart(12, '0')}`;
const bystander = { namespace: 'shop', name: 'app', uid: uid(1) };
const attacker = { namespace: 'evil', name: 'app', uid: uid(2) };

const number = fc.oneof(
  fc.integer({ min: -1000, max: 1000 }),
  fc.constantFrom(-11, -(2 ** 31), 2 ** 31, 2 ** 32, -(2 ** 53), 2 ** 53, 1e19, -1e19, 1.5),
);
const text = fc.oneof(
  fc.string({ maxLength: 40, unit: 'binary' }),
  fc.constantFrom('x'.repeat(9000), '', '\n', '\u0000', '..', '{{ .Envs }}'),
);
const texts = fc.array(text, { maxLength: 20 });
const map = fc.dictionary(text, text, { maxKeys: 20 });
const odd = fc.oneof(number, text, texts, map, fc.boolean(), fc.constant(null));

const typed = (fields: Record<string, fc.Arbitrary<unknown>>) => fc.record(fields, { requiredKeys: [] });
const login = typed({
  version: text,
  hostname: text,
  os: text,
  arch: text,
  user: text,
  privilege_key: text,
  timestamp: number,
  run_id: text,
  client_id: text,
  metas: map,
  client_spec: typed({ type: text, always_auth_pass: fc.boolean() }),
  pool_count: number,
});
const newProxy = typed({
  proxy_name: fc.oneof(text, fc.constant(`evil.web.0a1b2c3d.app.${uid(2)}`)),
  proxy_type: fc.oneof(text, fc.constantFrom('tcp', 'udp', 'http', 'https', 'stcp', 'sudp', 'xtcp', 'tcpmux')),
  use_encryption: fc.boolean(),
  use_compression: fc.boolean(),
  bandwidth_limit: fc.oneof(text, fc.constantFrom('-1KB', '99999999999999999999MB', '1e9MB')),
  bandwidth_limit_mode: fc.oneof(text, fc.constantFrom('client', 'server')),
  group: text,
  group_key: text,
  metas: map,
  annotations: map,
  remote_port: number,
  custom_domains: texts,
  subdomain: text,
  locations: texts,
  http_user: text,
  host_header_rewrite: text,
  headers: map,
  response_headers: map,
  route_by_http_user: text,
  sk: text,
  allow_users: texts,
  multiplexer: text,
});
const natHole = typed({
  transaction_id: text,
  proxy_name: text,
  pre_check: fc.boolean(),
  protocol: text,
  sign_key: text,
  sid: text,
  timestamp: number,
  mapped_addrs: texts,
  assisted_addrs: texts,
  success: fc.boolean(),
});
const work = typed({
  run_id: text,
  proxy_name: text,
  sign_key: text,
  privilege_key: text,
  timestamp: number,
  use_compression: fc.boolean(),
});
const anyType = fc.constantFrom(...'o1p2cwrsv3h4uinm56', 'x', '\u0000');
const anyMessage = fc
  .oneof(
    fc.tuple(fc.constant('o'), login),
    fc.tuple(fc.constant('p'), newProxy),
    fc.tuple(fc.constantFrom('i', 'n', '5', '6'), natHole),
    fc.tuple(fc.constantFrom('w', 'v', 'c', 'h'), work),
    fc.tuple(anyType, fc.oneof(odd, fc.dictionary(fc.string(), odd))),
  )
  .map(([type, body]) => message(type, JSON.stringify(body)));
const wrongLength = fc
  .tuple(anyType, fc.string(), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }))
  .map(([type, body, length]) => message(type, body, length));
const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array));
/** Of the second protocol: its magic, and a frame of any type and length (frp pkg/proto/wire). */
const secondProtocol = fc.tuple(fc.constant(Buffer.from('FRP\u0000\u0002\r\n')), bytes).map((parts) => Buffer.concat(parts));
const said = fc.oneof({ weight: 6, arbitrary: anyMessage }, wrongLength, bytes, secondProtocol);
const muxFrame = fc
  .tuple(fc.nat(5), fc.nat(15), fc.oneof(fc.nat(9), fc.nat()), fc.oneof(fc.nat(300), fc.constantFrom(2 ** 32 - 1, 6 * 2 ** 20)), bytes)
  .map(([type, flags, stream, length, data]) => frame(type, flags, stream, length, data));

/** Said without a login; before yamux, in a stream of it, or after a login on the control connection. */
type Poison = { at: 'connection' | 'stream' | 'control'; data: Buffer[] };
const poison: fc.Arbitrary<Poison> = fc.oneof(
  fc.record({ at: fc.constant<'connection'>('connection'), data: fc.array(fc.oneof(muxFrame, bytes), { minLength: 1, maxLength: 8 }) }),
  fc.record({ at: fc.constantFrom<('stream' | 'control')[]>('stream', 'control'), data: fc.array(said, { minLength: 1, maxLength: 8 }) }),
);

describe('frps behind the door of the gateway', { timeout: 120_000 }, () => {
  let gateway: Gateway;
  let credentials: Credentials;
  let token: string;
  let log: () => string;
  let pods = 0;
  before(async () => {
    gateway = await Gateway.start();
    const { port } = await gateway.app('bystander');
    gateway.putService(service('web'));
    gateway.putService(service('web', { expose: { type: 'domain', domain: 'evil.example.com' } }, 'evil'));
    for (const pod of [bystander, attacker]) gateway.putPod(pod);
    ({ log } = await gateway.sidecar(bystander, 'web', port));
    const pair = await issue(gateway.authority, {
      commonName: 'frpc-evil-web',
      usages: ['clientAuth'],
      lifetimeMs: 3_600_000,
      now: Date.now(),
    });
    credentials = { port: gateway.ports.tunnel, cert: pair.certPem, key: pair.keyPem };
    token = await gateway.signer.token(attacker);
    await eventually('the bystander is served', async () => (await gateway.request('web.example.com')).status === 200);
  });
  after(() => gateway?.close());

  const logins = () => log().split('login to server success').length - 1;
  const goesOn = async () => {
    const { status, body } = await gateway.request('web.example.com');
    assert.deepEqual({ status, body }, { status: 200, body: 'bystander' });
    assert.equal((await gateway.get('/healthz', gateway.ports.frpsApi)).status, 200);
    assert.equal(logins(), 1, "the bystander's tunnel is the one that it had");
  };

  async function poisoned({ at, data }: Poison): Promise<void> {
    const client = await FrpClient.connect(credentials);
    try {
      if (at === 'connection') for (const each of data) client.send(each);
      else if (at === 'stream') for (const each of data) client.open(each);
      else {
        // A Pod of its own for each, because its logins have a rate.
        const pod = { ...attacker, name: `app-${++pods}`, uid: uid(100 + pods) };
        gateway.putPod(pod);
        const { stream, answer } = await client.login({ privilege_key: await gateway.signer.token(pod), pool_count: 1 });
        assert.equal(answer.error ?? '', '');
        for (const each of data) client.control(stream, each);
        for (const each of data) {
          client.open(message('w', JSON.stringify({ run_id: answer.run_id })));
          client.open(each);
        }
      }
      // As long as a round trip takes: what comes back says nothing of frps' state.
      await gateway.get('/healthz', gateway.ports.frpsApi);
    } finally {
      client.close();
    }
  }

  it('speaks with a client that says what frpc says', async () => {
    const client = await FrpClient.connect(credentials);
    const { stream, answer } = await client.login({ version: '0.71.0', privilege_key: token, pool_count: 1 });
    assert.match(answer.run_id ?? answer.error ?? '', /^[0-9a-f]{48}$/);
    client.control(stream, message('p', JSON.stringify({ proxy_name: `evil.web.0a1b2c3d.app.${uid(2)}`, proxy_type: 'tcp' })));
    await eventually('the proxy is open', () => /"remote_addr":":[0-9]+"/.test(client.heard(stream)));
    client.close();
    await goesOn();
  });

  for (const pool_count of [-1, -11, -(2 ** 31), -(2 ** 62)])
    it(`refuses a login with a pool count of ${pool_count}, and goes on`, async () => {
      const client = await FrpClient.connect(credentials);
      const { answer } = await client.login({ privilege_key: token, pool_count });
      assert.match(answer.error ?? '', /Malformed/);
      client.close();
      await goesOn();
    });

  it('lets a Pod in that comes back 20 times while its earlier tunnels are still there', async () => {
    const clients: FrpClient[] = [];
    for (let count = 0; count < 20; count++) {
      const client = await FrpClient.connect(credentials);
      clients.push(client);
      const { answer } = await client.login({ privilege_key: token, pool_count: 1 });
      assert.match(answer.run_id ?? answer.error ?? '', /^[0-9a-f]{48}$/);
    }
    for (const client of clients) client.close();
    await goesOn();
  });

  it('ends connections that have a certificate and never log in, and those that have logged in stay', async () => {
    const pod = { ...attacker, name: 'quiet', uid: uid(98) };
    gateway.putPod(pod);
    const loggedIn = await FrpClient.connect(credentials);
    const { answer } = await loggedIn.login({ privilege_key: await gateway.signer.token(pod), pool_count: 0 });
    assert.equal(answer.error ?? '', '');
    const strangers = await Promise.all(Array.from({ length: 60 }, () => FrpClient.connect(credentials)));
    for (const stranger of strangers) stranger.send(frame(2, 1, 0, 1));
    const begun = performance.now();
    await eventually('they are ended', () => strangers.every(({ socket }) => socket.destroyed));
    assert.ok(performance.now() - begun > 10_000, 'they answered frps, so it is not for their silence');
    assert.ok(!loggedIn.socket.destroyed, 'one that has logged in and has no proxy stays');
    loggedIn.close();
    await goesOn();
  });

  it('lets a Pod have 32 tunnels, ends the connection of who wants more, and says so in the status of its service', async () => {
    const clients: FrpClient[] = [];
    const pod = { ...attacker, name: 'thief', uid: uid(99) };
    const origins = {
      'frp.io/frpc.json': JSON.stringify({
        proxies: [{ name: 'evil.web.0a1b2c3d.{{ .Envs.POD_NAME }}.{{ .Envs.POD_UID }}', localPort: 80 }],
      }),
    };
    gateway.putPod(pod, true, { annotations: origins });
    const privilege_key = await gateway.signer.token(pod);
    const come = async () => {
      const client = await FrpClient.connect(credentials);
      clients.push(client);
      return { client, ...(await client.login({ privilege_key, pool_count: 0 })) };
    };
    for (let count = 0; count < 32; count++) assert.equal((await come()).answer.error ?? '', '');
    const { client, answer } = await come();
    assert.match(answer.error ?? '', /^TooManyTunnels: Pod evil\/thief has 32 tunnels open, and that is the limit/);
    await eventually('its connection is ended', () => client.socket.destroyed);
    assert.equal(clients.filter(({ socket }) => socket.destroyed).length, 1);
    const authorization = `Basic ${Buffer.from('frp-k8s:status').toString('base64')}`;
    const { refused } = JSON.parse((await gateway.status('/api/proxy/tcp', { authorization })).body) as {
      refused: { service: string; reason?: string }[];
    };
    assert.deepEqual(
      refused.map(({ service, reason }) => [service, reason]),
      [['evil/web', 'TooManyTunnels']],
    );
    // A place is free again when one has ended.
    clients[0]!.close();
    await eventually('another one is let in', async () => (await come()).answer.run_id !== undefined);
    for (const each of clients) each.close();
    await goesOn();
  });

  it('keeps no more than some names of proxies that have ended, however many a Pod opens', async () => {
    const client = await FrpClient.connect(credentials);
    const { stream } = await client.login({ privilege_key: token, pool_count: 0 });
    for (let count = 0; count < 1010; count++) {
      const proxy_name = `evil.web.${count.toString(16).padStart(8, '0')}.app.${uid(2)}`;
      client.control(stream, message('p', JSON.stringify({ proxy_name, proxy_type: 'tcp' })));
      client.control(stream, message('c', JSON.stringify({ proxy_name })));
    }
    const ended = async () => {
      const { proxies } = JSON.parse((await gateway.get('/api/proxy/tcp', gateway.ports.frpsApi)).body) as {
        proxies: { status: string }[];
      };
      return proxies.filter(({ status }) => status !== 'online').length;
    };
    await eventually('many have ended', async () => (await ended()) > 500);
    await eventually('those that have ended are forgotten', async () => (await ended()) < 100);
    client.close();
    await goesOn();
  });

  it('goes on, whatever a client says before and after its login', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(poison, { minLength: 1, maxLength: 4 }), async (poisons) => {
        await Promise.all(poisons.map(poisoned));
        await goesOn();
      }),
      { numRuns: 1000, interruptAfterTimeLimit: 20_000, endOnFailure: true },
    );
  });
});
