/** Pages of other origins, at a real HAProxy: preflights are answered without a backend, and answers say who may read them. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test, type TestContext } from 'node:test';
import type { Access } from '../../src/gateway/ir/ir.ts';
import type { DistributedServiceSpec } from '../../src/model/types.ts';
import { app, gateway, member, service, view } from './haproxy-harness.ts';

const host = 'api.example.com';
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const keys: Access = { kind: 'keys', header: 'apikey', clients: { [sha256('k')]: 'user' } };
const none: Access = { kind: 'none' };

async function shared(t: TestContext, security: DistributedServiceSpec['security'], access: Access = keys) {
  const backend = await app(t, 'app', (_, res) => {
    res.setHeader('access-control-allow-origin', 'https://evil.example.com');
    res.setHeader('Access-Control-Allow-Credentials', 'true');
    res.setHeader('vary', 'Accept');
    res.end('app');
  });
  const gw = await gateway(
    t,
    view(service('api', { expose: { type: 'domain', domain: host }, security }, [member('shop/api', '1', backend.port)], { access })),
  );
  const ask = (origin: string, method = 'GET', headers: Record<string, string> = {}, path = '/') =>
    gw.http(host, path, { method, headers: { origin, ...headers } });
  const preflight = (origin: string, asked = 'PUT', headers: Record<string, string> = {}) =>
    ask(origin, 'OPTIONS', { 'access-control-request-method': asked, ...headers });
  return { gw, backend, ask, preflight };
}

const cors = {
  allowOrigins: ['https://app.example.com', 'https://*.apps.example.com', 'http://localhost:3000'],
  allowMethods: ['GET' as const, 'PUT' as const],
  allowHeaders: ['X-API-Key', 'Content-Type'],
  exposeHeaders: ['X-Total'],
  allowCredentials: true,
  maxAge: '2h',
};

test('a preflight is answered before credentials are asked for, and no backend hears of it', async (t) => {
  const { gw, backend, preflight } = await shared(t, { cors });
  const answer = await preflight('https://app.example.com', 'PUT', { 'access-control-request-headers': 'x-api-key' });
  assert.equal(answer.status, 204, gw.output());
  assert.deepEqual(
    ['origin', 'methods', 'headers', 'credentials'].map((name) => answer.headers.get(`access-control-allow-${name}`)),
    ['https://app.example.com', 'GET,PUT', 'X-API-Key,Content-Type', 'true'],
  );
  assert.equal(answer.headers.get('access-control-max-age'), '7200');
  assert.match(answer.headers.get('vary')!, /Origin/);
  assert.equal(backend.requests.length, 0);
});

test('only the origins that are listed are allowed, as a whole', async (t) => {
  const { backend, preflight, ask } = await shared(t, { cors }, none);
  for (const origin of ['https://app.example.com', 'https://a.apps.example.com', 'https://a.b.apps.example.com', 'http://localhost:3000']) {
    assert.equal((await preflight(origin)).headers.get('access-control-allow-origin'), origin);
    const answer = await ask(origin);
    assert.equal(answer.headers.get('access-control-allow-origin'), origin);
    assert.equal(answer.headers.get('access-control-expose-headers'), 'X-Total');
    assert.equal(answer.headers.get('vary'), 'Accept, Origin');
  }
  const asked = backend.requests.length;
  const others = [
    'https://evil.example.com',
    'http://app.example.com',
    'https://app.example.com:8443',
    'https://app.example.com.evil.com',
    'https://xapp.example.com',
    'https://apps.example.com',
    'https://evil.com/.apps.example.com',
    'https://evil.com#.apps.example.com',
    'https://evil.com?x.apps.example.com',
    'https://evil.com\\.apps.example.com',
    'https://user@evil.apps.example.com',
    'https://x https://a.apps.example.com',
    'https://.apps.example.com.',
    `https://${'a'.repeat(400)}.apps.example.com`,
    'null',
    '',
  ];
  for (const origin of others) {
    const answer = await preflight(origin);
    assert.equal(answer.status, 403, origin);
    assert.equal(answer.headers.get('access-control-allow-origin'), null, origin);
    assert.equal((await ask(origin)).headers.get('access-control-allow-origin'), null, origin);
    assert.equal((await ask(origin)).headers.get('access-control-allow-credentials'), null, 'what the backend says of it does not count');
  }
  assert.equal(backend.requests.length, asked + 2 * others.length);
});

test('a page can read why it was refused: credentials, rules and limits', async (t) => {
  const { preflight, ask } = await shared(t, {
    cors,
    rateLimit: { requestsPerSecond: 1 },
    authorization: { enabled: true, rules: [{ path: '/admin', roles: ['root'] }] },
  });
  const origin = 'https://app.example.com';
  const allowed = (answer: { headers: Headers }) => answer.headers.get('access-control-allow-origin');
  const refused = await ask(origin);
  assert.deepEqual([refused.status, allowed(refused)], [401, origin]);
  const forbidden = await ask(origin, 'GET', { 'x-api-key': 'k' }, '/admin');
  assert.deepEqual([forbidden.status, allowed(forbidden)], [403, origin]);
  let last = await preflight(origin);
  for (let i = 0; i < 12; i++) last = await preflight(origin);
  assert.deepEqual([last.status, allowed(last)], [429, origin], 'preflights count too');
});

test('a policy for every origin and any header names no origin, and allows no credentials', async (t) => {
  const { preflight, ask } = await shared(t, { cors: { allowOrigins: ['*'], allowHeaders: ['*'], allowCredentials: true } }, none);
  const answer = await preflight('https://x.example.com', 'POST', { 'access-control-request-headers': 'authorization,x-a' });
  assert.equal(answer.status, 204);
  assert.equal(answer.headers.get('access-control-allow-origin'), '*');
  assert.equal(answer.headers.get('access-control-allow-headers'), 'authorization,x-a');
  assert.equal(answer.headers.get('access-control-allow-methods'), 'GET,HEAD,POST');
  assert.equal(answer.headers.get('access-control-allow-credentials'), null);
  assert.equal((await ask('null')).headers.get('access-control-allow-origin'), '*');
});

test('other OPTIONS requests, and services without cors, are left to the backends and their rules', async (t) => {
  const { gw, backend } = await shared(t, {
    cors,
    authorization: { enabled: true, rules: [{ path: '/*', methods: ['OPTIONS', 'HEAD'] }] },
  });
  const headers = { 'x-api-key': 'k' };
  assert.equal((await gw.http(host, '/', { method: 'OPTIONS', headers })).status, 200);
  assert.equal((await gw.http(host, '/', { method: 'HEAD', headers })).status, 200);
  assert.equal((await gw.http(host, '/', { method: 'GET', headers })).status, 403);
  assert.equal((await gw.http(host, '/', { method: 'OPTIONS' })).status, 401);
  assert.equal(backend.requests.length, 2);
  const plain = await shared(t, {}, none);
  const answer = await plain.preflight('https://evil.example.com');
  assert.equal(answer.headers.get('access-control-allow-origin'), 'https://evil.example.com');
  assert.equal(plain.backend.requests.at(-1)!.method, 'OPTIONS');
});

test('where a route leads to another service, the policy is that of the service that was asked for', async (t) => {
  const [main, other] = [await app(t, 'main'), await app(t, 'other')];
  const gw = await gateway(
    t,
    view(
      service(
        'main',
        { expose: { type: 'domain', domain: host }, routes: [{ path: '/o', groups: [{ name: 'other' }] }], security: { cors } },
        [member('shop/main', '1', main.port)],
      ),
      service('other', { expose: { type: 'domain' }, security: { cors: { allowOrigins: ['https://other.example.com'] } } }, [
        member('shop/other', '1', other.port),
      ]),
    ),
  );
  for (const path of ['/', '/o'])
    for (const [origin, expected] of [
      ['https://app.example.com', 'https://app.example.com'],
      ['https://other.example.com', null],
    ] as const)
      assert.equal((await gw.http(host, path, { headers: { origin } })).headers.get('access-control-allow-origin'), expected, path);
});
