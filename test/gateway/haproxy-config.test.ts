/** HAProxy takes what is rendered, whatever services say: nothing of users means anything to its configuration. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { renderUsers } from '../../src/gateway/haproxy/index.ts';
import type { ServedService } from '../../src/gateway/ir/ir.ts';
import type { DistributedServiceSpec } from '../../src/model/types.ts';
import { exposuresOf } from '../../src/model/exposure.ts';
import { validService } from '../unit/model/arbitrary.ts';
import { complaint, directory, member } from './haproxy-harness.ts';

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

/** A service whose texts the schema would not let through. */
const hostileService: fc.Arbitrary<ServedService> = fc
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
    const spec: DistributedServiceSpec = {
      ...base.spec,
      expose: { ...base.spec.expose, domain: base.spec.expose?.domain === undefined ? 'a.example.com' : a, path: c },
      loadBalancing: {
        ...base.spec.loadBalancing,
        sessionAffinity: { enabled: true, cookieName: a },
        healthCheck: { ...base.spec.loadBalancing?.healthCheck, path: d },
      },
      security: {
        ...base.spec.security,
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
    return {
      service: { ...base, metadata: { name: `n${a}`, namespace: `s${b}` }, spec },
      exposures: exposuresOf(spec, 'base.example.com'),
      access,
      certificate: a,
      backends: [member(`${a}/${b}`, key, 1234), { name: a, port: 1, weight: 3, isDraining: true, address: b }],
    };
  });

const settings = (at: string) => ({
  directory: at,
  httpPort: 18080,
  httpsPort: 18443,
  trustedProxies: ['10.0.0.0/8', 'fd00::/8'],
  proxyProtocol: true,
  peers: [
    { name: 'gw-0', address: '127.0.0.1:10000' },
    { name: 'gw-1', address: '[fd00::1]:10000' },
  ],
  localPeer: 'gw-0',
});

test('HAProxy takes the configuration of arbitrary services', async (t) => {
  const at = directory(t);
  await fc.assert(
    fc.asyncProperty(fc.array(hostileService, { maxLength: 6 }), async (services) => {
      const rendered = renderUsers({ services }, settings(at));
      assert.equal(await complaint(rendered, at), undefined);
      const sections = rendered.config.match(/^[a-z].*/gm)!;
      for (const section of sections)
        assert.match(section, /^(global|defaults|peers replicas|(frontend|backend) (frp|svc|be|rate)-[a-z0-9-]+)$/);
      for (const line of rendered.config.match(/^ +server .*/gm) ?? [])
        assert.match(line, /^ {2}server [A-Za-z0-9_-]{1,64} (127\.0\.0\.1:\d+|\[fd00::1\]:\d+|(unix@)?\/\S+) /);
      assert.deepEqual(renderUsers({ services }, settings(at)), rendered, 'the same each time');
    }),
    { numRuns: 100 },
  );
});
