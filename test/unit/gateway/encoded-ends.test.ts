/** `%3F` and `%23` in a path: to a server that decodes before it looks for the end of the path, it ends there. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { verdictOf } from '../../../src/gateway/api/access-report.ts';
import { requestPath } from '../../../src/gateway/api/request-path.ts';
import { renderUsers, serverName } from '../../../src/gateway/haproxy/index.ts';
import { exposuresOf } from '../../../src/model/exposure.ts';
import type { DistributedServiceSpec } from '../../../src/model/types.ts';
import { readings } from '../../support/path-readings.ts';

const rules = ['/admin/*', '/api/users:purge', '/t/*.secret'].map((path) => ({ path, roles: ['root'] }));
const isForbidden = (path: string): boolean => /^\/(admin(\/|$)|api\/users:purge$|t\/.*\.secret$)/s.test(path);

/** @param path as a user sends it */
function mayAsk(path: string): boolean {
  const read = requestPath(path);
  return 'path' in read && verdictOf(rules, { method: 'GET', path: read.path, roles: [] }).allowed;
}

/** What the backend gets of it: HAProxy passes on the path that it has resolved. */
function forwarded(path: string): string {
  const read = requestPath(path);
  return 'path' in read ? read.path.replaceAll('?', '%3F').replaceAll('#', '%23') : '';
}

test('a rule binds a path that is below it up to an encoded ? or #, whatever follows', () => {
  for (const path of ['/admin%3Fx', '/admin%23', '/admin%3f/x', '/admin;a%3Fx', '/admin%3Fx;y', '/%61dmin%23'])
    assert.equal(mayAsk(path), false, path);
  for (const path of ['/a%3Fx', '/x%3F/admin', '/administrator%23', '/?/admin']) assert.equal(mayAsk(path), true, path);
});

test('no reading of a path that passes is one that a rule forbids', () => {
  const part = fc.constantFrom(
    ...['/', '/', 'admin', 'a', '.', '..', ';', ';x=1', '%3B', '%3f', '%3F', '%23', '%61dmin', 'api', 'users:purge', 't', '.secret', '?'],
    ...['/api/users:purge', '/t/', '/admin'],
  );
  const paths = fc.array(part, { maxLength: 8 }).map((parts) => `/${parts.join('')}`);
  const attacks = [
    '/api;%3F/users:purge',
    '/t;x/a%23.secret',
    '/api/users:purge/.%23',
    '/api/users:purge/x/..%3Fy',
    '/admin%3Fx',
    '/admin;%3F/x',
  ];
  const holds = (path: string): boolean => !mayAsk(path) || !readings(forwarded(path)).some(isForbidden);
  for (const path of attacks) assert.ok(holds(path), path);
  fc.assert(fc.property(paths, holds), { numRuns: 5000 });
  assert.equal(mayAsk('/wiki/Steins;Gate'), true);
  assert.equal(mayAsk('/wiki/Who%3F'), true);
});

test('HAProxy compares a path with rules, and looks for its routes, with and without what follows such an end', () => {
  const spec: DistributedServiceSpec = {
    serviceType: 'http',
    backends: { discovery: { mode: 'auto' } },
    expose: { type: 'domain', domain: 'web.example.com' },
    security: { authorization: { enabled: true, rules } },
  };
  const service = { apiVersion: 'frp.io/v1beta1', kind: 'DistributedService', metadata: { name: 'web', namespace: 'shop' }, spec } as const;
  const { config } = renderUsers(
    {
      services: [
        {
          service,
          exposures: exposuresOf(spec, undefined),
          access: { kind: 'keys', header: 'apikey', clients: {} },
          certificate: undefined,
          backends: [{ name: serverName('shop/web', '1'), port: 29_000, weight: 1, isDraining: false, address: 'a' }],
        },
      ],
    },
    { directory: '/run/users', httpPort: 80, httpsPort: 443, trustedProxies: [], proxyProtocol: false, peers: [], localPeer: 'gw-0' },
  );
  const lines = config.split('\n').map((line) => line.trim());
  // In quotes: a bare # begins a comment.
  const plain = '"path,url_dec,field(1,?#),regsub(;[^/]*,,g)"';
  assert.ok(lines.includes(`http-request set-var(txn.rule_plain) ${plain}`));
  assert.ok(
    lines.some(
      (line) => line.startsWith('http-request return status 400') && line.endsWith('if { path -m sub ; %3B } { path -m sub %3F %23 }'),
    ),
  );
  assert.ok(lines.includes(`http-request set-var(txn.plain) ${plain} if { path -m sub ; %3B %3F %23 }`));
});
