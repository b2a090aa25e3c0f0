import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { TunnelAdmission, type Answer } from '../../../src/gateway/admission/tunnel-admission.ts';
import type { Verified } from '../../../src/gateway/admission/pod-token.ts';
import type { Identity } from '../../../src/gateway/pod-identity.ts';
import { Members } from '../../../src/gateway/members/members.ts';
import { limits } from '../../../src/gateway/admission/plugin-protocol.ts';
import { refused } from '../../../src/gateway/admission/refusals.ts';
import { OpenSessions } from '../../../src/gateway/admission/open-sessions.ts';
import { eligibilityOf } from '../../../src/gateway/admission/eligibility.ts';
import type { OnlineClient, OnlineProxy } from '../../../src/gateway/members/frps-client.ts';
import { logTo } from '../../../src/log.ts';
import type { ServiceStore } from '../../../src/model/store.ts';
import { anyCharacter } from '../../support/arbitraries.ts';
import { service, storeOf } from '../../support/services.ts';

const uid = '3f2a6c1e-0000-4000-8000-000000000001';
const identity: Identity = { cluster: '', namespace: 'shop', pod: 'web-1', uid };
const name = `shop.web.0a1b2c3d.web-1.${uid}`;

let services: ServiceStore;
let members: Members;
/** what frps has */
let online: OnlineProxy[];
let lines: Record<string, unknown>[];
let reasons: string[];
/** sessions that frps has, and tunnels that were ended */
let clients: OnlineClient[];
let ended: string[];
let admission: TunnelAdmission;
let verdict: Verified;
let isReady: boolean;

beforeEach(() => {
  services = storeOf(service('web'), service('api'));
  online = [];
  lines = [];
  reasons = [];
  clients = [];
  ended = [];
  verdict = { ok: true, identity };
  isReady = true;
  const log = logTo({ write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>) });
  members = new Members({ list: async () => online, changed: () => {}, isTaken: () => false, log });
  admission = new TunnelAdmission({
    isReady: async () => isReady,
    verify: async () => verdict,
    eligibilityOf: (pod, wanted) => eligibilityOf(pod, wanted, { services, patience: { of: () => 0 } }),
    members,
    sessions: new OpenSessions({ list: async () => clients, room: 80 }),
    endTunnel: (address) => ended.push(address),
    log,
    onRefused: ({ reason }) => reasons.push(reason),
    onAdmitted: () => {},
  });
});

afterEach(() => members.close());

type Content = Record<string, unknown>;
const contentOf = (answer: Answer): Content => {
  assert.ok('content' in answer, JSON.stringify(answer));
  return answer.content as Content;
};
const reasonOf = (answer: Answer): string => {
  assert.ok(answer.reject, JSON.stringify(answer));
  return answer.reject_reason.split(':', 1)[0]!;
};
async function login(content: Content = {}): Promise<Content> {
  return contentOf(await admission.answer('Login', { privilege_key: 'token', ...content }));
}
async function session(): Promise<Content> {
  const { user, metas, run_id } = await login();
  return { user, metas, run_id };
}
const newProxy = async (content: Content): Promise<Answer> =>
  admission.answer('NewProxy', { user: content.user ?? (await session()), proxy_name: name, proxy_type: 'tcp', ...content });

describe('a login', () => {
  it('says from where frps has it to the session and its proxies, so that its tunnel is found', async () => {
    const { metas } = await login({ client_address: '127.0.0.1:40882', metas: { tunnel: '127.0.0.1:1' } });
    assert.equal((metas as Content).tunnel, '127.0.0.1:40882');
    const proxy = contentOf(await newProxy({ user: { ...(await session()), metas }, metas: { tunnel: '127.0.0.1:1' } }));
    assert.deepEqual(proxy.metas, { tunnel: '127.0.0.1:40882' });
    assert.deepEqual(Object.keys((await login({ client_address: 'x y:1' })).metas as object), ['session']);
  });

  it('goes on as the Pod that the token proves, and with nothing that the client says of itself', async () => {
    const content = await login({
      user: 'shop/admin/x/',
      metas: { session: 'mine', namespace: 'bank' },
      client_id: 'of-another',
      client_spec: { always_auth_pass: true },
    });
    assert.equal(content.user, `shop/web-1/${uid}/`);
    assert.deepEqual(Object.keys(content.metas as object), ['session']);
    assert.notEqual((content.metas as Content).session, 'mine');
    assert.equal(content.client_id, undefined);
    assert.equal(content.client_spec, undefined);
    assert.equal(content.privilege_key, 'token');
  });

  it('keeps the run id of its own earlier session, so that frps replaces that, and gets no other', async () => {
    const first = (await login()).run_id as string;
    assert.match(first, /^[0-9a-f]{48}$/);
    assert.equal((await login({ run_id: first })).run_id, first);
    verdict = { ok: true, identity: { ...identity, pod: 'web-2', uid: `${uid.slice(0, -1)}2` } };
    assert.notEqual((await login({ run_id: first })).run_id, first);
  });

  for (const pool_count of [-1, -11, -(2 ** 31), -9.3e18, 1.5])
    it(`with a pool count of ${pool_count} is refused before frps acts on it`, async () => {
      assert.equal(reasonOf(await admission.answer('Login', { privilege_key: 'token', pool_count })), 'Malformed');
    });

  it('has texts and numbers within bounds, whatever the client sends', async () => {
    const text = fc.oneof(
      fc.string({ maxLength: 400, unit: anyCharacter }),
      fc.constant('x'.repeat(10_000)),
      fc.constant('a\nfake log line'),
    );
    const anyLogin = fc.record({
      version: text,
      hostname: text,
      os: text,
      arch: text,
      run_id: text,
      timestamp: fc.oneof(fc.integer(), fc.constantFrom(9.3e18, -9.3e18)),
      pool_count: fc.oneof(fc.nat(), fc.constantFrom(2 ** 52)),
      metas: fc.dictionary(fc.string(), fc.string()),
    });
    await fc.assert(
      fc.asyncProperty(anyLogin, async (sent) => {
        verdict = { ok: true, identity: { ...identity, namespace: randomUUID(), uid: randomUUID() } };
        const { version, hostname, os, arch, run_id, timestamp, pool_count, metas } = await login(sent);
        for (const each of [version, hostname, os, arch]) assert.match(String(each), /^[ -~]{0,253}$/);
        assert.match(String(run_id), /^[0-9a-f]{48}$/);
        assert.ok(Number.isSafeInteger(timestamp));
        assert.ok((pool_count as number) >= 0 && (pool_count as number) <= limits.pool);
        assert.deepEqual(Object.keys(metas as object), ['session']);
      }),
    );
  });

  it('with a token longer than any is refused', async () => {
    assert.equal(reasonOf(await admission.answer('Login', { privilege_key: 'x'.repeat(limits.token + 1) })), 'Malformed');
  });

  it('is refused for the reason that verification gives, in answer, metric and audit log', async () => {
    verdict = refused('WrongAudience', 'the token is for another audience');
    const answer = await admission.answer('Login', { privilege_key: 'token', hostname: 'web-1' });
    assert.deepEqual(answer, { reject: true, reject_reason: 'WrongAudience: the token is for another audience' });
    assert.deepEqual(reasons, ['WrongAudience']);
    assert.equal(lines.length, 1);
    assert.equal(lines[0]!.event, 'refusal');
    assert.equal(lines[0]!.op, 'Login');
    assert.equal(lines[0]!.reason, 'WrongAudience');
    assert.ok(!JSON.stringify(lines).includes('"token"'), 'the token is a secret');
  });

  it('is refused while the agent does not know the cluster yet', async () => {
    isReady = false;
    assert.equal(reasonOf(await admission.answer('Login', { privilege_key: 'token' })), 'Starting');
  });
});

describe('the tunnels of a Pod and of a namespace', () => {
  const another = (n: number) => (verdict = { ok: true, identity: { ...identity, pod: `web-${n}`, uid: `${uid.slice(0, -2)}${10 + n}` } });
  const fromPort = (n: number) => ({ client_address: `127.0.0.1:${40_000 + n}` });

  it('are at most 32 of a Pod; the next one is refused, and the connection that it came by is ended', async () => {
    for (let n = 0; n < 32; n++) await login(fromPort(n));
    const answer = await admission.answer('Login', { privilege_key: 'token', ...fromPort(32) });
    assert.equal(reasonOf(answer), 'TooManyTunnels');
    assert.deepEqual(ended, ['127.0.0.1:40032']);
    another(2);
    await login();
  });

  it('are counted by namespace too, and of two namespaces with one name in different clusters apart', async () => {
    for (let n = 0; n < 40; n++) {
      if (n % 10 === 0) another(n / 10);
      await login();
    }
    another(5);
    assert.equal(reasonOf(await admission.answer('Login', { privilege_key: 'token' })), 'TooManyTunnels');
    verdict = { ok: true, identity: { ...identity, cluster: 'edge' } };
    await login();
    verdict = { ok: true, identity: { ...identity, namespace: 'bank', uid: uid.replace('1', '7') } };
    await login();
  });

  it('are counted over all namespaces of a cluster that has joined, so that others have room', async () => {
    const edge = (n: number) => ({ cluster: 'edge', namespace: `n${n % 3}`, pod: `web-${n % 6}`, uid: `uid-${n % 6}` });
    for (let n = 0; n < 60; n++) {
      verdict = { ok: true, identity: edge(n) };
      await login();
    }
    assert.equal(reasonOf(await admission.answer('Login', { privilege_key: 'token', ...fromPort(60) })), 'TooManyTunnels');
    assert.deepEqual(ended, ['127.0.0.1:40060']);
    verdict = { ok: true, identity };
    await login();
  });

  it('are not more by a sidecar that takes its earlier session over', async () => {
    const { run_id } = await login();
    for (let n = 0; n < 50; n++) assert.equal((await login({ run_id })).run_id, run_id);
  });

  it('are what frps has, where it is asked: those that have ended are not counted', async (t) => {
    t.mock.timers.enable({ apis: ['Date'], now: Date.now() });
    for (let n = 0; n < 32; n++) await login();
    t.mock.timers.tick(20_000);
    await login();
    clients = Array.from({ length: 32 }, (_, n) => ({ runId: `${n}`, user: `shop/web-1/${uid}/` }));
    for (let n = 1; n < 32; n++) await login();
    t.mock.timers.tick(20_000);
    assert.equal(reasonOf(await admission.answer('Login', { privilege_key: 'token' })), 'TooManyTunnels');
  });
});

describe('the logins of a Pod', () => {
  it('are let in 20 times in a row, as of a sidecar that reconnects, and refused beyond their rate, without harm to other Pods', async () => {
    for (let count = 0; count < 20; count++) await login();
    let answer: Answer | undefined;
    // Of one session, which frps replaces each time.
    const { run_id } = await login();
    for (let count = 0; count < 200 && !answer?.reject; count++)
      answer = await admission.answer('Login', { privilege_key: 'token', run_id });
    assert.equal(reasonOf(answer!), 'TooManyLogins');
    assert.deepEqual(reasons, ['TooManyLogins']);
    verdict = { ok: true, identity: { ...identity, pod: 'web-2', uid: `${uid.slice(0, -1)}2` } };
    await login();
    // Of another cluster, which gives its Pods the same UIDs.
    verdict = { ok: true, identity: { ...identity, cluster: 'edge' } };
    await login();
  });
});

describe('a proxy', () => {
  it('of the Pod itself gets a port on loopback, and only what the service says', async () => {
    services.set(service('web', { advanced: { bandwidth: { limit: '2GB', mode: 'server' } } }));
    const content = contentOf(
      await newProxy({ remote_port: 22, bandwidth_limit: '', group_key: 'k', custom_domains: ['bank.example.com'], metas: { a: 'b' } }),
    );
    assert.equal(content.remote_port, 29_999);
    assert.equal(content.proxy_type, 'tcp');
    assert.equal(content.bandwidth_limit, '2048MB');
    assert.equal(content.bandwidth_limit_mode, 'server');
    for (const key of ['group', 'group_key', 'custom_domains', 'metas']) assert.equal(content[key], undefined, key);
  });

  it('of a connector is one for each endpoint', async () => {
    contentOf(await newProxy({ proxy_name: `shop.web.0a1b2c3d.web-1.0123456789ab-${uid}` }));
    contentOf(await newProxy({ proxy_name: `shop.web.0a1b2c3d.web-1.ba9876543210-${uid}` }));
  });

  it("of a connector keeps which of the service's endpoints it is of, and nothing else of its metadata", async () => {
    const proxy_name = `shop.web.0a1b2c3d.web-1.0123456789ab-${uid}`;
    const metasOf = async (metas: unknown) => contentOf(await newProxy({ proxy_name, metas })).metas;
    assert.deepEqual(await metasOf({ origins: 'ba9876543210,0123456789ab,"}', session: 'mine' }), { origins: '0123456789ab,ba9876543210' });
    for (const metas of [null, [], { origins: { toString: 1 } }, { origins: '{{ .Envs.X }}' }])
      assert.equal(await metasOf(metas), undefined);
  });

  it("under another's name is refused", async () => {
    const others = [
      `bank.web.0a1b2c3d.web-1.${uid}`,
      `shop.web.0a1b2c3d.web-2.${uid}`,
      `shop.web.0a1b2c3d.web-1.${uid.slice(0, -1)}2`,
      `shop.web.0a1b2c3d.web-1.01234567-${uid}`,
      `shop.web.0a1b2c3d.web-1.0123456789ab-${uid.slice(0, -1)}2`,
      `shop.web.0a1b2c3d.x.web-1.${uid}`,
      `shop.web.web-1.${uid}`,
      `evil.${name}`,
      `shop.web\nuse_backend x.0a1b2c3d.web-1.${uid}`,
      `${name} `,
      '',
    ];
    for (const proxy_name of others) assert.equal(reasonOf(await newProxy({ proxy_name })), 'WrongName', proxy_name);
    assert.equal(members.loadOf(identity).ofPod, 0);
  });

  it('of another type, or in an frp group, is refused', async () => {
    for (const proxy_type of ['http', 'https', 'udp', 'stcp', 'tcpmux', 'xtcp', ''])
      assert.equal(reasonOf(await newProxy({ proxy_type })), 'WrongType');
    assert.equal(reasonOf(await newProxy({ group: 'shop/web' })), 'Grouped');
  });

  it('of a session that this gateway has not opened is refused', async () => {
    assert.equal(reasonOf(await newProxy({ user: { user: 'me', metas: { session: 'x' } } })), 'NotLoggedIn');
    assert.equal(reasonOf(await newProxy({ user: { user: `shop/web-1/${uid}/`, metas: null } })), 'NotLoggedIn');
  });

  it('goes on with what is of a tcp proxy, and none of the lists and texts of other types', async () => {
    const many = Array.from({ length: 1000 }, (_, index) => `${index}.example.com`);
    const content = contentOf(
      await newProxy({
        custom_domains: many,
        locations: many,
        headers: { a: 'b' },
        response_headers: { a: 'b' },
        annotations: { a: 'b' },
        sk: 'x'.repeat(5000),
        allow_users: many,
        multiplexer: 'x',
        subdomain: 'x',
        bandwidth_limit: '999999999999999999GB',
        remote_port: -1,
      }),
    );
    const names = ['metas', 'proxy_name', 'proxy_type', 'remote_port', 'use_compression', 'use_encryption', 'user'];
    assert.deepEqual(
      Object.keys(content).filter((each) => !names.includes(each)),
      [],
    );
    assert.ok((content.remote_port as number) > 0);
  });

  it('with a name of any length is refused in a short answer', async () => {
    const answer = await newProxy({ proxy_name: `shop.${'a.'.repeat(4000)}0a1b2c3d.web-1.${uid}` });
    assert.equal(reasonOf(answer), 'WrongName');
    const other = await newProxy({ proxy_type: 'x'.repeat(10_000) });
    assert.ok(JSON.stringify(other).length < 1000);
  });

  it('of a service that is not there, is being deleted or goes elsewhere is refused, with an audit line', async () => {
    const of = async (wanted: string) => reasonOf(await newProxy({ proxy_name: `shop.${wanted}.0a1b2c3d.web-1.${uid}` }));
    const gone = service('gone');
    gone.metadata.deletionTimestamp = '2026-01-01T00:00:00Z';
    services.set(gone);
    services.set(service('plain', { serviceType: 'udp', expose: { type: 'port', port: 7000 } }));
    assert.equal(await of('missing'), 'UnknownService');
    assert.equal(await of('gone'), 'ServiceDeleted');
    assert.equal(await of('plain'), 'NotThroughGateway');
    assert.deepEqual(reasons, ['UnknownService', 'ServiceDeleted', 'NotThroughGateway']);
    const { event, op, namespace, pod, service: named, reason } = lines.at(-1)!;
    assert.deepEqual(
      { event, op, namespace, pod, named, reason },
      { event: 'refusal', op: 'NewProxy', namespace: 'shop', pod: 'web-1', named: 'plain', reason: 'NotThroughGateway' },
    );
  });

  it('of a service that has left the gateway is let in: its Pods serve there until they restart, however often they dial', async () => {
    services.set(service('left', { gateway: false }));
    const content = contentOf(await newProxy({ proxy_name: `shop.left.0a1b2c3d.web-1.${uid}` }));
    assert.ok((content.remote_port as number) > 0);
  });

  it('of a service that has lost its host is let in, so that it serves at once when it has it', async () => {
    const older = service('older', { expose: { type: 'domain', domain: 'a.example.com' } }, 'bank');
    older.metadata.creationTimestamp = '2020-01-01T00:00:00Z';
    services.set(older);
    services.set(service('loser', { expose: { type: 'domain', domain: 'a.example.com' } }));
    contentOf(await newProxy({ proxy_name: `shop.loser.0a1b2c3d.web-1.${uid}` }));
  });

  it('beyond the limit of a Pod is refused, and does not disturb others', async () => {
    const user = await session();
    for (let index = 0; index < limits.pod; index++)
      contentOf(await newProxy({ user, proxy_name: `shop.web.0a1b2c3d.web-1.${index.toString(16).padStart(12, '0')}-${uid}` }));
    assert.equal(reasonOf(await newProxy({ user })), 'TooManyProxies');
    const next = { ...identity, pod: 'web-2', uid: `${uid.slice(0, -1)}2` };
    verdict = { ok: true, identity: next };
    contentOf(await newProxy({ proxy_name: `shop.web.0a1b2c3d.web-2.${next.uid}` }));
    // Of another cluster, which gives its Pods the same UIDs.
    verdict = { ok: true, identity: { ...identity, cluster: 'edge' } };
    contentOf(await newProxy({}));
  });

  it('beyond the limit of a cluster that has joined is refused, whatever namespace it is of, and others have ports', async () => {
    const edge = { ...identity, cluster: 'edge' };
    for (let n = 0; n < limits.cluster; n++) members.assign(`${n}`, { ...edge, namespace: `n${n % 3}`, uid: `uid-${n}` }, 's');
    verdict = { ok: true, identity: edge };
    assert.equal(reasonOf(await newProxy({})), 'TooManyProxies');
    verdict = { ok: true, identity };
    contentOf(await newProxy({}));
  });

  it('is refused in an operation of frps that the plugin did not subscribe to', async () => {
    assert.ok((await admission.answer('NewWorkConn', {})).reject);
    assert.ok((await admission.answer(undefined, {})).reject);
  });
});
