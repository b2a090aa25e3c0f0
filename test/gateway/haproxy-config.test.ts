/** HAProxy takes what is rendered, whatever services say: nothing of users means anything to its configuration. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { renderUsers, type UsersSettings } from '../../src/gateway/haproxy/index.ts';
import type { ServedService } from '../../src/gateway/ir/ir.ts';
import { exposuresOfPool, servicePoolsOf } from '../../src/gateway/ir/pools.ts';
import type { DistributedServiceSpec } from '../../src/model/types.ts';
import { validService } from '../unit/model/arbitrary.ts';
import { both, certificate } from './certificates.ts';
import { complaint, directory, member, replicaTls, service } from './haproxy-harness.ts';

const hostile = fc.oneof(
  fc.constantFrom(
    'a\nbackend evil',
    "a'\n  server x 1.2.3.4:80",
    '"; http-request allow',
    '%[src]',
    '${HOME}',
    '$HOME',
    '# comment',
    'a\\',
    'a\\x27',
    '{ always_true }',
    'a b',
    '-',
    "'",
    '"',
    'é\u2028\0',
    '/../../etc/passwd',
    '*',
    '',
  ),
  fc.string({ maxLength: 12 }),
);
const path = fc.oneof(
  hostile,
  hostile.map((text) => `/${text}`),
  fc.constantFrom('/', '/a/*', '/a/b'),
);

/** The pools of a service whose texts the schema would not let through. */
const hostileService: fc.Arbitrary<ServedService[]> = fc
  .record({
    base: validService,
    a: hostile,
    b: hostile,
    c: path,
    d: path,
    kind: fc.constantFrom('none', 'keys', 'jwt', 'unavailable'),
    key: hostile,
  })
  .map(({ base, a, b, c, d, kind, key }) => {
    const { readWrite, ...backends } = base.spec.backends ?? {};
    const spec: DistributedServiceSpec = {
      ...base.spec,
      backends: { ...backends, ...(readWrite && { readWrite: { ...readWrite, roleCheck: { primaryPath: c, replicaPath: d } } }) },
      expose: {
        ...base.spec.expose,
        domain: base.spec.expose?.domain === undefined ? 'a.example.com' : a,
        path: c,
        hostHeader: b,
        headers: { request: { set: { [a]: b, 'X-A': a }, remove: [b, 'X-B'] }, response: { set: { [b]: a, 'X-A': b }, remove: [a] } },
      },
      loadBalancing: {
        ...base.spec.loadBalancing,
        sessionAffinity: { enabled: true, cookieName: a },
        healthCheck: { ...base.spec.loadBalancing?.healthCheck, path: d },
      },
      security: {
        ...base.spec.security,
        cors: {
          allowOrigins: [a, b, `https://*.${b}`, 'https://*.a.example.com'],
          allowMethods: [a as 'GET', 'PUT'],
          allowHeaders: [a, 'X-Y'],
          exposeHeaders: [b],
          maxAge: a,
        },
        authorization: {
          enabled: true,
          rules: [
            { path: c, roles: [a, b] },
            { path: d, methods: ['GET'] },
          ],
        },
      },
      routes: [
        {
          path: c,
          headers: { [a]: b, 'X-Y': a },
          groups: [
            { name: 'a', weight: 3 },
            { name: b, weight: 2 },
          ],
        },
      ],
    };
    const access = {
      none: { kind: 'none' },
      unavailable: { kind: 'unavailable', reason: a },
      keys: { kind: 'keys', header: 'apikey', clients: { [a]: b, ['0'.repeat(64)]: a } },
      jwt: {
        kind: 'jwt',
        issuer: a,
        audience: b,
        rolesClaim: key.length > 6 ? 'realm.roles' : key,
        keys: [{ kid: a, alg: 'RS256', publicKeyPem: b }],
      },
    }[kind] as ServedService['access'];
    return servicePoolsOf({ ...base, metadata: { name: `n${a}`, namespace: `s${b}` }, spec }).map((pool) => ({
      service: pool.service,
      role: pool.role,
      exposures: exposuresOfPool(pool, 'base.example.com'),
      access,
      certificate: a,
      backends: [member(`${a}/${b}`, key, 1234, { rolePort: 1235 }), { name: a, port: 1, weight: 3, isDraining: true, address: b }],
    }));
  });

/** @param knowsReplicas whether this replica has what others know it by: without it there is no hand-over */
const settings = async (at: string, knowsReplicas: boolean): Promise<UsersSettings> => ({
  directory: at,
  httpPort: 18080,
  httpsPort: 18443,
  trustedProxies: ['10.0.0.0/8', 'fd00::/8'],
  proxyProtocol: true,
  healthPort: 10_002,
  maxConnections: 1000,
  peers: [
    { name: 'gw-0', address: '127.0.0.1:10000' },
    { name: 'gw-1', address: '[fd00::1]:10000' },
  ],
  localPeer: 'gw-0',
  replicaTls: knowsReplicas ? await replicaTls() : undefined,
  requestLog: '127.0.0.1:7514',
  requestLines: { all: knowsReplicas, query: true, sampled: 0.5 },
});

test('HAProxy takes the configuration of arbitrary services', async (t) => {
  const at = directory(t);
  const pem = both(certificate(t, 'a.example.com'));
  // No two services have one name: nothing that keeps them lets that be.
  const nameOf = ([pools]: readonly [ServedService[], boolean]) =>
    `${pools[0]!.service.metadata.namespace}/${pools[0]!.service.metadata.name}`;
  const some = fc.uniqueArray(fc.tuple(hostileService, fc.boolean()), { maxLength: 6, selector: nameOf });
  await fc.assert(
    fc.asyncProperty(some, fc.boolean(), async (given, knowsReplicas) => {
      const services = given.flatMap(([pools, hasCertificate]) =>
        pools.map((one) => (hasCertificate ? { ...one, certificate: pem } : one)),
      );
      const current = await settings(at, knowsReplicas);
      const rendered = renderUsers({ services }, current);
      assert.equal(await complaint(rendered, at), undefined);
      const sections = rendered.config.match(/^[a-z].*/gm)!;
      for (const section of sections)
        assert.match(section, /^(global|defaults|peers replicas|(frontend|backend|listen) (frp|svc|be|rate)-[a-z0-9-]+)$/);
      // Of this replica itself the peers say the name alone.
      for (const line of rendered.config.match(/^ +server (?!gw-0$).*/gm) ?? [])
        assert.match(line, /^ {2}server [A-Za-z0-9_-]{1,64} (127\.0\.0\.1:\d+|\[fd00::1\]:\d+|(unix@)?\/\S+)( |$)/);
      assert.deepEqual(renderUsers({ services }, current), rendered, 'the same each time');
    }),
    { numRuns: 100 },
  );
});

test('HAProxy takes what one line of it, one timer or one number would not hold', async (t) => {
  const at = directory(t);
  const groups = Array.from({ length: 16 }, (_, index) => ({ name: `g${index}`, weight: 1000 }));
  const headers = Object.fromEntries(Array.from({ length: 16 }, (_, index) => [`X-Header-${index}`, 'é'.repeat(1024)]));
  const roles = Array.from({ length: 64 }, (_, index) => `${index}${'é'.repeat(250)}`);
  const longest = '9999999m';
  const http = (name: string, spec: Partial<DistributedServiceSpec>, more: Partial<ServedService> = {}) =>
    service(name, { expose: { type: 'domain', domain: `${name}.example.com` }, ...spec }, [], more);
  const services = [
    http('a', { routes: [{ path: '/x', headers, groups }] }),
    ...groups.map(({ name }) => http(name, {})),
    http('b', {
      advanced: { timeout: { keepAlive: longest }, connectionPool: { idleTimeout: longest }, retry: { maxAttempts: 100 } },
      loadBalancing: { healthCheck: { type: 'http', interval: longest, timeout: longest, successThreshold: 1000, failureThreshold: 1000 } },
    }),
    http(
      'c',
      { security: { authorization: { enabled: true, rules: [{ path: '/x', roles }] } } },
      {
        access: { kind: 'keys', header: 'bearer', clients: { ['0'.repeat(64)]: 'n'.repeat(3000) } },
      },
    ),
    // The first two have one number, the last two one name.
    http('d', {}, { backends: ['s-0000000000009dee', 's-000000000000b1c1', 's-1', 's-1'].map((name) => ({ ...member('', '', 1), name })) }),
    service(
      'e',
      { serviceType: 'tcp', expose: { type: 'port', port: 5432 }, loadBalancing: { sessionAffinity: { enabled: true, timeout: '9999h' } } },
      [],
    ),
  ];
  for (const knowsReplicas of [true, false]) {
    const rendered = renderUsers({ services }, await settings(at, knowsReplicas));
    assert.deepEqual([...rendered.failed], []);
    assert.equal(await complaint(rendered, at), undefined);
  }
});
