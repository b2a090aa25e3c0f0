/** Who may use a service, at a real HAProxy: keys, tokens, rules by path, limits. */
import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { connect } from 'node:net';
import { test, type TestContext } from 'node:test';
import type { Access } from '../../src/gateway/ir/ir.ts';
import type { DistributedServiceSpec } from '../../src/model/types.ts';
import { app, gateway, member, service, view, type Gateway } from './haproxy-harness.ts';

const host = 'web.example.com';
const expose = { type: 'domain' as const, domain: host };
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

async function protectedApp(t: TestContext, access: Access, security: DistributedServiceSpec['security'] = {}) {
  const backend = await app(t, 'app', (req, res) => res.end(`${String(req.headers['x-frp-client'] ?? '')} ${req.url}`));
  const of = (now: Access) => view(service('web', { expose, security }, [member('shop/web', '1', backend.port)], { access: now }));
  const gw = await gateway(t, of(access));
  return { gw, backend, of };
}

test('an API key passes by header or as bearer, changes without a reload, and cannot be guessed', async (t) => {
  const keys = (clients: Record<string, string>): Access => ({
    kind: 'keys',
    header: 'apikey',
    clients: Object.fromEntries(Object.entries(clients).map(([key, name]) => [sha256(key), name])),
  });
  const { gw, backend, of } = await protectedApp(t, keys({ s3cret: 'alice' }));
  const none = await gw.http(host);
  assert.equal(none.status, 401);
  assert.match(none.headers.get('www-authenticate')!, /^Bearer/);
  assert.match(none.body, /API key/);
  assert.equal((await gw.http(host, '/', { headers: { 'x-api-key': 'wrong' } })).status, 401);
  assert.equal((await gw.http(host, '/', { headers: { 'x-api-key': '' } })).status, 401);
  assert.equal(backend.requests.length, 0);
  assert.equal((await gw.http(host, '/a', { headers: { 'x-api-key': 's3cret', 'x-frp-client': 'root' } })).body, 'alice /a');
  assert.equal((await gw.http(host, '/b', { headers: { authorization: 'Bearer s3cret' } })).body, 'alice /b');
  const two = 'Bearer s3cret, Bearer other';
  assert.equal((await gw.http(host, '/b', { headers: { authorization: two } })).status, 400);
  // It is the app's own where the key is elsewhere.
  assert.equal((await gw.http(host, '/b', { headers: { authorization: two, 'x-api-key': 's3cret' } })).body, 'alice /b');

  await gw.apply(of(keys({ n3w: 'bob' })));
  assert.equal((await gw.http(host, '/', { headers: { 'x-api-key': 's3cret' } })).status, 401);
  assert.equal((await gw.http(host, '/c', { headers: { 'x-api-key': 'n3w' } })).body, 'bob /c');
  assert.equal(gw.proxy.reloads, 0);
});

test('a token of type bearer is not taken from X-API-Key', async (t) => {
  const { gw } = await protectedApp(t, { kind: 'keys', header: 'bearer', clients: { [sha256('k')]: 'token' } });
  assert.equal((await gw.http(host, '/', { headers: { 'x-api-key': 'k' } })).status, 401);
  assert.equal((await gw.http(host, '/', { headers: { authorization: 'Bearer k' } })).status, 200);
});

test('a user passes with the password alone, and a browser is told to ask for it', async (t) => {
  const users = (all: Record<string, string>): Access => ({
    kind: 'keys',
    header: 'basic',
    clients: Object.fromEntries(Object.entries(all).map(([user, password]) => [sha256(`${user}:${password}`), user])),
  });
  const { gw, backend, of } = await protectedApp(t, users({ alice: 'wörd: of "pass" %[src]', bob: 'b' }));
  const as = async (credential: string, scheme = 'Basic') =>
    (await gw.http(host, '/a', { headers: { authorization: `${scheme} ${Buffer.from(credential).toString('base64')}` } })).body.split(
      '\n',
    )[0];
  const none = await gw.http(host);
  assert.deepEqual([none.status, none.headers.get('www-authenticate')], [401, 'Basic realm="frp-k8s", charset="UTF-8"']);
  const wrong = [
    'alice:b',
    'bob:',
    'bob',
    ':b',
    'b',
    '',
    'alice:wörd: of "pass" %[src',
    'bob:b ',
    'Bob:b',
    ':bob:b',
    sha256('bob:b'),
    `bob:b\n`,
    'bob\0:b',
    'bob:\0b',
  ];
  for (const credential of wrong) assert.match((await as(credential))!, /not known|needs a user/, credential);
  for (const header of ['Basic', 'Basic !!!', 'Bearer b', 'Bearer bob:b', `Digest ${Buffer.from('bob:b').toString('base64')}`])
    assert.equal((await gw.http(host, '/', { headers: { authorization: header } })).status, 401, header);
  assert.equal((await gw.http(host, '/', { headers: { 'x-api-key': 'bob:b' } })).status, 401);
  assert.equal(backend.requests.length, 0);
  assert.deepEqual([await as('alice:wörd: of "pass" %[src]'), await as('bob:b')], ['alice /a', 'bob /a']);
  assert.equal(await as('bob:b\0:alice:x'), 'bob /a', 'what follows a NUL is not read, by nobody');
  await gw.apply(of(users({ bob: 'n3w' })));
  assert.deepEqual([await as('bob:n3w'), (await as('bob:b'))!.includes('not known'), gw.proxy.reloads], ['bob /a', true, 0]);
});

test('no spelling of a path or of a header gets around a password, and the app can be spared it', async (t) => {
  const users: Access = { kind: 'keys', header: 'basic', clients: { [sha256('bob:b')]: 'bob' } };
  const seen: (string | undefined)[] = [];
  const backend = await app(t, 'inner', ({ headers }, response) => {
    seen.push(headers.authorization);
    response.end(`inner ${String(headers['x-frp-client'])}`);
  });
  const open = await app(t, 'open');
  const inner = { type: 'path' as const, domain: host, path: '/in.ner', headers: { request: { remove: ['authorization'] } } };
  const gw = await gateway(
    t,
    view(
      service('open', { expose }, [member('shop/open', '1', open.port)]),
      service('inner', { expose: inner }, [member('shop/inner', '1', backend.port)], { access: users }),
    ),
  );
  const { httpPort } = gw.settings;
  const basic = (credential: string) => `Basic ${Buffer.from(credential).toString('base64')}`;
  const right = `Authorization: ${basic('bob:b')}`;
  const paths = [
    '/in.ner',
    '/in%2Ener/',
    '//in.ner',
    '/./in.ner/x',
    '/x/../in.ner',
    '/%69n%2ener',
    'http://web.example.com/in.ner',
    '/in.ner;a',
  ];
  for (const path of paths) {
    assert.match(await raw(httpPort, path, []), /^HTTP\/1.1 40[01] /, path);
    assert.match(await raw(httpPort, path, [`Proxy-Authorization: ${basic('bob:b')}`]), /^HTTP\/1.1 40[01] /, path);
  }
  const spellings = [
    [`Authorization: Basic\r\n ${basic('bob:x').slice(6)}`],
    [`Authorization : ${basic('bob:b')}`],
    [`X_Authorization: ${basic('bob:b')}`, `Authorization_: ${basic('bob:b')}`],
    [right, `authorization: ${basic('alice:a')}`],
    [`authorization: ${basic('alice:a')}`, right],
    [`Authorization: ${basic('alice:a')}, ${basic('bob:b')}`],
    [`Authorization: ${basic('bob:b')}, ${basic('alice:a')}`],
    [`X-Frp-Client: bob`, `X_Frp_Client: bob`],
  ];
  for (const headers of spellings) assert.match(await raw(httpPort, '/in.ner', headers), /^HTTP\/1.1 40[01] /, headers.join());
  assert.equal(backend.requests.length, 0);
  assert.match(await raw(httpPort, '/in.ner', [right]), /inner bob$/);
  assert.match(await raw(httpPort, '/in.ner', [right.replace('Authorization', 'AUTHORIZATION').replace('Basic', 'bASIC')]), /inner bob$/);
  assert.deepEqual(seen, [undefined, undefined]);
});

/** What is answered to a request with these lines. */
async function raw(port: number, target: string, headers: readonly string[]): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.end([`GET ${target} HTTP/1.1`, `Host: ${host}`, ...headers, 'Connection: close', '', ''].join('\r\n'));
  let text = '';
  for await (const chunk of socket) text += String(chunk);
  return text;
}

test('where the credentials are not known nobody may pass', async (t) => {
  const { gw, backend } = await protectedApp(t, { kind: 'unavailable', reason: 'no Secret' });
  assert.equal((await gw.http(host)).status, 503);
  assert.equal(backend.requests.length, 0);
});

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const pem = (key: KeyObject) => key.export({ type: 'spki', format: 'pem' }).toString();
const issuer = 'https://id.example.com/"%[src]';
const jwtAccess: Access = {
  kind: 'jwt',
  issuer,
  audience: 'my app',
  rolesClaim: 'realm.roles',
  keys: [
    { kid: 'k"1', alg: 'RS256', publicKeyPem: pem(rsa.publicKey) },
    { kid: undefined, alg: 'ES256', publicKeyPem: pem(ec.publicKey) },
  ],
};

const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
const now = () => Math.floor(Date.now() / 1000);
interface TokenParts {
  header?: object;
  claims?: object;
  signWith?: (data: string) => string;
}
const byRsa = (data: string) => sign('sha256', Buffer.from(data), rsa.privateKey).toString('base64url');
const byEc = (data: string) => sign('sha256', Buffer.from(data), { key: ec.privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url');

function token({ header = {}, claims = {}, signWith = byRsa }: TokenParts = {}): string {
  const full = { sub: 'carol', iss: issuer, aud: ['other', 'my app'], exp: now() + 60, realm: { roles: ['user', 'admin'] }, ...claims };
  const data = `${part({ alg: 'RS256', kid: 'k"1', ...header })}.${part(full)}`;
  return `${data}.${signWith(data)}`;
}

const bearer = (gw: Gateway, jwt: string, path = '/', method = 'GET') =>
  gw.http(host, path, { method, headers: { authorization: `Bearer ${jwt}` } });

test('a JSON web token passes with a valid signature, expiry, issuer and audience, and not otherwise', async (t) => {
  const { gw, backend } = await protectedApp(t, jwtAccess);
  const ok = await bearer(gw, token(), '/a');
  assert.equal(ok.body, 'carol /a', gw.output());
  assert.equal((await bearer(gw, token({ claims: { aud: 'my app' } }))).status, 200);
  assert.equal((await bearer(gw, token({ claims: { sub: 'x\r\nX-Evil: 1' } }))).body, 'x__X-Evil:_1 /');
  const noKid = token({ header: { alg: 'ES256', kid: undefined }, signWith: byEc });
  assert.equal((await bearer(gw, noKid)).status, 200, 'ES256 by the key without an id');
  const served = backend.requests.length;

  const hmac = (data: string) => createHash('sha256').update(pem(rsa.publicKey)).update(data).digest('base64url');
  const refused: [string, string, RegExp][] = [
    ['expired', token({ claims: { exp: now() - 1 } }), /expired/],
    ['without expiry', token({ claims: { exp: undefined } }), /expires/],
    ['not valid yet', token({ claims: { nbf: now() + 3600 } }), /not valid yet/],
    ['of another issuer', token({ claims: { iss: 'https://evil.example.com' } }), /issuer/],
    ['without issuer', token({ claims: { iss: undefined } }), /issuer/],
    ['for another audience', token({ claims: { aud: ['other'] } }), /audience/],
    ['without audience', token({ claims: { aud: undefined } }), /audience/],
    ['with another signature', token({ signWith: () => byRsa('x.y') }), /signed/],
    ['by another key', token({ header: { alg: 'ES256' }, signWith: byEc }), /signed/],
    ['with alg none', token({ header: { alg: 'none' }, signWith: () => '' }), /signed/],
    ['with the public key as a secret', token({ header: { alg: 'HS256' }, signWith: hmac }), /signed/],
    ['with an unknown key id', token({ header: { kid: 'other' } }), /signed/],
    ['that is none', 'abc', /signed/],
    ['with an altered payload', token().replace(/\.[^.]+\./, `.${part({ sub: 'root' })}.`), /signed/],
  ];
  for (const [what, jwt, reason] of refused) {
    const answer = await bearer(gw, jwt);
    assert.equal(answer.status, 401, what);
    assert.match(answer.body, reason, what);
  }
  assert.equal((await gw.http(host)).status, 401);
  assert.equal(backend.requests.length, served);
});

const rules: DistributedServiceSpec['security'] = {
  authorization: {
    enabled: true,
    rules: [
      { path: '/admin/*', methods: ['GET'], roles: ['admin', 'aud"it'] },
      { path: '/admin/open', methods: ['POST'] },
      { path: '/*.secret', roles: ['admin'] },
    ],
  },
};

test('a path with rules needs one that lists method and role, however the path is written', async (t) => {
  const { gw, backend } = await protectedApp(t, jwtAccess, rules);
  const admin = token();
  const user = token({ claims: { realm: { roles: ['user'] } } });
  const ask = async (jwt: string, path: string, method = 'GET') => (await bearer(gw, jwt, path, method)).status;
  assert.equal(await ask(admin, '/admin/x'), 200, gw.output());
  assert.equal(await ask(admin, '/admin/x', 'HEAD'), 200);
  assert.equal(await ask(user, '/public'), 200, 'a path without rules needs authentication only');
  assert.equal(await ask(user, '/admin/open', 'POST'), 200);
  const served = backend.requests.length;
  const missing = await bearer(gw, user, '/admin/x');
  assert.equal(missing.status, 403);
  assert.match(missing.body, /admin, aud_it/);
  const method = await bearer(gw, admin, '/admin/x', 'DELETE');
  assert.equal(method.status, 403);
  assert.match(method.body, /DELETE/);
  const spellings = [
    '/%61dmin/x',
    '//admin/x',
    '/./admin/x',
    '/a/../admin/x',
    '/admin/./x',
    '/admin',
    '/admin/',
    '/ADMIN/../admin/x',
    '/admin;a=1/x',
    '/%2e/admin/x',
    '/x/%2E%2e/admin/y',
    '/admin/open',
    '/a.secret',
  ];
  for (const path of spellings) assert.equal(await ask(user, path), 403, path);
  for (const path of ['/%2fadmin/x', '/admin%2Fx', '/a%5c..%5cadmin', '/admin%00', '/%', '/%4', '/%zz', '/a\\admin'])
    assert.equal(await ask(user, path), 400, path);
  assert.equal(backend.requests.length, served);
  await ask(admin, '/b/..//%61dmin/./x');
  assert.equal(backend.requests.at(-1)!.url, '/admin/x', 'the backend reads what was checked');
});

test('roles are read from a list or from words, and none is taken for another', async (t) => {
  const { gw } = await protectedApp(t, jwtAccess, rules);
  const status = async (roles: unknown) => (await bearer(gw, token({ claims: { realm: { roles } } }), '/admin/x')).status;
  for (const roles of [['admin'], ['x', 'admin'], 'admin', 'user admin']) assert.equal(await status(roles), 200, JSON.stringify(roles));
  for (const roles of [
    ['x"admin'],
    ['administrator'],
    ['admin x'],
    [['admin']],
    [{ name: 'admin' }],
    { admin: true },
    'administrator',
    'x-admin',
    '',
    [],
    1,
    null,
  ])
    assert.equal(await status(roles), 403, JSON.stringify(roles));
});

test('a limit for each address answers 429, and only to those who exceed it', async (t) => {
  const { gw } = await protectedApp(t, { kind: 'none' }, { rateLimit: { requestsPerSecond: 2 } });
  const statuses: number[] = [];
  for (let i = 0; i < 25; i++) statuses.push((await gw.http(host)).status);
  assert.equal(statuses.filter((status) => status === 200).length, 20, 'two a second, over ten seconds');
  assert.equal(statuses.at(-1), 429);
});

test('oversized headers are refused', async (t) => {
  const { gw, backend } = await protectedApp(t, { kind: 'none' });
  const big = await gw.http(host, '/', { headers: { 'x-big': 'a'.repeat(20_000) } });
  assert.equal(big.status, 400);
  assert.match(big.body, /invalid request/);
  assert.equal(backend.requests.length, 0);
});

test('a request that two readers could take differently, as in smuggling, is refused', async (t) => {
  const { gw, backend } = await protectedApp(t, { kind: 'keys', header: 'apikey', clients: { [sha256('k')]: 'k' } });
  const head = `POST / HTTP/1.1\r\nHost: ${host}\r\nX-API-Key: k\r\n`;
  const raw = (text: string) =>
    new Promise<string>((resolve, reject) => {
      const socket = connect(gw.settings.httpPort, '127.0.0.1', () => socket.end(text));
      let answer = '';
      socket
        .on('data', (data) => (answer += data.toString()))
        .on('end', () => resolve(answer))
        .on('error', reject);
    });
  const inner = `GET /smuggled HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
  const bad = {
    'two lengths': `${head}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello${inner}`,
    'a length that is no number': `${head}Content-Length: +5\r\n\r\nhello`,
    'an unknown coding': `${head}Transfer-Encoding: chunked, x\r\n\r\n0\r\n\r\n`,
    'a bad chunk size': `${head}Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n`,
    'a space before the colon': `${head}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`,
    'a NUL in a header': `${head}X: a\0b\r\n\r\n`,
    'a lone line feed in a value': `GET / HTTP/1.1\r\nHost: ${host}\r\nX: a\r\n b\n\r\n${inner}`,
    'two hosts': `GET / HTTP/1.1\r\nHost: ${host}\r\nHost: other.example.com\r\nX-API-Key: k\r\n\r\n`,
  };
  for (const [what, text] of Object.entries(bad)) {
    const answer = await raw(text);
    assert.doesNotMatch(answer, /\/smuggled/, what);
    assert.ok(!backend.requests.some(({ url }) => url === '/smuggled'), what);
    assert.match(answer, /^HTTP\/1\.1 4\d\d /, what);
  }
  const both = await raw(`${head}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${inner}`);
  assert.match(both, /^HTTP\/1\.1 200 /);
  assert.ok(!backend.requests.some(({ url }) => url === '/smuggled'), 'what follows is a request of its own, and needs its own key');
  assert.equal(backend.requests.at(-1)!.headers['content-length'], undefined);
});
