/** What a backend learns of a request besides its path, at a real HAProxy: only the gateway, or a trusted proxy, says who the user is. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectH2 } from 'node:http2';
import { test } from 'node:test';
import { app, freePort, gateway, member, request, service, until, view } from './haproxy-harness.ts';

const host = 'web.example.com';

/** The name that CGI, and what has grown from it, makes of a header. */
const variable = (name: string) => name.toUpperCase().replace(/[^A-Z0-9]/g, '_');

const spellings = [
  'X_Frp_Client',
  'X_Forwarded_For',
  'X_Forwarded_Proto',
  'X_Real_IP',
  'x-forwarded_for',
  'x_forwarded-host',
  'X-Frp_Client',
].concat([
  'X.Frp.Client',
  'X~Forwarded~For',
  'x-real_ip',
  'X_Forwarded',
  'X-Frp-Client',
  'X-Original-URL',
  'X_Rewrite_Url',
  'X-Rewrite-URL',
  'Proxy',
]);

for (const trustedProxies of [[], ['127.0.0.1']])
  test(`headers that a backend could read as ours do not pass, from ${trustedProxies.length === 0 ? 'users' : 'trusted proxies'}`, async (t) => {
    const backend = await app(t, 'app');
    const gw = await gateway(
      t,
      view(service('web', { expose: { type: 'domain', domain: host } }, [member('shop/web', '1', backend.port)])),
      {
        trustedProxies,
      },
    );
    for (const name of spellings) {
      await gw.http(host, '/', { headers: { [name]: 'evil', 'x-other_name': 'kept' } });
      const { headers } = backend.requests.at(-1)!;
      const evil = Object.entries(headers).filter(([, value]) => value === 'evil');
      assert.deepEqual(evil, [], name);
      assert.equal(headers['x-other_name'], 'kept');
      assert.deepEqual(
        Object.keys(headers).filter((header) => /^X_(FRP|FORWARDED|REAL_IP)/.test(variable(header)) && !/^[a-z-]+$/.test(header)),
        [],
      );
    }
  });

test('nobody has a header taken out by naming it in Connection', async (t) => {
  const backend = await app(t, 'app');
  const gw = await gateway(t, view(service('web', { expose: { type: 'domain', domain: host } }, [member('shop/web', '1', backend.port)])));
  for (const connection of ['X-Frp-Client', 'close, X-Forwarded-For', 'keep-alive, x-frp-client', 'Upgrade, X-Frp-Client']) {
    await gw.http(host, '/', { headers: { connection } });
    assert.doesNotMatch(String(backend.requests.at(-1)!.headers.connection ?? ''), /x-/i, connection);
    assert.equal(backend.requests.at(-1)!.headers['x-forwarded-for'], '127.0.0.1');
  }
});

test('an upgrade passes if it is one, over HTTP/2 too', async (t) => {
  const port = await freePort();
  const backend = await app(t, 'app');
  const upgrades: NodeJS.Dict<string | string[]>[] = [];
  backend.server.on('upgrade', (request, socket) => {
    upgrades.push(request.headers);
    const accept = createHash('sha1')
      .update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      .digest('base64');
    socket.end(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\nhello`,
    );
  });
  await gateway(t, view(service('web', { expose: { type: 'port', port } }, [member('shop/web', '1', backend.port)])));
  assert.equal((await request(port, host, '/', { headers: { upgrade: 'websocket' } })).body, 'app');
  assert.equal(backend.requests.at(-1)!.headers.upgrade, undefined, 'without Connection: upgrade it is none');

  const session = connectH2(`http://127.0.0.1:${port}`);
  t.after(() => session.destroy());
  await once(session, 'remoteSettings');
  const stream = session.request({ ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/a', ':scheme': 'http', ':authority': host });
  const [headers] = (await once(stream, 'response')) as [{ ':status': number }];
  assert.equal(headers[':status'], 200);
  assert.equal(String(await once(stream, 'data')), 'hello');
  assert.equal(upgrades[0]!.connection?.toString().toLowerCase(), 'upgrade');
});

test('a Host that is no host name is refused, and leads nobody elsewhere', async (t) => {
  const backend = await app(t, 'app');
  const exposed = { type: 'domain' as const, domain: '*.x.example.com' };
  const gw = await gateway(
    t,
    view(service('web', { expose: { ...exposed, tls: { secretName: 'web', redirect: true } } }, [member('shop/web', '1', backend.port)])),
  );
  const redirect = await gw.http('a.x.example.com', '/a//b?c');
  assert.equal(redirect.status, 308);
  assert.equal(redirect.headers.get('location'), 'https://a.x.example.com/a/b?c');
  for (const bad of [
    'evil.com/.x.example.com',
    'evil.com/a.x.example.com',
    'evil.com?.x.example.com',
    'evil.com#.x.example.com',
    'evil.com\\.x.example.com',
    'evil.com%2f.x.example.com',
    'evil.com:80/.x.example.com',
    'user@a.x.example.com',
    'evil.com:80@a.x.example.com',
    'a.x.example.com:80a',
    'a.x.example.com, evil.com',
    '.x.example.com',
    'a..x.example.com',
    `${'a'.repeat(250)}.x.example.com`,
    '[::1]a.x.example.com',
    '"a".x.example.com',
    '',
  ]) {
    const answer = await gw.http(bad);
    assert.equal(answer.headers.get('location'), null, bad);
    assert.ok(answer.status === 400 || answer.status === 404, `${bad}: ${answer.status}`);
  }
  for (const good of ['A.X.Example.COM', 'a.x.example.com:8080', 'a.x.example.com.', 'a_b.x.example.com', 'a.b.x.example.com'])
    assert.equal((await gw.http(good)).status, 308, good);
  assert.equal(backend.requests.length, 0);
});

test('the app is asked for the Host of the spec, with that of the user beside it, and its health check asks for it too', async (t) => {
  const checked = new Set<string | undefined>();
  const backend = await app(t, 'app', ({ url, headers }, response) => {
    if (url === '/alive') checked.add(headers.host);
    response.end('app');
  });
  const spec = {
    expose: { type: 'domain' as const, domain: host, hostHeader: 'localhost:11434' },
    loadBalancing: { healthCheck: { type: 'http' as const, path: '/alive' } },
  };
  const gw = await gateway(t, view(service('web', spec, [member('shop/web', '1', backend.port)])));
  await until(async () => (await gw.http(host, '/a')).status === 200);
  const { headers } = backend.requests.find(({ url }) => url === '/a')!;
  assert.deepEqual([headers.host, headers['x-forwarded-host']], ['localhost:11434', host]);
  assert.deepEqual([...checked], ['localhost:11434']);
});

test('headers are set and removed on the way to the app and back; the cookie that binds a user still does', async (t) => {
  const value = '50% "off" \'now\' #1 \\ %[src] ${HOME}';
  const apps = await Promise.all(
    ['a', 'b'].map((name) =>
      app(t, name, (_, response) => response.writeHead(200, { server: 'app/1.2', 'set-cookie': 'app=1', 'x-kept': 'yes' }).end(name)),
    ),
  );
  const spec = {
    expose: {
      type: 'domain' as const,
      domain: host,
      headers: {
        request: { set: { 'X-A': value, 'X-B': '2' }, remove: ['Cookie', 'X-Remote-User'] },
        response: { set: { 'X-C': value }, remove: ['Server', 'Set-Cookie'] },
      },
    },
    loadBalancing: { sessionAffinity: { enabled: true } },
  };
  const gw = await gateway(
    t,
    view(
      service(
        'web',
        spec,
        apps.map(({ port }, at) => member('shop/web', String(at), port)),
      ),
    ),
  );
  const forged = {
    'x-b': '1',
    x_b: '1',
    'x.a': '1',
    'x-remote-user': 'admin',
    x_remote_user: 'admin',
    'X-REMOTE_user': 'admin',
    'x-remote-users': 'kept',
  };
  const first = await gw.http(host, '/', { headers: forged });
  assert.deepEqual([first.headers.get('x-c'), first.headers.get('server'), first.headers.get('x-kept')], [value, null, 'yes']);
  const { headers } = apps.find(({ name }) => name === first.body)!.requests[0]!;
  const passed = Object.entries(headers).filter(([name]) => /^x.(a|b|remote)/.test(name));
  assert.deepEqual(Object.fromEntries(passed), { 'x-a': value, 'x-b': '2', 'x-remote-users': 'kept' });
  const cookie = first.headers.get('set-cookie')!.split(';')[0]!;
  assert.match(cookie, /^frp-session=/);
  for (let again = 0; again < 6; again++) assert.equal((await gw.http(host, '/', { headers: { cookie } })).body, first.body);
  assert.ok(apps.flatMap(({ requests }) => requests).every((one) => one.headers.cookie === undefined));
});

test('the app is told by the gateway alone who its user is, whatever the service sets', async (t) => {
  const backend = await app(t, 'app');
  const names = ['X-Frp-Client', 'x_forwarded_for', 'X-Forwarded-Proto', 'X-Real-IP', 'Forwarded', 'Host', 'Connection', 'Content-Length'];
  const set = Object.fromEntries(names.map((name) => [name, '1']));
  const headers = { request: { set: { ...set, 'X-A': 'a\r\nX-Frp-Client: root' }, remove: names }, response: { set: { Connection: '1' } } };
  const expose = { type: 'domain' as const, domain: host, hostHeader: 'a\r\nX-Frp-Client: root', headers };
  const gw = await gateway(t, view(service('web', { expose }, [member('shop/web', '1', backend.port)])));
  assert.equal((await gw.http(host, '/', { method: 'POST', body: 'four' })).status, 200);
  const [{ headers: seen, body }] = backend.requests as [(typeof backend.requests)[number]];
  assert.deepEqual(
    [seen.host, seen['x-frp-client'], seen['x-forwarded-for'], seen['x-forwarded-proto'], seen['x-real-ip'], seen['x-a'], body],
    [host, undefined, '127.0.0.1', 'http', undefined, undefined, 'four'],
  );
});

test('what a service sets of CORS gives way to its policy', async (t) => {
  const backend = await app(t, 'app');
  const headers = { response: { set: { 'Access-Control-Allow-Origin': '*', 'X-A': '1' } } };
  const security = { cors: { allowOrigins: ['https://a.example.com'] } };
  const spec = { expose: { type: 'domain' as const, domain: host, headers }, security };
  const gw = await gateway(t, view(service('web', spec, [member('shop/web', '1', backend.port)])));
  const allowed = async (origin: string) => {
    const answer = await gw.http(host, '/', { headers: { origin } });
    return [answer.headers.get('access-control-allow-origin'), answer.headers.get('x-a')];
  };
  assert.deepEqual(await allowed('https://a.example.com'), ['https://a.example.com', '1']);
  assert.deepEqual(await allowed('https://b.example.com'), [null, '1']);
});

test('values as long as the schema admits arrive as they are', async (t) => {
  const backend = await app(t, 'app', (_, response) => response.end('app'));
  const set = { 'X-A': '%'.repeat(2048), 'X-B': "'".repeat(2048), 'X-C': '\\'.repeat(2048) };
  const spec = { expose: { type: 'domain' as const, domain: host, headers: { request: { set }, response: { set } } } };
  const gw = await gateway(t, view(service('web', spec, [member('shop/web', '1', backend.port)])));
  const { headers } = await gw.http(host);
  for (const [name, value] of Object.entries(set)) {
    assert.equal(backend.requests[0]!.headers[name.toLowerCase()], value);
    assert.equal(headers.get(name), value);
  }
});
