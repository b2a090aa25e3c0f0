/** What users meet at a real HAProxy with the configuration of a view. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as open, type IncomingMessage } from 'node:http';
import { test } from 'node:test';
import { app, gateway, member, service, tally, until, view } from './haproxy-harness.ts';

const byHost = (domain: string, path?: string) => ({ expose: { type: 'domain' as const, domain, ...(path !== undefined && { path }) } });

test('a service is reached by its host, and backends join and leave without a reload', async (t) => {
  const [a, b, c] = [await app(t, 'a'), await app(t, 'b'), await app(t, 'c')];
  const spec = {
    ...byHost('web.example.com'),
    loadBalancing: { algorithm: 'round-robin' as const, healthCheck: { type: 'http' as const } },
  };
  const web = (...apps: (typeof a)[]) =>
    view(
      service(
        'web',
        spec,
        apps.map((each) => member('shop/web', each.name, each.port)),
      ),
    );
  const gw = await gateway(t, web(a, b));
  const ask = async (times: number) =>
    tally((await Promise.all(Array.from({ length: times }, () => gw.http('web.example.com')))).map(({ body }) => body));
  await until(async () => (await gw.proxy.states()).every(({ status }) => status === 'up'));
  assert.deepEqual(await ask(10), { a: 5, b: 5 });
  assert.equal((await gw.http('other.example.com')).status, 404);

  await gw.apply(web(a, b, c));
  assert.deepEqual(Object.keys(await ask(10)).sort(), ['a', 'b'], 'a new server has no request before its first check');
  await until(async () => 'c' in (await ask(6)));
  await gw.apply(web(b, c));
  assert.deepEqual(await ask(10), { b: 5, c: 5 });
  await until(async () => (await gw.proxy.states()).length === 2);
  assert.equal(gw.proxy.reloads, 0, gw.output());
});

test('a new service comes by a reload that keeps the states of servers', async (t) => {
  const a = await app(t, 'a');
  const b = await app(t, 'b');
  const check = { healthCheck: { type: 'http' as const } };
  const web = service('web', { ...byHost('web.example.com'), loadBalancing: check }, [member('shop/web', '1', a.port)]);
  const api = service('api', { ...byHost('web.example.com', '/api'), loadBalancing: check }, [member('shop/api', '1', b.port)]);
  const gw = await gateway(t, view(web));
  await gw.apply(view(web, api));
  assert.equal(gw.proxy.reloads, 1, gw.output());
  assert.equal((await gw.http('web.example.com', '/')).body, 'a');
  await until(async () => (await gw.http('web.example.com', '/api/x')).body === 'b');
  assert.equal((await gw.http('web.example.com', '/apis')).body, 'a', 'a path is a prefix by whole segments');
});

test('backends are told addresses of users in the form of their family', async (t) => {
  const backend = await app(t, 'a');
  const web = service('web', { expose: { type: 'domain', domain: 'web.example.com' } }, [member('shop/web', '1', backend.port)]);
  const gw = await gateway(t, view(web), { addresses: undefined });
  for (const address of ['127.0.0.1', '::1']) await fetchFrom(address, gw.settings.httpPort);
  assert.deepEqual(
    backend.requests.map(({ headers }) => headers['x-forwarded-for']),
    ['127.0.0.1', '::1'],
  );
  const v4 = await gateway(t, view(web), { addresses: undefined, hasIpv6: false });
  await fetchFrom('127.0.0.1', v4.settings.httpPort);
  await assert.rejects(fetchFrom('::1', v4.settings.httpPort), /ECONNREFUSED/, 'where there is no IPv6 none is asked for');
});

async function fetchFrom(host: string, port: number): Promise<void> {
  const call = open({ host, port, headers: { host: 'web.example.com' }, agent: false }).end();
  const [response] = (await once(call, 'response')) as [IncomingMessage];
  response.resume();
  assert.equal(response.statusCode, 200);
}
