/** Challenges of ACME over http, at a real HAProxy. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { get } from 'node:http';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { test } from 'node:test';
import type { Access } from '../../src/gateway/ir/ir.ts';
import { app, gateway, member, service, view } from './haproxy-harness.ts';

const keys: Access = { kind: 'keys', header: 'apikey', clients: { [createHash('sha256').update('key').digest('hex')]: 'me' } };
const below = '/.well-known/acme-challenge/';

async function http(port: number, host: string, path: string) {
  const call = get({ host: '127.0.0.1', port, headers: { host }, path, agent: false });
  const [response] = (await once(call, 'response')) as [IncomingMessage];
  let body = '';
  for await (const chunk of response) body += String(chunk);
  return { status: response.statusCode, body, cache: response.headers['cache-control'] };
}

test('a challenge is answered by the gateway, without redirect, credentials or limit, for its own host alone', async (t) => {
  const backend = await app(t, 'app', (req, res) => res.end(`app ${req.url}`));
  const web = (name: string, spec: object, more: object) =>
    service(
      name,
      { expose: { type: 'domain', domain: `${name}.example.com`, ...spec } },
      [member(`shop/${name}`, '1', backend.port)],
      more,
    );
  const challenges = { 'tok-en_1': 'tok-en_1.thumb-print', 'bad token': 'a.b', evil: '%[src]' };
  const tls = { tls: { issuerRef: { name: 'acme' }, redirect: true } };
  const strict = service(
    'strict',
    { expose: { type: 'domain', domain: 'strict.example.com', ...tls }, security: { rateLimit: { requestsPerSecond: 1 } } } as never,
    [member('shop/strict', '1', backend.port)],
    { access: keys, challenges },
  );
  const gw = await gateway(t, view(strict, web('open', tls, {}), web('closed', {}, { access: keys })));
  const port = gw.settings.httpPort;
  for (let n = 0; n < 5; n++)
    assert.deepEqual(await http(port, 'strict.example.com', `${below}tok-en_1`), {
      status: 200,
      body: 'tok-en_1.thumb-print',
      cache: 'no-store',
    });
  // Another spelling of the same path comes to the same.
  assert.equal((await http(port, 'STRICT.example.com:80', '/x/../.well-known//acme-challenge/tok-en_1')).status, 200);
  // What is not known: not redirected, to the app where it is open to all, and never past who must show credentials.
  assert.deepEqual((await http(port, 'open.example.com', `${below}tok-en_1`)).body, `app ${below}tok-en_1`);
  assert.equal((await http(port, 'closed.example.com', `${below}tok-en_1`)).status, 404);
  assert.equal((await http(port, 'strict.example.com', `${below}evil`)).status, 404);
  // What only looks like one is a request as any other.
  for (const path of [`${below}a/b`, below, `${below}a%20b`, '/.well-known/acme-challengeX/a'])
    assert.equal((await http(port, 'open.example.com', path)).status, 308, path);
  assert.equal((await http(port, 'closed.example.com', `${below}a/../../secret`)).status, 401);

  // One more is a change at run time.
  await gw.apply(view({ ...strict, challenges: { two: 'two.key' } }, web('open', tls, {}), web('closed', {}, { access: keys })));
  assert.equal((await http(port, 'strict.example.com', `${below}two`)).body, 'two.key');
  assert.equal((await http(port, 'strict.example.com', `${below}tok-en_1`)).status, 404);
  assert.equal(gw.proxy.reloads, 0);
});
