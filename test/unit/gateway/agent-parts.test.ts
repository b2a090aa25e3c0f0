import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { createServer as createNetServer, type AddressInfo, type Socket } from 'node:net';
import { before, afterEach, beforeEach, describe, it } from 'node:test';
import '../../support/few-keys.ts';
import { splitBundle } from '../../../certs/inspect.ts';
import { authorityBounds } from '../../../certs/authority-bounds.ts';
import { createAuthority, issue, type Authority } from '../../../certs/authority.ts';
import { configSchema } from '../../../src/config/schema.ts';
import { ApplyLoop } from '../../../src/gateway/apply-loop.ts';
import { WarmUp } from '../../../src/gateway/replicas/warm-up.ts';
import { fetchJson } from '../../../src/gateway/oidc/fetch-json.ts';
import { Issuers } from '../../../src/gateway/oidc/issuers.ts';
import { PodIndex } from '../../../src/gateway/sources/pod-index.ts';
import { ordinalProblem, replicasOf } from '../../../src/gateway/replicas/peers.ts';
import { parseLogLine, RequestTimes } from '../../../src/gateway/telemetry/request-times.ts';
import { isAuthorized } from '../../../src/gateway/api/proxy-status.ts';
import { tunnelMaterial } from '../../../src/gateway/ir/tunnel-trust.ts';
import { revokedText } from '../../../src/model/revocation.ts';
import { base64 } from '../../../src/kube/authority-secret.ts';
import type { KubeObject, Secret } from '../../../src/kube/types.ts';
import { logTo } from '../../../src/log.ts';
import { Signer } from './agent-tokens.ts';
import { impersonatorOf } from '../../support/impersonator.ts';

const log = logTo({ write: () => {} });
const hour = 3_600_000;
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe('what the tunnels are served with', () => {
  let authority: Authority;
  let server: Secret;
  before(async () => {
    const now = Date.now();
    authority = await createAuthority({ lifetimeMs: hour, now });
    const pair = await issue(authority, { commonName: 'gw', dnsNames: ['gw'], usages: ['serverAuth'], lifetimeMs: hour, now });
    server = secret({ 'tls.crt': pair.certPem, 'tls.key': pair.keyPem, 'ca.crt': authority.bundlePem });
  });
  const secret = (data: Record<string, string>): Secret => ({
    metadata: { name: 'x', annotations: { 'frp.io/copy-of': 'shop/own-ca' } },
    data: Object.fromEntries(Object.entries(data).map(([key, value]) => [key, base64(value)])),
  });

  it('is the certificate, every authority of clients once, and the fingerprints of who is turned away', async () => {
    const other = await createAuthority({ lifetimeMs: hour, now: Date.now() });
    const revoked = [
      { metadata: { name: 'frp-revoked' }, data: { ['b'.repeat(64)]: '', nonsense: '' } },
      { metadata: { name: 'frp-revoked-1' }, data: { ['b'.repeat(64)]: '', ['a'.repeat(64)]: '' } },
    ];
    const clientAuthorities = [secret({ 'ca.crt': other.bundlePem + authority.bundlePem })];
    const { material, problems } = tunnelMaterial({ server, clientAuthorities, revoked, now: 0 });
    assert.deepEqual(problems, []);
    assert.equal(material!.clientCaPem.match(/BEGIN CERTIFICATE/g)!.length, 2);
    assert.deepEqual(material!.revoked, ['a'.repeat(64), 'b'.repeat(64)]);
  });

  it('turns a certificate away from the time that the list names, and says when to look again', () => {
    const listed = { end: 9000, namespace: 'shop' };
    const data = {
      ['a'.repeat(64)]: revokedText({ ...listed, from: 1000 }),
      ['b'.repeat(64)]: revokedText({ ...listed, from: 3000 }),
      ['c'.repeat(64)]: revokedText({ ...listed, from: 2000 }),
    };
    const at = (now: number) => {
      const { material, again } = tunnelMaterial({
        server,
        clientAuthorities: [],
        revoked: [{ metadata: { name: 'frp-revoked' }, data }],
        now,
      });
      return [material!.revoked.map((fingerprint) => fingerprint[0]).join(''), again];
    };
    assert.deepEqual(
      [at(999), at(1000), at(2500), at(3000)],
      [
        ['', 1000],
        ['a', 2000],
        ['ac', 3000],
        ['abc', Infinity],
      ],
    );
  });

  it("is not spoilt by a Secret of one tenant, and that tenant's fault is told", () => {
    const broken = [
      secret({ 'ca.crt': '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n' }),
      secret({ 'ca.crt': Buffer.from(server.data!['tls.crt']!, 'base64').toString() }),
    ];
    const { material, problems } = tunnelMaterial({ server, clientAuthorities: broken, revoked: [], now: 0 });
    assert.equal(material!.clientCaPem.match(/BEGIN CERTIFICATE/g)!.length, 1);
    assert.equal(problems.length, 2);
    for (const problem of problems) assert.match(problem, /^Secret shop\/own-ca/);
  });

  it('has no authority that could be taken for one that is trusted already, the own one or that of an older copy', async () => {
    const theirs = await createAuthority({ lifetimeMs: hour, now: Date.now() });
    const copy = (name: string, creationTimestamp: string, pem: string): Secret => ({
      metadata: { name, creationTimestamp, annotations: { 'frp.io/copy-of': `${name}/ca` } },
      data: { 'ca.crt': base64(pem) },
    });
    const own = copy('thief', '2026-01-01T00:00:00Z', impersonatorOf(authority.certPem));
    const older = copy('bank', '2026-01-02T00:00:00Z', theirs.certPem);
    const younger = copy('attic', '2026-01-03T00:00:00Z', impersonatorOf(theirs.certPem));
    const same = copy('branch', '2026-01-04T00:00:00Z', theirs.certPem);
    const { material, problems } = tunnelMaterial({ server, clientAuthorities: [younger, own, same, older], revoked: [], now: 0 });
    assert.deepEqual(splitBundle(material!.clientCaPem), splitBundle(authority.certPem + theirs.certPem));
    assert.match(problems[0]!, /^Secret thief\/ca: .* of the installation's, with another key; give it a name of its own$/);
    assert.match(problems[1]!, /^Secret attic\/ca: .* of one of namespace bank, with another key/);
    assert.equal(problems.length, 2);
  });

  it('has nothing of a bundle without bounds', async () => {
    const many = [];
    for (let index = 0; index <= authorityBounds.count; index++)
      many.push((await createAuthority({ lifetimeMs: hour, now: Date.now() })).certPem);
    const { material, problems } = tunnelMaterial({
      server,
      clientAuthorities: [secret({ 'ca.crt': many.join('') })],
      revoked: [],
      now: 0,
    });
    assert.equal(splitBundle(material!.clientCaPem).length, 1);
    assert.deepEqual(problems, ['Secret shop/own-ca: ca.crt has 17 certificates, and 16 is the limit']);
  });

  it('is not there without a usable server certificate', async () => {
    const none = { clientAuthorities: [], revoked: [], now: 0 };
    assert.match(tunnelMaterial({ server: undefined, ...none }).problems[0]!, /not there yet/);
    const other = await issue(authority, { commonName: 'x', dnsNames: ['x'], usages: ['serverAuth'], lifetimeMs: hour, now: Date.now() });
    const mixed = { ...server, data: { ...server.data, 'tls.key': base64(other.keyPem) } };
    assert.equal(tunnelMaterial({ server: mixed, ...none }).material, undefined);
  });
});

describe('a change', () => {
  it('that comes while another is applied is applied after it, and many are one', async () => {
    let applied = 0;
    let finish = () => {};
    const applyLoop = new ApplyLoop({
      what: 'it',
      apply: () => {
        applied++;
        return new Promise((resolve) => (finish = () => resolve({ waitMs: undefined })));
      },
      log,
      gatherMs: 1,
    });
    applyLoop.schedule();
    await pause(10);
    assert.equal(applied, 0, 'nothing is applied before all is known');
    applyLoop.start();
    for (let index = 0; index < 10; index++) applyLoop.schedule();
    await pause(20);
    assert.equal(applied, 1);
    applyLoop.schedule();
    applyLoop.schedule();
    finish();
    await pause(20);
    assert.equal(applied, 2);
    finish();
    await applyLoop.close();
  });

  it('that fails is tried again, and the failure is told until then', async () => {
    let left = 1;
    const applyLoop = new ApplyLoop({
      what: 'it',
      apply: async () => {
        if (left-- > 0) throw new Error('no');
        return { waitMs: undefined };
      },
      log,
      gatherMs: 1,
    });
    applyLoop.start();
    while (!applyLoop.hasApplied) await pause(5);
    assert.equal(applyLoop.problem, undefined);
    await applyLoop.close();
  });

  it('that fails after it has succeeded is no problem for users: what was applied before goes on', async (t) => {
    let attempts = 0;
    const applyLoop = new ApplyLoop({
      what: 'it',
      apply: async () => {
        if (attempts++ > 0) throw new Error('no');
        return { waitMs: undefined };
      },
      log,
      gatherMs: 1,
    });
    t.after(() => applyLoop.close());
    applyLoop.start();
    while (!applyLoop.hasApplied) await pause(5);
    applyLoop.schedule();
    while (attempts < 3) await pause(5);
    assert.equal(applyLoop.problem, undefined);
  });
});

describe('a replica', () => {
  const config = configSchema.parse({ gateway: { addresses: ['a.example.com', 'b.example.com'] } });

  it('beyond the addresses can have no sidecar, and says so', () => {
    assert.equal(ordinalProblem('frp-gateway-1', config), undefined);
    assert.match(ordinalProblem('frp-gateway-2', config)!, /2 addresses and none for Pod frp-gateway-2/);
    assert.match(ordinalProblem('laptop', config)!, /none for Pod laptop/);
    assert.deepEqual(
      replicasOf('frp-gateway-1', config).map(({ host }) => host),
      ['frp-gateway-0.frp-gateway.frp-gateway.svc', 'frp-gateway-1.frp-gateway.frp-gateway.svc'],
    );
  });

  it('is Ready once it has what the others have', async () => {
    const here = new Set<string>();
    const warmUp = new WarmUp({ peers: () => [Promise.resolve(new Set(['shop/web']))], own: async () => here, everyMs: 5 });
    await pause(20);
    assert.match(warmUp.problem!, /shop\/web/);
    here.add('shop/web').add('shop/api');
    await warmUp.done;
    assert.equal(warmUp.problem, undefined);
  });

  it('is Ready when the time is over, though another cannot be asked', async () => {
    const problems = new Set<string | undefined>();
    const warmUp = new WarmUp({
      peers: () => [Promise.reject(new Error('away'))],
      own: async () => new Set(),
      everyMs: 5,
      limitMs: 500,
    });
    const looks = setInterval(() => problems.add(warmUp.problem), 1);
    await warmUp.done;
    clearInterval(looks);
    assert.ok(problems.has('1 of 1 other replicas cannot be asked'), [...problems].join('; '));
    assert.equal(warmUp.problem, undefined);
  });
});

describe('a Pod', () => {
  const uid = 'u1';
  const pod = (name: string, of: string): KubeObject => ({ metadata: { name, namespace: 'shop', uid: of } });
  const identity = { cluster: '', namespace: 'shop', pod: 'web-1', uid };

  it('that the watch has not told of yet is waited for', async () => {
    const pods = new PodIndex(() => {});
    const sink = pods.sink();
    const found = pods.has(identity, 5000);
    sink.set(pod('web-1', uid));
    assert.equal(await found, true);
    assert.equal(await pods.has({ ...identity, namespace: 'bank' }, 0), false);
    assert.equal(await pods.has({ ...identity, uid: 'u2' }, 1), false);
  });

  it('is gone when it is deleted, has ended, or another has its name', async () => {
    const pods = new PodIndex(() => {});
    const sink = pods.sink();
    for (const end of [
      () => sink.delete(pod('web-1', uid)),
      () => sink.set({ ...pod('web-1', uid), status: { phase: 'Failed' } } as KubeObject),
      () => sink.set(pod('web-1', 'u2')),
      () => sink.replace([]),
    ]) {
      sink.set(pod('web-1', uid));
      assert.equal(await pods.has(identity, 0), true);
      end();
      assert.equal(await pods.has(identity, 1), false);
    }
  });
});

describe('times of requests', () => {
  it("are read from HAProxy's log, where a server was reached", () => {
    const line =
      '<134>Nov 21 13:00:00 haproxy[7]: 127.0.0.1:4242 [21/Nov/2026:13:00:00.123] frp-http be-97375646b1deb3d2/s-8342ce17136ab1a0 0/0/1/2/37 200 120 - - ---- 1/1/0/0/0 0/0 "GET / HTTP/1.1"';
    assert.deepEqual(parseLogLine(line), { backend: 'be-97375646b1deb3d2', server: 's-8342ce17136ab1a0', milliseconds: 37 });
    assert.equal(parseLogLine(line.replace('s-8342ce17136ab1a0', '<NOSRV>')), undefined);
    assert.equal(parseLogLine('nonsense'), undefined);
  });

  it('give quantiles to five percent, of the last minutes', () => {
    let now = 0;
    const times = new RequestTimes({ now: () => now });
    for (let milliseconds = 1; milliseconds <= 1000; milliseconds++) times.add({ backend: 'b', server: 's', milliseconds });
    const close = (actual: number | undefined, wanted: number) =>
      assert.ok(Math.abs(actual! - wanted) <= 0.05 * wanted, `${actual} for ${wanted}`);
    const found = times.quantiles(['b/s'], [0.5, 0.99]);
    close(found.get(0.5), 0.5);
    close(found.get(0.99), 0.99);
    times.add({ backend: 'b', server: 'of-another', milliseconds: 60_000 });
    close(times.quantiles(['b/s', 'b/of-another'], [1]).get(1), 60);
    close(times.quantiles(['b/s', 'b/none'], [1]).get(1), 1);
    now = 60_000;
    assert.equal(times.quantiles(['b/s'], [0.5]).size, 1);
    now = 200_000;
    assert.equal(times.quantiles(['b/s'], [0.5]).size, 0);
  });
});

describe('the status API', () => {
  it('lets in who has user and password, and nobody while there are none', () => {
    const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;
    const wanted = { user: 'frp-k8s', password: 'secret' };
    assert.ok(isAuthorized(basic('frp-k8s:secret'), wanted));
    assert.ok(!isAuthorized(basic('frp-k8s:other'), wanted));
    assert.ok(!isAuthorized(undefined, wanted));
    assert.ok(!isAuthorized(basic(':'), { user: '', password: '' }));
    assert.ok(!isAuthorized(basic('frp-k8s:secret'), undefined));
  });
});

describe("the keys of users' issuers", () => {
  let server: Server;
  let url: string;
  let documents: Record<string, unknown>;
  const here = { allow: ['127.0.0.1'], apiServer: [], allowHttp: true };
  beforeEach(async () => {
    documents = {};
    server = createServer((request, response) => {
      const document = documents[request.url!];
      if (document === undefined) response.writeHead(404).end();
      else if (typeof document === 'string') response.writeHead(302, { location: document }).end();
      else response.end(JSON.stringify(document));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(() => {
    server.close();
    server.closeAllConnections();
  });

  it('are found by discovery, as PEM, and only those that can verify', async () => {
    const signer = await Signer.create();
    documents['/.well-known/openid-configuration'] = { issuer: url, jwks_uri: `${url}/keys` };
    documents['/keys'] = { keys: [signer.jwk, { ...signer.jwk, use: 'enc' }, { kty: 'oct', k: 'AAAA' }, { ...signer.jwk, alg: 'HS256' }] };
    const issuers = new Issuers({ rules: here, log, changed: () => {} });
    const reference = { issuer: url, jwksUrl: undefined, namespace: 'shop' };
    issuers.follow([reference]);
    assert.deepEqual(issuers.keysOf(reference), { problem: 'they are being fetched' });
    await issuers.attempted();
    const found = issuers.keysOf(reference);
    assert.ok('keys' in found);
    assert.equal(found.keys.length, 1);
    assert.equal(found.keys[0]!.alg, 'ES256');
    assert.match(found.keys[0]!.publicKeyPem, /^-----BEGIN PUBLIC KEY-----/);
    await issuers.close();
  });

  it('are those that are well-formed, whatever else the issuer sends', async () => {
    const { jwk } = await Signer.create();
    const odd = [
      { kid: 123 },
      { kid: null },
      { kid: {} },
      { crv: '__proto__' },
      { crv: 'toString' },
      { kty: 7 },
      { alg: [] },
      { x: 5 },
      { x: '' },
    ];
    documents['/keys'] = {
      keys: [...odd.map((fields) => ({ ...jwk, ...fields })), {}, { ...jwk, kid: 'good' }, { ...jwk, kid: undefined }],
    };
    documents['/none'] = { keys: [null, jwk] };
    documents['/many'] = { keys: Array.from({ length: 65 }, (_, index) => ({ ...jwk, kid: String(index) })) };
    documents['/nameless'] = { keys: Array.from({ length: 5 }, () => ({ ...jwk, kid: undefined })) };
    documents['/same'] = { keys: Array.from({ length: 5 }, () => ({ ...jwk, kid: 'a' })) };
    const issuers = new Issuers({ rules: here, log, changed: () => {} });
    const references = ['keys', 'none', 'many', 'nameless', 'same'].map((path) => ({
      issuer: url,
      jwksUrl: `${url}/${path}`,
      namespace: 'shop',
    }));
    issuers.follow(references);
    await issuers.attempted();
    const [keys, none, many, nameless, same] = references.map((reference) => issuers.keysOf(reference));
    assert.deepEqual('keys' in keys! ? keys.keys.map(({ kid }) => kid) : keys, ['good', undefined]);
    assert.ok('problem' in none!);
    assert.deepEqual(many, { problem: 'there are 65 keys for signatures among them, above the limit of 64' });
    const remedy = 'among them, above the limit of 4; give each a kid of its own';
    assert.deepEqual(nameless, { problem: `there are 5 keys without a kid ${remedy}` });
    assert.deepEqual(same, { problem: `there are 5 keys of one kid ${remedy}` });
    await issuers.close();
  });

  it('are fetched over https alone, unless the installation allows http', async () => {
    documents['/keys'] = { keys: [(await Signer.create()).jwk] };
    const issuers = new Issuers({ rules: { ...here, allowHttp: false }, log, changed: () => {} });
    const reference = { issuer: url, jwksUrl: `${url}/keys`, namespace: 'shop' };
    issuers.follow([reference]);
    await issuers.attempted();
    const answer = issuers.keysOf(reference);
    assert.ok('problem' in answer);
    assert.match(answer.problem, /is no https URL/);
    await issuers.close();
  });

  it('of one namespace whose issuers do not answer do not hold up those of another', async () => {
    documents['/keys'] = { keys: [(await Signer.create()).jwk] };
    const sockets: Socket[] = [];
    const silent = createNetServer((socket) => void sockets.push(socket.on('error', () => {}))).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    let changed = () => {};
    const nobody = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const issuers = new Issuers({ rules: here, log, changed: () => changed() });
    const slow = Array.from({ length: 256 }, (_, index) => ({ issuer: nobody, jwksUrl: `${nobody}/${index}`, namespace: 'busy' }));
    issuers.follow(slow);
    const reference = { issuer: url, jwksUrl: `${url}/keys`, namespace: 'shop' };
    await new Promise<void>((resolve) => {
      changed = resolve;
      issuers.follow([...slow, reference]);
    });
    assert.ok('keys' in issuers.keysOf(reference));
    assert.ok(sockets.length > 0 && sockets.length < 10, 'none of theirs has been answered');
    issuers.follow([]);
    silent.close();
    for (const socket of sockets) socket.destroy();
  });

  it('are forgotten when no service names the issuer any more', async () => {
    documents['/keys'] = { keys: [(await Signer.create()).jwk] };
    const issuers = new Issuers({ rules: here, log, changed: () => {} });
    const reference = { issuer: url, jwksUrl: `${url}/keys`, namespace: 'shop' };
    issuers.follow([reference]);
    await issuers.attempted();
    const known = issuers.keysOf(reference);
    issuers.follow([reference]);
    assert.equal(issuers.keysOf(reference), known, 'the same value as long as the keys are the same');
    issuers.follow([]);
    assert.deepEqual(issuers.keysOf(reference), { problem: 'they are being fetched' });
    await issuers.close();
  });

  it('are not taken from a discovery document of another issuer, nor by way of a redirect', async () => {
    documents['/.well-known/openid-configuration'] = { issuer: 'https://id.example', jwks_uri: `${url}/keys` };
    documents['/moved'] = `${url}/.well-known/openid-configuration`;
    const issuers = new Issuers({ rules: here, log, changed: () => {} });
    const references = [undefined, `${url}/moved`].map((jwksUrl) => ({ issuer: url, jwksUrl, namespace: 'shop' }));
    issuers.follow(references);
    await issuers.attempted();
    assert.deepEqual(issuers.keysOf(references[0]!), { problem: 'its discovery document is of issuer "https://id.example"' });
    assert.deepEqual(issuers.keysOf(references[1]!), { problem: `${url}/moved answered HTTP status 302` });
    await issuers.close();
  });

  it('are never asked for at loopback, link-local or API server addresses, by name or by number', async () => {
    const rules = { allow: [], apiServer: ['10.96.0.1'], allowHttp: true };
    for (const address of [
      url,
      'http://169.254.169.254/latest',
      'http://[::1]/',
      'http://2130706433/',
      'http://localhost/',
      'https://10.96.0.1/',
      'file:///etc/passwd',
      'x',
    ])
      await assert.rejects(fetchJson(address, rules), / (is|resolves) /, address);
  });
});
