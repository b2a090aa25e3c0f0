/** However a path is written: rules, routes and exposed paths hold for it, at a real HAProxy and for every kind of server behind. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { connect as connectH2 } from 'node:http2';
import { connect } from 'node:net';
import { once } from 'node:events';
import { test, type TestContext } from 'node:test';
import fc from 'fast-check';
import type { Access } from '../../src/gateway/ir/ir.ts';
import type { DistributedServiceSpec } from '../../src/model/types.ts';
import { readings } from '../support/path-readings.ts';
import { unreachable } from '../../webhooks/distributedservices/paths.ts';
import { app, freePort, gateway, member, service, view } from './haproxy-harness.ts';

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const keys: Access = { kind: 'keys', header: 'apikey', clients: { [sha256('user')]: 'user', [sha256('root')]: 'root' } };

/** Sends a request line, whatever is in it, as a user who is not root. */
const client =
  (port: number, host: string) =>
  async (line: string, headers = ''): Promise<{ status: number; body: string }> => {
    const socket = connect(port, '127.0.0.1');
    socket.end(Buffer.from(`${line} HTTP/1.1\r\nHost: ${host}\r\nX-API-Key: user\r\nConnection: close\r\n${headers}\r\n`, 'latin1'));
    let answer = '';
    socket.on('data', (data: Buffer) => (answer += data.toString('latin1')));
    await once(socket, 'close');
    const [head = '', body = ''] = answer.split('\r\n\r\n');
    return { status: Number(head.split(' ')[1]), body };
  };

const isAt = (top: string) => (path: string) => path === top || path.startsWith(`${top}/`);
const isForbidden = (path: string) =>
  isAt('/admin')(path) || path === '/api/users:purge' || path === '/exact' || path === '/100%' || /^\/t\/.*\.secret$/s.test(path);

const rules: NonNullable<NonNullable<NonNullable<DistributedServiceSpec['security']>['authorization']>['rules']> = [
  { path: '/admin/*', roles: ['root'] },
  { path: '/api/users:purge', roles: ['root'] },
  { path: '/exact', roles: ['root'] },
  { path: '/100%25', roles: ['root'] },
  { path: '/t/*.secret', roles: ['root'] },
];

async function ruled(t: TestContext) {
  const backend = await app(t, 'app', (req, res) => res.end(`${req.method} ${req.url}`));
  const of = (name: string, some: typeof rules) =>
    service(
      name,
      { expose: { type: 'domain', domain: `${name}.example.com` }, security: { authorization: { enabled: true, rules: some } } },
      [member(`shop/${name}`, '1', backend.port)],
      { access: keys },
    );
  return { gw: await gateway(t, view(of('web', rules), of('all', [{ path: '/*', methods: ['GET', 'POST'] }]))), backend };
}

/** What a user who is not root gets: a status, or the path that the backend is asked for. */
const spellings: readonly [spelling: string, expected: number | string][] = [
  ['/admin/x', 403],
  ['/admin', 403],
  ['/admin/', 403],
  ['/admin?x', 403],
  ['/%61dmin/x', 403],
  ['/%61%64%6d%69%6e', 403],
  ['/%61%64%6D%69%6E/', 403],
  ['//admin/x', 403],
  ['///admin///x', 403],
  ['/./admin/x', 403],
  ['/././/./admin/x', 403],
  ['/a/../admin/x', 403],
  ['/a/b/../../admin/x', 403],
  ['/a/%2e%2e/admin/x', 403],
  ['/a/.%2e/admin/x', 403],
  ['/a/%2E./admin/x', 403],
  ['/%2e/admin/x', 403],
  ['/..//../admin/x', 403],
  ['/../admin', 403],
  ['/a//../admin/x', 403],
  ['/admin/.', 403],
  ['/admin/x/..', 403],
  ['/admin/..', '/'],
  ['/admin/../metrics', '/metrics'],
  ['/admin/%2e%2e/metrics', '/metrics'],
  ['/admin/../admin', 403],
  ['/admin;a=1/x', 403],
  ['/admin;/x', 403],
  ['/admin;', 403],
  ['/admin/;a=1', 403],
  ['/admin%3Ba=1/x', 403],
  ['/admin%3b', 403],
  ['/admin/x;a=1', 403],
  ['/admin%3Fx', 403],
  ['/admin%23', 403],
  ['/%61dmin%3f/x', 403],
  ['/admin;a%3Fx', 400],
  ['/api;%3F/users:purge', 400],
  ['/t;x/a%23.secret', 400],
  ['/a%3Fx;y', 400],
  ['/exact/.%23', 400],
  ['/exact/x/..%3fy', 400],
  ['/exact%3Fx', 403],
  ['/t/a.secret%23x', 403],
  ['/a%3fx%23y', '/a%3Fx%23y'],
  ['/%61dmin;a/x', 403],
  ['/;/admin/x', 400],
  ['/;a=1/admin/x', 400],
  ['/%3B/admin/x', 400],
  ['/%3b%3b/admin/x', 400],
  ['/x/..;/admin/x', 400],
  ['/x/..;a=1/admin/x', 400],
  ['/x/%2e%2e;/admin/x', 400],
  ['/x/..%3B/admin/x', 400],
  ['/x/.%2e%3b/admin/x', 400],
  ['/.;/admin/x', 400],
  ['/.;', 400],
  ['/..;', 400],
  ['/a/.;a/x', 400],
  ['/;/..;/admin', 400],
  ['/%2fadmin/x', 400],
  ['/admin%2fx', 400],
  ['/a%2F..%2Fadmin', 400],
  ['/a%5c..%5cadmin', 400],
  ['/a\\..\\admin', 400],
  ['/\\admin', 400],
  ['/admin%5cx', 400],
  ['/admin%00', 400],
  ['/admin%00.txt', 400],
  ['/%0aadmin', 400],
  ['/admin%0d%0a', 400],
  ['/admin%1f', 400],
  ['/admin%7f', 400],
  ['/admin%09', 400],
  ['/admin\x80', 400],
  ['/\xe9', 400],
  ['/admin\x7f', 400],
  ['/admin\x01', 400],
  ['/%', 400],
  ['/%4', 400],
  ['/%zz', 400],
  ['/%u002fadmin', 400],
  ['/%%61dmin', 400],
  ['/a%c0%afadmin', 400],
  ['/a/%c0%ae%C0%AE/admin', 400],
  ['/a%e0%80%afadmin', 400],
  ['/a%F0%80%80%AFadmin', 400],
  ['/a%c1%9cadmin', 400],
  ['/a%f8%80%80%80%afadmin', 400],
  ['/a/%F8%80%80%80%AE%f8%80%80%80%ae/admin', 400],
  ['/a%fc%80%80%80%80%afadmin', 400],
  ['/a%FD%BF%BF%BF%BF%BF', 400],
  ['/a%fe', 400],
  ['/a%ff%ff', 400],
  ['/a%f5%80%80%80', 400],
  ['/a%f4%90%80%80', 400],
  ['/a%f0%8f%bf%bf', 400],
  ['/a%ed%a0%80', 400],
  ['/a%ed%a0%bd%ed%b8%80', 400],
  ['/a%e0%9f%bf', 400],
  ['/a%80', 400],
  ['/a%bf/b', 400],
  ['/a%c3', 400],
  ['/a%c3/b', 400],
  ['/a%c3x%a9', 400],
  ['/a%c3%a9%a9', 400],
  ['/a%e2%82', 400],
  ['/a%e2%82/%ac', 400],
  ['/a%e2%28%a1', 400],
  ['/a%f0%9f%98', 400],
  ['/admin#', 400],
  ['/x#/../admin', 400],
  ['/api/users:purge', 403],
  ['/api/users%3Apurge', 403],
  ['/api/users%3apurge', 403],
  ['/%61pi/users%3apurge', 403],
  ['/api//users%3Apurge/', 403],
  ['/api/users:purge;x', 403],
  ['/api/users:purge/', 403],
  ['/exact', 403],
  ['/exact/', 403],
  ['/exact/.', 403],
  ['/exact;v=1', 403],
  ['/exact/;v=1', 403],
  ['/exact/more', '/exact/more'],
  ['/exactly', '/exactly'],
  ['/100%25', 403],
  ['/t/a.secret', 403],
  ['/t/a/b.secret', 403],
  ['/t/a.secre%74', 403],
  ['/t/%20.secret', 403],
  ['/t/%C3%A9.secret', 403],
  ['/t/.secret', 403],
  ['/t/a.secret.b.secret', 403],
  ['/t/a.secret;x', 403],
  ['/t/a;x.secret', 403],
  ['/t/a.secretx', '/t/a.secretx'],
  ['/t.secret', '/t.secret'],
  ['/', '/'],
  ['/a', '/a'],
  ['/a/', '/a/'],
  ['/a;x=1/b;y=2', '/a;x=1/b;y=2'],
  ['/;jsessionid=1', '/;jsessionid=1'],
  ['/a+b%2Bc', '/a+b%2Bc'],
  ['/a%3ab', '/a%3Ab'],
  ['/a%20b%25', '/a%20b%25'],
  ['/%c3%a9%7e', '/%C3%A9~'],
  ['/%c2%80%df%bf', '/%C2%80%DF%BF'],
  ['/%e0%a0%80%ed%9f%bf%ee%80%80%ef%bf%bf', '/%E0%A0%80%ED%9F%BF%EE%80%80%EF%BF%BF'],
  ['/%f0%90%80%80%f4%8f%bf%bf', '/%F0%90%80%80%F4%8F%BF%BF'],
  ['/!"$&\'()*+,:<=>@[]^_`{|}~', '/!"$&\'()*+,:<=>@[]^_`{|}~'],
  ['/a?/../admin%2f%zz', '/a?/../admin%2f%zz'],
  ['/a?', '/a'],
  ['/a?%61=1&%7e', '/a?%61=1&%7e'],
  ['/.well-known/x', '/.well-known/x'],
  ['/...', '/...'],
  ['/..a/.b', '/..a/.b'],
  ['/administrator', '/administrator'],
  ['/Admin', '/Admin'],
];

test('every spelling of a path with rules is refused, or read by the backend as what was checked', async (t) => {
  const { gw, backend } = await ruled(t);
  const ask = client(gw.settings.httpPort, 'web.example.com');
  for (const [spelling, expected] of spellings) {
    const before = backend.requests.length;
    const { status, body } = await ask(`GET ${spelling}`);
    if (typeof expected === 'number') {
      assert.equal(status, expected, `${spelling}: ${body}`);
      assert.equal(backend.requests.length, before, spelling);
    } else {
      assert.equal(body.replace(/\?$/, ''), `GET ${expected}`, spelling);
      assert.ok(!readings(expected.replace(/\?.*/, '')).some(isForbidden), spelling);
    }
  }
});

test('requests for anything but a path are refused or rewritten', async (t) => {
  const { gw, backend } = await ruled(t);
  const ask = client(gw.settings.httpPort, 'all.example.com');
  const refused = [
    'OPTIONS *',
    'GET *',
    'CONNECT all.example.com:80',
    'CONNECT /admin/x',
    'GET admin/x',
    'GET ?x',
    'GET mailto:admin/x',
    'GET http://evil.example.com/x',
    'GET http://all.example.com?x',
  ];
  for (const line of refused) assert.equal((await ask(line)).status, 400, line);
  assert.equal((await ask('OPTIONS /x')).status, 403);
  assert.equal((await ask('TRACE /x')).status, 405, 'TRACE would tell the client what the gateway adds');
  const web = client(gw.settings.httpPort, 'web.example.com');
  assert.equal((await web('GET http://web.example.com/admin/x')).status, 403);
  assert.equal(backend.requests.length, 0);
  assert.equal((await ask('GET http://all.example.com/x?y')).body, 'GET /x?y');
  assert.equal((await ask('GET http://all.example.com')).body, 'GET /');
  assert.equal((await ask('GET http://u:p@all.example.com//x')).body, 'GET /x');
});

test('HTTP/2 requests come to the same form', async (t) => {
  const port = await freePort();
  const backend = await app(t, 'app', (req, res) => res.end(req.url));
  const security = { authorization: { enabled: true, rules } };
  const gw = await gateway(
    t,
    view(service('web', { expose: { type: 'port', port }, security }, [member('shop/web', '1', backend.port)], { access: keys })),
  );
  // A port without TLS takes HTTP/2 from those who know.
  const ask = async (path: string, method = 'GET') => {
    const session = connectH2(`http://127.0.0.1:${port}`);
    session.on('error', () => undefined);
    const stream = session.request({ ':path': path, ':method': method, ':authority': 'web.example.com', 'x-api-key': 'user' });
    let status: number | 'refused' = 'refused';
    let body = '';
    stream.on('response', (headers) => (status = headers[':status']!));
    stream.on('data', (data: Buffer) => (body += data.toString()));
    stream.on('error', () => undefined);
    stream.end();
    await new Promise((closed) => stream.on('close', closed));
    session.destroy();
    return typeof status === 'number' && status === 200 ? body : status;
  };
  for (const [path, expected] of [
    ['/admin/x', 403],
    ['/a/../%61dmin', 403],
    ['/;/admin/x', 400],
    ['/a\\b', 400],
    ['/\u00e9', 400],
    ['/a%2Fb', 400],
    ['/a//b/./c', '/a/b/c'],
  ] as const)
    assert.equal(await ask(path), expected, path);
  for (const path of ['*', '?x', 'admin', '', 'http://web.example.com/admin'])
    assert.ok([400, 403, 'refused', '/'].includes(await ask(path)), path);
  assert.ok(!backend.requests.some(({ url }) => readings(url).some(isForbidden)));
  assert.equal(gw.proxy.reloads, 0);
});

const tokens = fc.constantFrom(
  ...[
    '/',
    '/',
    '/',
    'admin',
    'admin',
    'a',
    '.',
    '..',
    ';',
    ';x=1',
    '%2e',
    '%2E%2e',
    '%2f',
    '%5c',
    '\\',
    '%61dmin',
    '%3B',
    '%3b',
    '%',
    '%25',
    '%3F',
    '%3f',
    '%23',
  ],
  ...['exact', 't', '.secret', '100%25', 'api', 'users', ':', '%3a', 'purge', '%00', '?', '#', '*', '%c0%af', '%20', '~', '%7e'],
);

test('whatever a path is made of, no reading of what the backend gets is one that the user may not have', async (t) => {
  const { gw, backend } = await ruled(t);
  const ask = client(gw.settings.httpPort, 'web.example.com');
  let passed = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(tokens, { maxLength: 12 }), async (parts) => {
      const before = backend.requests.length;
      const { status, body } = await ask(`GET /${parts.join('')}`);
      const got = backend.requests.slice(before).map(({ url }) => url.replace(/\?.*/, ''));
      assert.ok(status === 200 ? got.length === 1 : status === 400 || status === 403, `${status} ${body}`);
      assert.ok(!got.some((url) => readings(url).some(isForbidden)), got.join());
      passed += got.length;
    }),
    { numRuns: 1500 },
  );
  assert.ok(passed > 100, `${passed} requests passed, so the property says something`);
});

/** Whole characters, and their bytes one by one, so that some of the texts are UTF-8 and others miss it by a byte. */
const encodedBytes = fc
  .array(
    fc.oneof(
      { weight: 8, arbitrary: fc.integer({ min: 0x80, max: 0x10ffff }).map((code) => [...Buffer.from(String.fromCodePoint(code))]) },
      { weight: 1, arbitrary: fc.integer({ min: 0x80, max: 0xff }).map((byte) => [byte]) },
      { weight: 1, arbitrary: fc.tuple(fc.integer({ min: 0xc0, max: 0xff }), fc.integer({ min: 0x80, max: 0xbf }), fc.constant(0x80)) },
    ),
    { minLength: 1, maxLength: 4 },
  )
  .map((parts) => parts.flat());

test('a path is refused exactly where its bytes are not UTF-8', async (t) => {
  const { gw } = await ruled(t);
  const ask = client(gw.settings.httpPort, 'web.example.com');
  const isUtf8 = (bytes: number[]) => Buffer.from(Buffer.from(bytes).toString()).equals(Buffer.from(bytes));
  const seen = { refused: 0, passed: 0 };
  await fc.assert(
    fc.asyncProperty(encodedBytes, async (bytes) => {
      const { status } = await ask(`GET /x${bytes.map((byte) => `%${byte.toString(16)}`).join('')}`);
      assert.equal(status, isUtf8(bytes) ? 200 : 400);
      seen[status === 200 ? 'passed' : 'refused']++;
    }),
    { numRuns: 1000 },
  );
  assert.ok(seen.passed > 100 && seen.refused > 100, JSON.stringify(seen));
});

test('the length of a path makes no difference to what is accepted', async (t) => {
  const backend = await app(t, 'app', (req, res) => res.end(String(req.url?.length)));
  const gw = await gateway(
    t,
    view(service('web', { expose: { type: 'domain', domain: 'web.example.com' } }, [member('shop/web', '1', backend.port)])),
  );
  const ask = client(gw.settings.httpPort, 'web.example.com');
  for (const part of ['a', '%20', '%C3%A9', '%F0%9F%98%80']) {
    const path = `/${part.repeat(Math.floor(12_000 / part.length))}`;
    assert.deepEqual(await ask(`GET ${path}`), { status: 200, body: String(path.length) });
    assert.equal((await ask(`GET ${path}%80`)).status, 400);
  }
});

test('a rule is admitted exactly where a request of its path meets it', async (t) => {
  const rulePath = fc.array(tokens, { maxLength: 5 }).map((parts) => `/${parts.join('').replaceAll('*', '')}`);
  // Incomplete encodings are the schema's to refuse; a request has a query where a rule has a text after "?"; one slash at the
  // end of a rule makes no difference, so "//" is "/".
  const isOdd = (path: string) => /%(?![0-9a-f]{2})|[?#]|\/\/$/i.test(path);
  const paths = [...new Set(fc.sample(rulePath, 1000))].filter((path) => !isOdd(path)).slice(0, 200);
  const isMet = (path: string) => unreachable(path) === undefined;
  assert.ok(
    paths.filter(isMet).length > 20 && paths.filter((path) => !isMet(path)).length > 20,
    `${paths.filter(isMet).length} of ${paths.length}`,
  );
  const backend = await app(t, 'app', (req, res) => res.end(req.url));
  // One rule for everybody, below one that leaves out this user.
  const of = (path: string, index: number) => {
    const authorization = { enabled: true, rules: [{ path }, { path: '/*', roles: ['root'] }] };
    const spec: Partial<DistributedServiceSpec> = {
      expose: { type: 'domain', domain: `r${index}.example.com` },
      security: { authorization },
    };
    return service(`r${index}`, spec, [member(`shop/r${index}`, '1', backend.port)], { access: keys });
  };
  const gw = await gateway(t, view(...paths.map(of)));
  for (const [index, path] of paths.entries()) {
    const { status } = await client(gw.settings.httpPort, `r${index}.example.com`)(`GET ${path}`);
    assert.equal(status === 200, isMet(path), `${path}: ${status}`);
  }
});

test('a path that leads out of an exposed path or a route, or to another group by another reading, is refused', async (t) => {
  const name = (of: string) => app(t, of, (req, res) => res.end(`${of} ${req.url}`));
  const [api, main, admin] = [await name('api'), await name('main'), await name('admin')];
  const gw = await gateway(
    t,
    view(
      service('admin', { expose: { type: 'domain' } }, [member('shop/admin', '1', admin.port)]),
      service('api', { expose: { type: 'path', domain: 'api.example.com', path: '/api' } }, [member('shop/api', '1', api.port)]),
      service(
        'main',
        { expose: { type: 'domain', domain: 'web.example.com' }, routes: [{ path: '/admin/*', groups: [{ name: 'admin' }] }] },
        [member('shop/main', '1', main.port)],
      ),
    ),
  );
  const askApi = client(gw.settings.httpPort, 'api.example.com');
  const askWeb = client(gw.settings.httpPort, 'web.example.com');
  const exposed: [string, number | string][] = [
    ['/api', 'api /api'],
    ['/api/x', 'api /api/x'],
    ['/x/../api/y', 'api /api/y'],
    ['/%61pi/y', 'api /api/y'],
    ['/api/x;y=1', 'api /api/x;y=1'],
    ['/api/../secret', 404],
    ['/api/%2e%2e/secret', 404],
    ['/api/x/../../secret', 404],
    ['/api//../secret', 404],
    ['/apix', 404],
    ['/api/..', 404],
    ['/api/..;/secret', 400],
    ['/api/x/..;/..;/secret', 400],
    ['/api/;/../../secret', 404],
    ['/api;/secret', 400],
    ['/api;x', 400],
    ['/api%3Fx', 400],
    ['/api%23/secret', 400],
    ['/api/x%3Fy', 'api /api/x%3Fy'],
    ['/api%3Bx/secret', 400],
    ['/api%2f..%2fsecret', 400],
    ['/api\\..\\secret', 400],
    ['/api/%5c../secret', 400],
  ];
  for (const [path, expected] of exposed) {
    const { status, body } = await askApi(`GET ${path}`);
    assert.equal(status === 200 ? body : status, expected, path);
  }
  const routed: [string, number | string][] = [
    ['/admin', 'admin /admin'],
    ['/admin/x', 'admin /admin/x'],
    ['/%61dmin/x', 'admin /admin/x'],
    ['//admin//x', 'admin /admin/x'],
    ['/a/../admin/x', 'admin /admin/x'],
    ['/admin/../metrics', 'main /metrics'],
    ['/admin/%2e%2e/metrics', 'main /metrics'],
    ['/admin/..', 'main /'],
    ['/admin/..;/metrics', 400],
    ['/admin;x/y', 400],
    ['/admin;x', 400],
    ['/admin%3bx/y', 400],
    ['/admin%3fx/y', 400],
    ['/admin%23', 400],
    ['/x%3F/admin', 'main /x%3F/admin'],
    ['/;/admin', 400],
    ['/x;y/admin', 'main /x;y/admin'],
    ['/admin/x;y', 'admin /admin/x;y'],
    ['/administrator', 'main /administrator'],
  ];
  for (const [path, expected] of routed) {
    const { status, body } = await askWeb(`GET ${path}`);
    assert.equal(status === 200 ? body : status, expected, path);
  }
});

test('a service is found at every path that it may be exposed at, in every spelling, also at one that comes later', async (t) => {
  const exposed: Record<string, string[]> = {
    '/socket.io': ['/socket.io', '/socket%2Eio/?EIO=4', '/socket.io/a.b'],
    '/.well-known/acme': ['/.well-known/acme/token', '/x/../.well-known/acme'],
    '/api/v1.0': ['/api/v1.0/users', '/api/v1%2e0'],
    "/@a:b/(c)!$&'+,=~": ["/@a:b/(c)!$&'+,=~", '/%40a%3Ab/%28c%29%21%24%26%27%2B%2C%3D%7E', "/%40a:b/(c)!$&'+,=~/x"],
    '/caf%C3%A9': ['/caf%C3%A9', '/caf%c3%a9/x'],
  };
  const other = await app(t, 'other');
  const apps = new Map<string, Awaited<ReturnType<typeof app>>>();
  for (const path of Object.keys(exposed)) apps.set(path, await app(t, path));
  const all = [...apps].map(([path, { port }], at) =>
    service(`p${at}`, { expose: { type: 'path', domain: 'web.example.com', path } }, [member(`shop/p${at}`, '1', port)]),
  );
  const root = service('root', { expose: { type: 'domain', domain: 'web.example.com' } }, [member('shop/root', '1', other.port)]);
  const gw = await gateway(t, view(root));
  const answers = async () =>
    Object.fromEntries(
      await Promise.all(
        Object.entries(exposed).flatMap(([path, spellings]) =>
          spellings.map(async (spelling) => [spelling, (await gw.http('web.example.com', spelling)).body === path] as const),
        ),
      ),
    );
  assert.ok(Object.values(await answers()).every((isFound) => !isFound));
  await gw.apply(view(root, ...all));
  const spelled = Object.values(exposed).flat();
  assert.deepEqual(await answers(), Object.fromEntries(spelled.map((spelling) => [spelling, true])));
  for (const elsewhere of ['/socketxio', '/socket.iox', '/api/v1x0', '/caf%C3%A8'])
    assert.equal((await gw.http('web.example.com', elsewhere)).body, 'other');
  await gw.apply(view(root));
  assert.ok(Object.values(await answers()).every((isFound) => !isFound));
});
