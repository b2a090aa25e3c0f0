/** A primary and its replicas: from the members' tunnels to two pools, and what they say of themselves. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { Registry } from '@prometheus-io/client';
import { configSchema } from '../../../src/config/schema.ts';
import { renderClientConfig } from '../../../src/frp/client-config.ts';
import { endpointsIn, renderConnectorConfig } from '../../../src/frp/connector-config.ts';
import { partsOf } from '../../../src/frp/parts.ts';
import { membershipsIn } from '../../../src/frp/proxy-names.ts';
import { tuningOf } from '../../../src/frp/tuning.ts';
import { newProxyContent } from '../../../src/gateway/admission/plugin-protocol.ts';
import { poolStatuses } from '../../../src/gateway/api/pool-status.ts';
import { proxyStatuses } from '../../../src/gateway/api/proxy-status.ts';
import { backendName, renderUsers, type UsersSettings } from '../../../src/gateway/haproxy/index.ts';
import { serverName } from '../../../src/gateway/ir/server-name.ts';
import { viewOf } from '../../../src/gateway/ir/translate.ts';
import { GatewayMetrics } from '../../../src/gateway/telemetry/agent-metrics.ts';
import { TrafficMetrics } from '../../../src/gateway/telemetry/traffic-metrics.ts';
import type { Member } from '../../../src/gateway/members/members.ts';
import { parseProxyName } from '../../../src/gateway/pod-identity.ts';
import { clientConfig } from '../../../src/gateway/up/client-files.ts';
import { exposuresOf } from '../../../src/model/exposure.ts';
import { partKey } from '../../../src/model/pools.ts';
import { isPortName, namedPorts, portIn, rolePortName } from '../../../src/model/ports.ts';
import { unservable } from '../../../src/model/plainmode.ts';
import { randomPortNames } from '../../../src/model/random-ports.ts';
import type { DistributedService, DistributedServiceSpec } from '../../../src/model/types.ts';
import { service } from '../../support/services.ts';

const config = configSchema.parse({ gateway: { addresses: ['gw-0.example.com'] } });
const spec: Partial<DistributedServiceSpec> = {
  serviceType: 'tcp',
  backends: { discovery: { mode: 'auto' }, readWrite: { writePort: 5432, readPort: 5433 } },
  loadBalancing: { healthCheck: { type: 'tcp', interval: '5s', failureThreshold: 2 } },
  expose: {},
};
const pg = (more: Partial<DistributedServiceSpec> = {}) => service('pg', { ...spec, ...more });

const uid = (end: number) => `3f2a6c1e-0000-4000-8000-${String(end).padStart(12, '0')}`;
const identity = (end: number) => ({ cluster: '', namespace: 'shop', pod: `pg-${end}`, uid: uid(end) });
const member = (end: number, more: Partial<Member> = {}): Member => ({
  name: `shop.pg.0a1b2c3d.pg-${end}.${uid(end)}`,
  service: 'shop/pg',
  backendId: uid(end),
  port: 29_000 + end,
  identity: identity(end),
  origins: [],
  ...more,
});
const role = (end: number) => member(end, { name: `shop.pg.4d5e6f70.pg-${end}.${uid(end)}`, port: 28_000 + end, portName: rolePortName });

const viewFor = (members: Member[], subject: DistributedService = pg()) =>
  viewOf({
    services: [subject],
    conflictsOf: () => [],
    members,
    podOf: () => 'unknown',
    accessOf: () => ({ kind: 'none' }),
    certificateOf: () => undefined,
    config,
  });

const settings: UsersSettings = {
  directory: '/run/haproxy',
  httpPort: 80,
  httpsPort: 443,
  trustedProxies: [],
  proxyProtocol: false,
  peers: [],
  localPeer: 'gw-0',
};
/** Lines of a section. */
const section = (text: string, title: string): string[] => {
  const lines = text.split('\n').map((line) => line.trim());
  const start = lines.indexOf(title);
  return lines.slice(start, lines.indexOf('', start));
};
const [writes, reads] = [backendName('shop/pg'), backendName(partKey('shop/pg', 'read'))];

describe('the tunnels of a member with a role', () => {
  const tuning = tuningOf(pg().spec, undefined, { cpu: undefined, memory: undefined });
  const [gateway] = [{ host: 'gw-0.example.com', port: 7000 }];
  const sidecar = (subject: DistributedService) =>
    renderClientConfig({ members: [{ service: subject, localPort: 5432 }], namespace: 'shop', tuning, logLevel: 'info', gateway }, config);

  it('are one to the database and one to where it tells its role, which is no member of its own', () => {
    const text = sidecar(pg());
    const { proxies } = JSON.parse(text) as { proxies: { name: string; localPort: number }[] };
    assert.deepEqual(
      proxies.map(({ localPort }) => localPort),
      [5432, 8008],
    );
    assert.deepEqual(membershipsIn(text, 'shop'), [
      { service: 'pg', port: 5432, parts: [...partsOf(pg().spec, true, undefined).keys()], isGateway: true },
    ]);
    const name = proxies[1]!.name.replace('{{ .Envs.POD_NAME }}', 'pg-1').replace('{{ .Envs.POD_UID }}', uid(1));
    assert.deepEqual(parseProxyName(name, identity(1)), { service: 'pg', backendId: uid(1) });
  });

  it('are those of a machine outside any cluster too, where it names the port', () => {
    const client = { namespace: 'shop', name: 'attic', uid: uid(3), certPem: '', keyPem: '', token: '', expires: 0 };
    const input = { service: 'pg', localIP: '127.0.0.1', localPort: 5432, address: 'gw-0.example.com', proxy: undefined, path: '', tuning };
    const portsOf = (more: { rolePort?: number }) => {
      const { proxies } = JSON.parse(clientConfig(client, '', { ...input, ...more })['frpc.json']!) as { proxies: { localPort: number }[] };
      return proxies.map(({ localPort }) => localPort);
    };
    assert.deepEqual([portsOf({}), portsOf({ rolePort: 8008 })], [[5432], [5432, 8008]]);
  });

  it('are told apart by the port in their metadata, which nobody can give to a port for users', () => {
    const { proxies } = JSON.parse(sidecar(pg())) as { proxies: { metadatas?: Record<string, string> }[] };
    const ports = proxies.map(({ metadatas }) => portIn(metadatas));
    assert.deepEqual(ports, [undefined, rolePortName]);
    const admitted = newProxyContent({ proxy_name: 'x', metas: proxies[1]!.metadatas! }, pg(), 29_001) as { metas?: object };
    assert.equal(portIn(admitted.metas), rolePortName);
    assert.equal(isPortName(rolePortName), false);
  });

  it('are one where a service has no roles', () => {
    const { proxies } = JSON.parse(sidecar(pg({ backends: { discovery: {} } }))) as { proxies: unknown[] };
    assert.equal(proxies.length, 1);
  });

  it('go to the port that the service names, of endpoints too, and are no further endpoints', () => {
    const readWrite = { writePort: 5432, readPort: 5433, roleCheck: { port: 9000 } };
    const subject = pg({ backends: { endpoints: [{ host: '10.0.0.5', port: 5432 }], readWrite } });
    const text = renderConnectorConfig(subject, [{ address: '10.0.0.5', port: 5432 }], config);
    const { proxies } = JSON.parse(text) as { proxies: { localIP: string; localPort: number }[] };
    assert.deepEqual(
      proxies.map(({ localIP, localPort }) => `${localIP}:${localPort}`),
      ['10.0.0.5:5432', '10.0.0.5:9000'],
    );
    assert.deepEqual(endpointsIn(text), [{ address: '10.0.0.5', port: 5432 }]);
  });
});

describe('a service with roles', () => {
  it('claims both ports, that for writing first', () => {
    assert.deepEqual(exposuresOf(pg().spec, undefined), [
      { kind: 'tcp', port: 5432 },
      { kind: 'tcp', port: 5433, name: 'read' },
    ]);
  });

  it('is not connected to a plain frp server', () => {
    assert.match(unservable({ ...pg().spec, gateway: false }, config)!.message, /^GatewayRequired: spec\.backends\.readWrite cannot be/);
  });

  it('is two pools of the same members, each with a port of its own', () => {
    const { services } = viewFor([member(1), role(1), member(2)]);
    const members = { 29_001: 28_001, 29_002: undefined };
    assert.deepEqual(
      services.map(({ role: its, exposures, backends }) => [
        its,
        exposures,
        Object.fromEntries(backends.map(({ port, rolePort }) => [port, rolePort])),
      ]),
      [
        ['primary', [{ kind: 'tcp', port: 5432 }], members],
        ['replica', [{ kind: 'tcp', port: 5433, name: 'read' }], members],
      ],
    );
    const names = services.flatMap(({ backends }) => backends.map(({ name }) => name));
    assert.equal(new Set(names).size, 4);
  });

  it('is one pool, and has no second tunnel, where it is none of tcp: the webhook may have been away', () => {
    const web = pg({ serviceType: 'http', expose: { type: 'domain', domain: 'pg.example.com' } });
    const { services, failed } = viewFor([member(1)], web);
    assert.deepEqual(
      services.map(({ role: its, exposures }) => [its, exposures]),
      [[undefined, [{ kind: 'http', host: 'pg.example.com', path: '/' }]]],
    );
    assert.equal(failed?.size, 0);
  });

  it('has its roles alone where ports are listed too', () => {
    const both = pg({ expose: { type: 'port', port: 0, ports: [{ name: 'pg', port: 21_001 }] } });
    const { services } = viewFor([member(1), role(1), member(2, { portName: 'pg' })], both);
    assert.deepEqual(
      services.map(({ role: its, exposures, backends }) => [its, exposures.length, backends.length]),
      [
        ['primary', 1, 1],
        ['replica', 1, 1],
      ],
    );
    assert.deepEqual([namedPorts(both.spec), randomPortNames(both.spec)], [undefined, []]);
  });

  it('stays the same values while nothing of it changes, and is new where a member tells its role', () => {
    const members = [member(1), role(1), member(2)];
    const input = {
      conflictsOf: () => [],
      podOf: () => 'unknown' as const,
      accessOf: () => ({ kind: 'none' as const }),
      certificateOf: () => undefined,
      config,
    };
    const services = [pg()];
    const before = viewOf({ ...input, services, members });
    const again = viewOf({ ...input, services, members }, before);
    assert.deepEqual(
      again.services.map((each, at) => each === before.services[at]),
      [true, true],
    );
    const told = viewOf({ ...input, services, members: [...members, role(2)] }, before);
    assert.deepEqual(
      told.services.map((each, at) => each === before.services[at]),
      [false, false],
    );
  });

  it('has each pool ask for its role, at the port that the map names, and ends the connections of who has lost it', () => {
    const { config: text, files } = renderUsers(viewFor([member(1), role(1)]), settings);
    assert.equal(files.get('maps/roles.map'), [writes, reads].map((pool) => `${serverIn(pool)} 28001\n`).join(''));
    for (const [pool, path] of [
      [writes, '/primary'],
      [reads, '/replica'],
    ] as const) {
      const lines = section(text, `backend ${pool}`);
      assert.ok(lines.includes('http-check connect port srv_name,map_str_int(maps/roles.map,1)'), lines.join('\n'));
      assert.ok(lines.includes(`http-check send meth GET uri '${path}' ver HTTP/1.1 hdr Host localhost hdr User-Agent frp-k8s-health`));
      assert.match(lines.at(-1)!, /check inter 5000ms fastinter 1000ms downinter 1000ms rise 1 fall 2 on-marked-down shutdown-sessions$/);
    }
  });

  it('lets nobody write while several say that they are the primary, and has the primary stand in for replicas', () => {
    const { config: text } = renderUsers(viewFor([member(1), role(1)]), settings);
    const write = section(text, 'frontend frp-port-5432');
    assert.ok(write.includes(`tcp-request content reject if { nbsrv(${writes}) gt 1 }`), write.join('\n'));
    const read = section(text, 'frontend frp-port-5433');
    assert.ok(read.includes(`tcp-request content set-var(txn.target) str(${writes}) if { nbsrv(${reads}) eq 0 }`), read.join('\n'));
    assert.ok(!read.some((line) => line.includes('gt 1')));
  });

  it('counts who reads against its limit at the primary too', () => {
    const { config: text } = renderUsers(viewFor([member(1)], pg({ security: { rateLimit: { connections: 5 } } })), settings);
    const own = reads.slice('be-'.length);
    assert.ok(
      section(text, `backend ${writes}`).includes(`tcp-request content reject if { var(txn.entry) -m str ${own} } { sc_conn_cur(1) gt 5 }`),
    );
  });

  const serverIn = (pool: string, end = 1) => serverName(pool === writes ? 'shop/pg' : partKey('shop/pg', 'read'), uid(end));
  const verdict = (pool: string, status: 'up' | 'down', check = 'L7STS', checkCode = 503) => ({
    backend: pool,
    server: serverIn(pool),
    status,
    check,
    checkCode,
  });

  it('has a member that serves where it has either role, listed once', () => {
    const specOf = () => pg().spec;
    const statuses = (...verdicts: ReturnType<typeof verdict>[]) =>
      proxyStatuses([member(1), role(1)], verdicts, specOf).map(({ status, reason }) => [status, reason]);
    assert.deepEqual(statuses(verdict(writes, 'up'), verdict(reads, 'down')), [['online', undefined]]);
    assert.deepEqual(statuses(verdict(writes, 'down'), verdict(reads, 'up')), [['online', undefined]]);
    assert.deepEqual(statuses(verdict(writes, 'down'), verdict(reads, 'down')), [
      ['offline', 'it says that it has no role: at port 8008 GET /primary answered 503, and GET /replica not 200'],
    ]);
    assert.deepEqual(statuses(verdict(writes, 'down', 'L4CON', 0), verdict(reads, 'down', 'L4CON', 0)), [
      ['offline', 'port 8008, where it is to tell its role, has no tunnel; a Pod from before spec.backends.readWrite restarts'],
    ]);
  });

  it('tells who says that it is the primary, and how many backends each role has, of all clusters', () => {
    const others = { identity: { ...identity(2), cluster: 'edge' } };
    const verdicts = [1, 2].flatMap((end) => [
      { ...verdict(writes, 'up'), server: serverIn(writes, end) },
      { ...verdict(reads, 'down'), server: serverIn(reads, end) },
    ]);
    const proxies = proxyStatuses([member(1), role(1), member(2, others), role(2)], verdicts, () => pg().spec);
    assert.deepEqual(
      proxies.map(({ name, isPrimary }) => [name.split('.')[3], isPrimary]),
      [
        ['pg-1', true],
        ['pg-2', true],
      ],
    );
    assert.deepEqual(
      poolStatuses([pg(), service('web')], verdicts, () => true),
      [
        { service: 'shop/pg', up: 2 },
        { service: 'shop/pg', pool: 'read', up: 0 },
      ],
    );
    const demoted = proxyStatuses([member(1)], [verdict(writes, 'down'), verdict(reads, 'up')], () => pg().spec);
    assert.deepEqual(demoted[0]?.isPrimary, undefined);
  });

  it('has a member that counts once, whatever tunnels it has', async () => {
    const registry = new Registry();
    new GatewayMetrics(registry, { members: () => [member(1), role(1), member(2)], view: () => undefined, tunnel: () => undefined });
    assert.match(await registry.metrics(), /^frp_gateway_members\{namespace="shop",name="pg"\} 2$/m);
  });

  it('tells in a metric how many say that they are the primary, and counts users under its own name', async (t) => {
    const servers = ([writes, reads] as const).flatMap((pool) =>
      [1, 2].map((end) => ({
        backend: pool,
        server: serverIn(pool, end),
        status: pool === writes ? ('up' as const) : ('down' as const),
        current: pool === writes ? 3 : 2,
        total: 0,
        bytesIn: 0,
        bytesOut: 0,
        retries: 0,
        idleConnections: 0,
        queued: 0,
        failures: 0,
        responses: [0, 0, 0, 0, 0, 0],
        check: '',
        checkCode: undefined,
      })),
    );
    const registry = new Registry();
    const metrics = new TrafficMetrics(registry, () =>
      Promise.resolve({
        pid: '1',
        uptime: 100,
        connections: 0,
        maxConnections: 0,
        servers,
        services: [],
        handedRequests: new Map(),
        handedStreams: 0,
      }),
    );
    t.after(() => metrics.close());
    metrics.setView(viewFor([member(1), role(1), member(2), role(2)]));
    const value = async (series: string) => (await registry.metrics()).split('\n').find((line) => line.startsWith(`${series}{`));
    while ((await value('frp_distributed_service_active_connections')) === undefined) await setImmediate();
    assert.equal(await value('frp_distributed_service_primaries'), 'frp_distributed_service_primaries{namespace="shop",name="pg"} 2');
    assert.match(
      (await value('frp_distributed_service_active_connections'))!,
      /namespace="shop",name="pg",backend="[^"]+",cluster=""\} 5$/,
    );
  });
});
