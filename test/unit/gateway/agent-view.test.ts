import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { configSchema } from '../../../src/config/schema.ts';
import { originOf } from '../../../src/frp/origins.ts';
import { accessOf } from '../../../src/gateway/ir/access-policy.ts';
import { Copies } from '../../../src/gateway/sources/secret-copies.ts';
import type { Member } from '../../../src/gateway/members/members.ts';
import { backendName } from '../../../src/gateway/haproxy/config/names.ts';
import { serverName } from '../../../src/gateway/ir/server-name.ts';
import { PodIndex } from '../../../src/gateway/sources/pod-index.ts';
import { proxyStatuses } from '../../../src/gateway/api/proxy-status.ts';
import type { View } from '../../../src/gateway/ir/ir.ts';
import { viewOf, type ViewInput } from '../../../src/gateway/ir/translate.ts';
import { base64 } from '../../../src/kube/authority-secret.ts';
import type { KubeObject } from '../../../src/kube/types.ts';
import { Claims } from '../../../src/model/claims.ts';
import type { DistributedService } from '../../../src/model/types.ts';
import { service, storeOf } from '../../support/services.ts';

const config = configSchema.parse({ gateway: { addresses: ['gw-0.example.com'] }, baseDomain: 'apps.example.com' });
const uid = (end: number) => `3f2a6c1e-0000-4000-8000-${String(end).padStart(12, '0')}`;

const member = (end: number, options: Partial<Member> = {}): Member => ({
  name: `shop.web.0a1b2c3d.web-${end}.${uid(end)}`,
  service: 'shop/web',
  backendId: uid(end),
  port: 29_000 + end,
  identity: { cluster: '', namespace: 'shop', pod: `web-${end}`, uid: uid(end) },
  origins: [],
  ...options,
});

const frpc = JSON.stringify({ proxies: [{ name: 'shop.web.0a1b2c3d.{{ .Envs.POD_NAME }}.{{ .Envs.POD_UID }}', localPort: 11434 }] });
const pod = (
  end: number,
  { ready = 'True', ...metadata }: { ready?: string; annotations?: Record<string, string>; deletionTimestamp?: string } = {},
): KubeObject =>
  ({
    metadata: { name: `web-${end}`, namespace: 'shop', uid: uid(end), ...metadata },
    status: { phase: 'Running', podIP: `10.0.0.${end}`, conditions: [{ type: 'ContainersReady', status: ready }] },
  }) as KubeObject;

function view(...input: Parameters<typeof viewInput>) {
  return viewOf(viewInput(...input)).services;
}

function viewInput(
  services: DistributedService[],
  members: Member[] = [],
  pods: KubeObject[] = [],
  input: Partial<ViewInput> = {},
): ViewInput {
  const index = new PodIndex(() => {});
  index.sink().replace(pods);
  const store = storeOf(...services);
  const claims = new Claims(store, config);
  return {
    services: store.all(),
    conflictsOf: (of) => claims.conflictsOf(of),
    members,
    podOf: ({ cluster, uid: of }) => (cluster === '' ? index.get(of) : 'unknown'),
    accessOf: () => ({ kind: 'none' }),
    certificateOf: () => undefined,
    config,
    ...input,
  };
}

describe('the view', () => {
  it('has the services that go through the gateway, in the order of their names, and no others', () => {
    const deleted = service('deleted');
    deleted.metadata.deletionTimestamp = '2026-01-01T00:00:00Z';
    const udp = service('udp', { serviceType: 'udp', expose: { type: 'port', port: 53 } });
    const services = [service('web'), deleted, service('plain', { gateway: false }), udp, service('api')];
    assert.deepEqual(
      view(services).map((served) => served.service.metadata.name),
      ['api', 'web'],
    );
  });

  it('has every other service where one cannot be made out, and says which and why', () => {
    const broken = service('broken');
    const accessOf = (of: DistributedService) => {
      if (of === broken) throw new Error('no such thing');
      return { kind: 'none' } as const;
    };
    const input = viewInput([service('web'), broken, service('api')], [], [], { accessOf });
    const { services, failed } = viewOf(input);
    assert.deepEqual(
      services.map((served) => served.service.metadata.name),
      ['api', 'web'],
    );
    assert.deepEqual([...failed!], [['shop/broken', 'no such thing']]);
  });

  it('has the same values as the view before for services of which nothing has changed', () => {
    const [web, api] = [service('web'), service('api')];
    const before = viewOf(viewInput([web, api], [member(1), member(2)], [pod(1), pod(2)]));
    const after = viewOf(viewInput([web, api], [member(1)], [pod(1)]), before);
    assert.equal(after.services[0], before.services[0]);
    assert.notEqual(after.services[1], before.services[1]);
    assert.deepEqual(after, viewOf(viewInput([web, api], [member(1)], [pod(1)])));
  });

  it('has the same values where a service says the same and its status is another', () => {
    const before = viewOf(viewInput([service('web')], [member(1)], [pod(1)]));
    const told = { ...service('web'), status: { activeBackends: 1 } };
    const after = viewOf(viewInput([told], [member(1)], [pod(1)]), before);
    assert.equal(after.services[0], before.services[0]);
  });

  it('has a service that has left for a plain frp server as long as it has members here', () => {
    const left = service('web', { gateway: false });
    assert.deepEqual(
      view([left], [member(1)]).map(({ backends }) => backends.length),
      [1],
    );
    assert.deepEqual(view([left]), []);
  });

  it('has no service that has lost its host to another', () => {
    const thief = service('thief', { expose: { type: 'domain', domain: 'web.example.com' } }, 'bank');
    const own = service('web');
    own.metadata.creationTimestamp = '2020-01-01T00:00:00Z';
    thief.metadata.creationTimestamp = '2021-01-01T00:00:00Z';
    assert.deepEqual(
      view([thief, own]).map((served) => served.service.metadata.namespace),
      ['shop'],
    );
  });

  it('opens no port of the gateway itself', () => {
    const tcp = (name: string, port: number) => service(name, { serviceType: 'tcp', expose: { type: 'port', port } });
    assert.deepEqual(
      view([tcp('a', 7500), tcp('c', 5432), tcp('d', config.gateway.httpPort)]).map(({ exposures }) => exposures),
      [[], [{ kind: 'tcp', port: 5432 }], []],
    );
  });

  it('leaves out a service whose port a tunnel has, which says so, until the tunnel ends', () => {
    const web = service('web');
    const late = service('late', { serviceType: 'tcp', expose: { type: 'port', port: 29_001 } });
    const { services, failed } = viewOf(viewInput([web, late], [member(1)], [pod(1)]));
    assert.deepEqual(
      services.map(({ service: { metadata } }) => metadata.name),
      ['web'],
    );
    assert.match(failed?.get('shop/late') ?? '', /^spec\.expose\.port: the tunnel of a backend has port 29001; choose another/);
    assert.deepEqual(
      view([web, late]).map(({ exposures }) => exposures.length),
      [1, 1],
    );
  });

  it('has the profile of its Pods, and keeps it while it has none', () => {
    const pods = [
      pod(1),
      pod(2, { annotations: { 'frp.io/profile': 'ollama' } }),
      pod(3, { annotations: { 'frp.io/profile': 'toString' } }),
    ];
    const profiles = (members: Member[], before?: View) =>
      viewOf(viewInput([service('web')], members, pods), before).services.map(({ profile }) => profile);
    assert.deepEqual(profiles([member(1), member(3)]), [undefined]);
    assert.deepEqual(profiles([member(1), member(2)]), ['ollama']);
    const before = viewOf(viewInput([service('web')], [member(2)], pods));
    assert.deepEqual([profiles([], before), profiles([member(1)], before)], [['ollama'], [undefined]]);
  });

  it('has each member as a server, with weight, address and whether it drains', () => {
    const pods = [
      pod(1, { annotations: { 'frp.io/weight': '30', 'frp.io/frpc.json': frpc } }),
      pod(2, { ready: 'False' }),
      pod(3, { deletionTimestamp: '2026-01-01T00:00:00Z', annotations: { 'frp.io/weight': 'many' } }),
    ];
    const [web] = view([service('web')], [member(1), member(2), member(3), member(4)], pods);
    const byPort = web!.backends
      .toSorted((a, b) => a.port - b.port)
      .map(({ weight, isDraining, address }) => ({ weight, isDraining, address }));
    assert.deepEqual(byPort, [
      { weight: 30, isDraining: false, address: '10.0.0.1:11434' },
      { weight: 1, isDraining: true, address: 'web-2' },
      { weight: 1, isDraining: true, address: 'web-3' },
      { weight: 1, isDraining: true, address: 'web-4' },
    ]);
    const name = `s-${createHash('sha256')
      .update(`shop/web ${uid(1)}`)
      .digest('hex')
      .slice(0, 16)}`;
    assert.ok(web!.backends.some((backend) => backend.name === name && backend.port === 29_001));
  });

  describe("of a connector's members", () => {
    const users = (...endpoints: { host: string; port: number; weight: number }[]) => service('web', { backends: { endpoints } });
    const [a, b] = [
      { host: 'users-a.example.com', port: 80, weight: 70 },
      { host: 'users-b.example.com', port: 80, weight: 30 },
    ];
    /** A member that a connector Pod dials for these endpoints. */
    const dialled = (index: number, origins: { host: string; port: number }[], end = 1, options: Partial<Member> = {}) =>
      member(index, {
        backendId: `${String(index).padStart(12, '0')}-${uid(end)}`,
        identity: member(end).identity,
        origins: origins.map(originOf),
        ...options,
      });
    const shares = (web: DistributedService, members: Member[], pods = [pod(1), pod(2)]) =>
      view([web], members, pods)[0]!
        .backends.toSorted((x, y) => x.port - y.port)
        .map(({ address, weight }) => [address, weight]);

    it('gives each the name and the weight of the endpoint that it is of, as the service has it now', () => {
      const members = [dialled(0, [a]), dialled(1, [b]), dialled(2, [{ host: '10.1.0.2', port: 80 }])];
      assert.deepEqual(shares(users(a, b, { host: '10.1.0.2', port: 80, weight: 5 }), members), [
        ['users-a.example.com:80', 70],
        ['users-b.example.com:80', 30],
        ['10.1.0.2:80', 5],
      ]);
      assert.deepEqual(shares(users({ ...b, weight: 1 }, { ...a, weight: 2 }), members.slice(0, 2)), [
        ['users-a.example.com:80', 2],
        ['users-b.example.com:80', 1],
      ]);
    });

    it('shares the weight of an endpoint among its addresses, and among the connector Pods that dial them', () => {
      const members = [dialled(0, [a]), dialled(1, [a]), dialled(2, [b]), dialled(3, [b], 2)];
      assert.deepEqual(
        shares(users(a, b), members).map(([, weight]) => weight),
        [35, 35, 15, 15],
      );
    });

    it('leaves those that drain out of the sharing, so that the endpoint keeps its part', () => {
      const members = [dialled(0, [a]), dialled(1, [a], 2), dialled(2, [b])];
      const pods = [pod(1), pod(2, { deletionTimestamp: '2026-01-01T00:00:00Z' })];
      const [first, , third] = shares(users(a, b), members, pods);
      assert.deepEqual([first![1], third![1]], [70, 30]);
    });

    it('gives an address that several endpoints lead to the weight of all of them', () => {
      assert.deepEqual(shares(users(a, b), [dialled(0, [a, b]), dialled(1, [a])]), [
        ['users-a.example.com:80', 65],
        ['users-a.example.com:80', 35],
      ]);
    });

    it('lets a member have no endpoint that the service has not', () => {
      const forged = dialled(0, [{ host: 'elsewhere.example.com', port: 80 }]);
      assert.deepEqual(shares(users(a, b), [forged, dialled(1, [b])]), [
        [forged.backendId, 1],
        ['users-b.example.com:80', 30],
      ]);
      const sidecar = member(1, { origins: [originOf(a)] });
      assert.equal(view([users(a, b)], [sidecar], [pod(1)])[0]!.backends[0]!.weight, 1);
    });

    it('names those that are behind a DNS name by that', () => {
      const db = service('web', { backends: { discovery: { mode: 'dns', port: 5432 } } });
      const origin = { host: 'web.shop.svc', port: 5432 };
      assert.deepEqual(
        shares(db, [dialled(0, [origin]), dialled(1, [origin])]).map(([address]) => address),
        ['web.shop.svc:5432', 'web.shop.svc:5432'],
      );
    });

    it('knows those of other clusters too', () => {
      const remote = dialled(0, [a], 1, { identity: { ...member(1).identity, cluster: 'edge' } });
      assert.deepEqual(shares(users(a, b), [remote, dialled(1, [b])], [pod(1)]), [
        ['edge/users-a.example.com:80', 70],
        ['users-b.example.com:80', 30],
      ]);
    });
  });

  it('drains nobody of a cluster that is not watched', () => {
    const [served] = view([service('web')], [member(1, { identity: { ...member(1).identity, cluster: 'edge' } })]);
    assert.equal(served!.backends[0]!.isDraining, false);
  });
});

describe('access to a service', () => {
  const digest = 'a'.repeat(64);
  function copies(data: Record<string, string>): Copies {
    const all = new Copies(() => {});
    const annotations = { 'frp.io/copy-of': 'shop/clients', 'frp.io/copy-kind': 'credentials' };
    const encoded = Object.fromEntries(Object.entries(data).map(([key, value]) => [key, base64(value)]));
    all.replace([{ metadata: { name: 'x', namespace: 'frp-gateway', annotations }, data: encoded }]);
    return all;
  }
  const noKeys = { keysOf: () => ({ problem: 'they are being fetched' }) };
  const of = (type: 'token' | 'apikey' | 'oauth2' | 'basic' | 'none', data: Record<string, string>, namespace = 'shop', keysOf = noKeys) =>
    accessOf(service('web', { security: { authentication: { type, tokenSecret: 'clients' } } }, namespace), copies(data), keysOf);

  it('is open to everybody without authentication, and to nobody where authorization is enabled without it', () => {
    assert.deepEqual(of('none', {}), { kind: 'none' });
    const open = service('web', { security: { authorization: { enabled: true } } });
    assert.equal(accessOf(open, copies({}), noKeys).kind, 'unavailable');
  });

  it('is open to holders of a key of the copied Secret', () => {
    const text = JSON.stringify({ [digest]: 'alice', nonsense: 'bob' });
    assert.deepEqual(of('apikey', { 'clients.json': text }), { kind: 'keys', header: 'apikey', clients: { [digest]: 'alice' } });
    assert.deepEqual(of('basic', { 'clients.json': text }), { kind: 'keys', header: 'basic', clients: { [digest]: 'alice' } });
    assert.deepEqual(of('token', { 'clients.json': text }), { kind: 'keys', header: 'bearer', clients: { [digest]: 'alice' } });
  });

  it('is refused to everybody where the Secret is missing, broken, or of another namespace', () => {
    assert.equal(of('apikey', {}).kind, 'unavailable');
    assert.equal(of('apikey', { 'clients.json': '{' }).kind, 'unavailable');
    assert.equal(of('apikey', { 'clients.json': '{}' }).kind, 'unavailable');
    assert.equal(of('apikey', { 'clients.json': JSON.stringify({ [digest]: 'alice' }) }, 'bank').kind, 'unavailable');
  });

  it('is refused to everybody until the keys of the issuer are known', () => {
    const data = { issuer: 'https://id.example', audience: 'web' };
    assert.equal(of('oauth2', { issuer: 'https://id.example' }).kind, 'unavailable');
    assert.deepEqual(of('oauth2', data), {
      kind: 'unavailable',
      reason: 'the keys of https://id.example are not known: they are being fetched',
    });
    const known = { keysOf: () => ({ keys: [] }) };
    assert.deepEqual(
      accessOf(service('web', { security: { authentication: { type: 'oauth2', tokenSecret: 'clients' } } }), copies(data), known),
      {
        kind: 'jwt',
        issuer: 'https://id.example',
        audience: 'web',
        rolesClaim: 'roles',
        keys: [],
      },
    );
  });
});

describe('the status API of the gateway', () => {
  it('reports the verdict of HAProxy on each member, and the cluster that a member belongs to', () => {
    const own = member(1);
    const foreign = member(2, { identity: { ...member(2).identity, cluster: 'edge' } });
    const failing = member(3);
    // HAProxy forgets the answer's status when it begins the next check.
    const checked = member(4);
    const of = (end: number) => ({ backend: backendName('shop/web'), server: serverName('shop/web', uid(end)) });
    const verdicts = [
      { ...of(2), status: 'up', check: 'L7OK', checkCode: 200 },
      { ...of(3), status: 'down', check: 'L7STS', checkCode: 404 },
      { ...of(4), status: 'down', check: 'L7STS', checkCode: 0 },
    ] as const;
    const specOf = () => service('web', { loadBalancing: { healthCheck: { type: 'http', path: '/healthz' } } }).spec;
    assert.deepEqual(proxyStatuses([own, foreign, failing, checked], verdicts, specOf), [
      { name: own.name, status: 'offline' },
      { name: foreign.name, status: 'online', elsewhere: 'edge/web-2' },
      { name: failing.name, status: 'offline', reason: 'GET /healthz answered 404' },
      { name: checked.name, status: 'offline', reason: 'GET /healthz answered with an error' },
    ]);
  });
});
