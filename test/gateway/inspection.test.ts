/** What a replica tells people of services and routes is what real HAProxy, frps and frpc do. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { InstallationReport, ServiceReport, Summary, Trace } from '../../src/gateway/api/report-types.ts';
import { base64 } from '../../src/kube/authority-secret.ts';
import type { KubeObject } from '../../src/kube/types.ts';
import type { DistributedService } from '../../src/model/types.ts';
import { service } from '../support/services.ts';
import { Gateway } from './agent-harness.ts';
import { eventually } from './eventually.ts';

const uid = (end: number) => `3f2a6c1e-0000-4000-8000-${String(end).padStart(12, '0')}`;
const pod = (name: string, end: number) => ({ namespace: 'shop', name: `${name}-${end}`, uid: uid(end) });
const credentials = { authorization: `Basic ${Buffer.from('frp-k8s:status').toString('base64')}` };
const check = { type: 'http', path: '/', interval: '1s' } as const;
const domain = (name: string, path?: string) => ({ type: 'domain' as const, domain: name, ...(path && { path }) });

let gateway: Gateway;

async function ask<T>(path: string): Promise<T> {
  const { status, body } = await gateway.status(path, credentials);
  assert.equal(status, 200, body);
  return JSON.parse(body) as T;
}

interface Wanted {
  host: string;
  path?: string;
  headers?: Record<string, string>;
}

const trace = ({ host, path = '/', headers = {} }: Wanted, more = '') =>
  ask<Trace>(
    `/api/routes?host=${host}&path=${encodeURIComponent(path)}${Object.entries(headers)
      .map(([name, value]) => `&header=${name}:${value}`)
      .join('')}${more}`,
  );

async function joins(name: string, end: number, status = 200): Promise<void> {
  const { port, server } = await gateway.app(`app ${name}`);
  if (status !== 200) server.prependListener('request', (_, response) => (response.statusCode = status));
  gateway.putPod(pod(name, end));
  await gateway.sidecar(pod(name, end), name, port);
}

const putAt = (creationTimestamp: string, made: DistributedService) =>
  gateway.putService({ ...made, metadata: { ...made.metadata, creationTimestamp } });

describe('what a replica tells people', { timeout: 175_000 }, () => {
  before(async () => {
    gateway = await Gateway.start();
    putAt(
      '2020-01-01T00:00:00Z',
      service('web', {
        expose: domain('web.example.com'),
        loadBalancing: { algorithm: 'least-conn', healthCheck: check },
        security: { rateLimit: { requestsPerSecond: 500 } },
        routes: [
          { path: '/beta', headers: { 'x-beta': 'yes' }, groups: [{ name: 'beta' }] },
          { path: '/api', groups: [{ name: 'beta' }] },
        ],
      }),
    );
    gateway.putService(service('beta', { expose: { path: '/' }, loadBalancing: { algorithm: 'round-robin', healthCheck: check } }));
    gateway.putService(
      service('ill', { expose: domain('ill.example.com'), loadBalancing: { algorithm: 'round-robin', healthCheck: check } }),
    );
    gateway.putService(service('empty', { expose: domain('*.empty.example.com') }));
    gateway.putService(
      service('locked', {
        expose: domain('locked.example.com', '/private'),
        security: {
          authentication: { type: 'token', tokenSecret: 'keys' },
          authorization: {
            enabled: true,
            rules: [
              { path: '/private/admin/*', roles: ['ops'] },
              { path: '/private/read', methods: ['GET'] },
            ],
          },
        },
      }),
    );
    putAt('2021-01-01T00:00:00Z', service('late', { expose: domain('web.example.com') }));
    gateway.putService(service('plain', { serviceType: 'udp', expose: { type: 'port', port: 7000 } }));
    await joins('web', 1);
    await joins('web', 2);
    await joins('beta', 3);
    await joins('ill', 4, 404);
    await eventually('web and beta serve', async () => {
      const { services } = await ask<Summary>('/api/summary');
      const up = Object.fromEntries(services.map((each) => [each.service, each.up]));
      return up['shop/web'] === 2 && up['shop/beta'] === 1;
    });
  });
  after(() => gateway?.close());

  it('lets in nobody without the password', async () => {
    for (const path of ['/', '/api/summary', '/api/installation', '/api/services/shop/web', '/api/routes?host=web.example.com'])
      assert.equal((await gateway.status(path)).status, 401);
  });

  it('tells of a service who serves it since when, what they are asked for, and which routes lead there', async () => {
    const begun = Date.now();
    await eventually('requests are counted', async () => {
      for (let index = 0; index < 30; index++) await gateway.request('web.example.com');
      const { perSecond, p99 } = await ask<ServiceReport>('/api/services/shop/web');
      return perSecond > 0 && p99 !== undefined;
    });
    const report = await ask<ServiceReport>('/api/services/shop/web');
    assert.deepEqual(report.exposures, ['web.example.com/']);
    assert.deepEqual([report.access, report.rules, report.limits], [{ kind: 'anybody' }, [], { requestsPerSecond: 500 }]);
    assert.deepEqual(report.backends.map((each) => [each.pod, each.state, each.weight, each.check]).sort(), [
      ['web-1', 'up', 1, 'L7OK 200'],
      ['web-2', 'up', 1, 'L7OK 200'],
    ]);
    for (const { since } of report.backends)
      assert.ok(Date.parse(since!) <= begun && Date.parse(since!) > begun - 175_000, `${since} before ${begun}`);
    const beta = await ask<ServiceReport>('/api/services/shop/beta');
    assert.deepEqual(beta.routes, [
      { at: 'web.example.com/beta', entry: 'shop/web', order: 1, headers: { 'x-beta': 'yes' }, share: 1 },
      { at: 'web.example.com/api', entry: 'shop/web', order: 1, headers: {}, share: 1 },
    ]);
  });

  it('says why a backend gets no requests in the words of the status', async () => {
    await eventually(
      'the check has failed',
      async () => (await ask<ServiceReport>('/api/services/shop/ill')).backends[0]?.state === 'down',
    );
    const { backends } = await ask<ServiceReport>('/api/services/shop/ill');
    assert.deepEqual([backends[0]!.reason, backends[0]!.check], ['GET / answered 404', 'L7STS 404']);
    const listed = await ask<{ proxies: { name: string; reason?: string }[] }>('/api/proxy/tcp');
    assert.equal(listed.proxies.find(({ name }) => name === backends[0]!.proxy)?.reason, backends[0]!.reason);
  });

  it('says why a service is left out', async () => {
    const { unserved } = await ask<ServiceReport>('/api/services/shop/late');
    assert.equal(unserved?.reason, 'HostConflict');
    assert.match(unserved.message, /already exposed by DistributedService shop\/web/);
    assert.equal((await gateway.status('/api/services/shop/none', credentials)).status, 404);
  });

  it('tells the last refusal of a Pod with its reason and time', async () => {
    const begun = Date.now();
    gateway.putPod(pod('plain', 8));
    await gateway.sidecar(pod('plain', 8), 'plain', 1);
    const { refusals } = await eventually('the refusal is told', async () => {
      const report = await ask<ServiceReport>('/api/services/shop/plain');
      return report.refusals.length > 0 && report;
    });
    assert.deepEqual(
      refusals.map((each) => [each.pod, each.reason]),
      [['plain-8', 'NotThroughGateway']],
    );
    assert.match(refusals[0]!.message, /^refused by the gateway, NotThroughGateway: DistributedService shop\/plain does not go through/);
    assert.ok(Date.parse(refusals[0]!.at) >= begun);
  });

  it('follows a request to where HAProxy ends it', async () => {
    const wanted: Wanted[] = [
      { host: 'web.example.com' },
      { host: 'WEB.example.com.', path: '/a/../b' },
      { host: 'web.example.com', path: '/api/v1' },
      { host: 'web.example.com', path: '/beta', headers: { 'x-beta': 'yes' } },
      { host: 'web.example.com', path: '/%2f' },
      { host: 'web.example.com', path: '/a;x=1/b' },
      { host: 'web.example.com', path: '/x;y=1/../api' },
      { host: 'web.example.com', path: '/api;v=1' },
      { host: 'web.example.com', path: '/api%3Fv=1' },
      { host: 'web.example.com', path: '/a%23b' },
      { host: 'nobody.example.com' },
      { host: 'locked.example.com', path: '/public' },
      { host: 'locked.example.com', path: '/private' },
      { host: 'a.empty.example.com' },
      { host: 'ill.example.com' },
    ];
    const told = [];
    const seen = [];
    for (const each of wanted) {
      const { ends } = await trace(each);
      told.push([each.host, each.path, ends[0]!.end.status ?? 200]);
      const { status } = await gateway.request(each.host, each.path ?? '/', each.headers ?? {});
      seen.push([each.host, each.path, status]);
    }
    assert.deepEqual(told, seen);
    const { ends } = await trace(wanted[3]!);
    assert.deepEqual(ends[0]!.end, { service: 'shop/beta', text: 'a backend of shop/beta, by round-robin' });
    assert.deepEqual(
      ends[0]!.steps.map(({ at, passes }) => [at, passes]),
      [
        ['route', true],
        ['limit', true],
        ['access', true],
        ['access', true],
        ['pool', true],
      ],
    );
  });

  it('tells of the installation who is behind it, and which certificates it shows', async () => {
    const { clusters, certificates, joined, refusals } = await ask<InstallationReport>('/api/installation');
    assert.deepEqual(clusters, [{ up: 3, registered: 4 }]);
    assert.deepEqual(certificates.map(({ name }) => name).sort(), ['authority of tunnels', 'tunnels']);
    assert.deepEqual(joined, []);
    assert.deepEqual(
      refusals.map(({ service: of, pod: turnedAway }) => [of, turnedAway]),
      [['shop/plain', 'plain-8']],
    );
  });

  it('says which rule refuses a request, and tells nothing secret', async () => {
    const admin = { host: 'locked.example.com', path: '/private/admin/x' };
    assert.deepEqual((await trace(admin, '&authenticated')).ends[0]!.end.status, 503);
    const digest = '2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b'; // of "secret"
    const metadata = {
      name: 'frp-gw-0123456789ab',
      namespace: 'frp-gateway',
      labels: { 'frp.io/gateway-copy': 'true' },
      annotations: { 'frp.io/copy-of': 'shop/keys', 'frp.io/copy-kind': 'credentials' },
    };
    const data = { 'clients.json': base64(JSON.stringify({ [digest]: 'alice' })) };
    gateway.api.put('/api/v1/namespaces/frp-gateway/secrets/frp-gw-0123456789ab', { metadata, data } as KubeObject);
    const authorization = { authorization: 'Bearer secret' };
    await eventually('the key is known', async () => (await gateway.request(admin.host, admin.path)).status === 401);
    const cases: [path: string, roles: string[]][] = [
      ['/private/admin/x', ['alice']],
      ['/private/read', ['alice']],
    ];
    for (const [path, roles] of cases) {
      const { end } = (await trace({ host: admin.host, path }, roles.map((role) => `&role=${role}`).join(''))).ends[0]!;
      assert.equal(end.status, (await gateway.request(admin.host, path, authorization)).status, path);
    }
    assert.equal((await trace(admin)).ends[0]!.end.status, 401);
    const refused = (await trace(admin, '&role=alice')).ends[0]!;
    assert.deepEqual(refused.end, {
      status: 403,
      service: 'shop/locked',
      text: 'rule "/private/admin/* for ops": this needs one of the roles: ops',
    });
    const report = (await gateway.status('/api/services/shop/locked', credentials)).body;
    assert.deepEqual((JSON.parse(report) as ServiceReport).access, { kind: 'bearer', clients: 1 });
    assert.ok(!report.includes(digest) && !report.includes('alice'));
  });
});
