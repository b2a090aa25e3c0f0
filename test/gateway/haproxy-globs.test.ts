/** Globs and every other regular expression that meets texts of users, as HAProxy's own PCRE matches them: right, and linear. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import fc from 'fast-check';
import type { Access } from '../../src/gateway/ir/ir.ts';
import { pathRegexes } from '../../src/gateway/haproxy/config/globs.ts';
import { identify } from '../../src/gateway/haproxy/runtime/running.ts';
import { app, directory, freePort, gateway, haproxy, member, request, service, until, view } from './haproxy-harness.ts';

/** Whether a glob matches, by the definition: each star is any text. */
function matches(glob: string, text: string): boolean {
  let ends = new Set([0]);
  for (const part of glob)
    if (part === '*') ends = new Set(Array.from({ length: text.length + 1 }, (_, at) => at).filter((at) => at >= Math.min(...ends)));
    else ends = new Set([...ends].filter((at) => text[at] === part).map((at) => at + 1));
  return ends.has(text.length);
}

const covers = (path: string, text: string): boolean => {
  if (path === '/' || (path.endsWith('*') && !path.endsWith('/*'))) return matches(path, text);
  if (path.endsWith('/*')) return matches(path, text) || matches(path.slice(0, -2), text);
  return matches(path, text) || matches(path.endsWith('/') ? path.slice(0, -1) : `${path}/`, text);
};

/** Answers which of the globs match both, and which neither, of two lines. */
async function matcher(t: TestContext, globs: readonly string[]) {
  const port = await freePort();
  const path = join(directory(t), 'globs.cfg');
  const lines = globs.flatMap((glob, index) => {
    const { both, neither } = pathRegexes(glob);
    return [
      `http-request set-var(txn.both) var(txn.both),add(${2 ** index}) if { var(txn.text) -m reg '${both}' }`,
      `http-request set-var(txn.neither) var(txn.neither),add(${2 ** index}) if { var(txn.text) -m reg '${neither}' }`,
    ];
  });
  writeFileSync(
    path,
    ['global', 'defaults', 'mode http', 'timeout client 60s', 'frontend f', `bind 127.0.0.1:${port}`]
      .concat(['both', 'neither'].map((name) => `http-request set-var(txn.${name}) int(0)`))
      .concat(
        'http-request set-var(txn.second) req.fhdr(x-second)',
        'http-request set-var(txn.text) "req.fhdr(x-first),concat(\\n,txn.second)"',
      )
      .concat(lines, 'http-request return status 200 content-type text/plain lf-string "%[var(txn.both)] %[var(txn.neither)]"', '')
      .join('\n'),
  );
  const child = spawn(haproxy, ['-db', '-f', path], { stdio: 'ignore' });
  t.after(async () => {
    child.kill();
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  });
  const ask = (first: string, second: string) => request(port, 'x', '/', { headers: { 'x-first': first, 'x-second': second } });
  await until(() => ask('/', '/').then(Boolean, () => false));
  return ask;
}

test('a glob matches what it says, with any number of stars', async (t) => {
  const text = (alphabet: string, maxLength: number) =>
    fc.array(fc.constantFrom(...alphabet), { maxLength }).map((all) => `/${all.join('')}`);
  const globs = fc.sample(text('ab/**', 9), 30);
  const ask = await matcher(t, globs);
  await fc.assert(
    fc.asyncProperty(text('aab/', 10), text('aab/', 10), async (first, second) => {
      const { body } = await ask(first, second);
      const [both, neither] = body.split(' ').map(Number) as [number, number];
      for (const [index, glob] of globs.entries()) {
        const expected = [covers(glob, first), covers(glob, second)];
        assert.equal((both & (2 ** index)) !== 0, expected[0]! && expected[1]!, `${glob} both ${first} ${second}`);
        assert.equal((neither & (2 ** index)) !== 0, !expected[0] && !expected[1], `${glob} neither ${first} ${second}`);
      }
    }),
    { numRuns: 300 },
  );
});

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const keys: Access = { kind: 'keys', header: 'apikey', clients: { [sha256('k')]: 'user' } };

/** Texts for every expression that one may reach: paths, hosts, names and values of headers. */
const attacks: readonly { path?: string; host?: string; headers?: Record<string, string> }[] = [
  { path: `/${'a'.repeat(4000)}` },
  { path: `/${'a'.repeat(4000)}b` },
  { path: `/${'a'.repeat(14_000)}` },
  { path: `/${'a;'.repeat(7000)}` },
  { path: `/${';'.repeat(14_000)}` },
  { path: '/;a'.repeat(4000) },
  { path: '/.'.repeat(7000) },
  { path: '/a/..'.repeat(2500) },
  { path: '//'.repeat(7000) },
  { path: `/${'%61'.repeat(4500)}` },
  { path: `/${'%3B'.repeat(4500)}` },
  { path: `/${'%'.repeat(14_000)}` },
  { path: `/a?${'%'.repeat(14_000)}` },
  { host: 'a.'.repeat(7000) },
  { host: `${'a'.repeat(14_000)}!` },
  { host: `${'a-'.repeat(7000)}.` },
  { host: `[${':'.repeat(14_000)}` },
  { headers: { [`x${'_frp'.repeat(3500)}`]: '1' } },
  { headers: { [`x-forwarded${'-a'.repeat(7000)}`]: '1' } },
  { headers: { origin: `https://${'a.'.repeat(7000)}` } },
  { headers: { upgrade: 'h2'.repeat(7000) } },
];

test('no text of a user keeps HAProxy from serving others: rules of the worst kind, and texts for every expression', async (t) => {
  const backend = await app(t, 'app');
  const worst = [
    '/*a*a*a*a*a*a*a*a*b1',
    `/*${'a'.repeat(240)}b`,
    `/${`*${'a'.repeat(28)}b`.repeat(8)}`,
    `/*${'a'.repeat(240)}/*`,
    `/${'*;'.repeat(8)}`,
  ];
  const rules = Array.from({ length: 128 }, (_, index) => ({ path: worst[index % worst.length]!, roles: ['root'] }));
  const gw = await gateway(
    t,
    view(
      service('bystander', { expose: { type: 'domain', domain: 'b.example.com' } }, [member('shop/bystander', '1', backend.port)]),
      service(
        'attacker',
        { expose: { type: 'domain', domain: 'a.example.com' }, security: { authorization: { enabled: true, rules } } },
        [member('shop/attacker', '1', backend.port)],
        { access: keys },
      ),
    ),
  );
  const { pid } = await identify(join(gw.settings.directory, 'worker.sock'));
  const long = `/${'a'.repeat(4093)}b1`;
  assert.equal((await gw.http('a.example.com', long, { headers: { 'x-api-key': 'k' } })).status, 403, 'a long path is matched to its end');
  assert.equal((await gw.http('a.example.com', `${long}1`, { headers: { 'x-api-key': 'k' } })).status, 400, 'a longer one is refused');
  let isOver = false;
  const attack = async () => {
    for (const { path = '/', host = 'a.example.com', headers } of attacks) {
      const { status } = await gw.http(host, path, { headers: { 'x-api-key': 'k', ...headers } });
      assert.ok([200, 400, 403, 404].includes(status), `${status} for ${path.slice(0, 20)} at ${host.slice(0, 20)}`);
    }
  };
  const attackers = Promise.all([attack(), attack(), attack(), attack()]).finally(() => (isOver = true));
  let served = 0;
  do {
    assert.equal((await gw.http('b.example.com')).body, 'app');
    served++;
  } while (!isOver);
  await attackers;
  assert.ok(served > 1, `${served} requests of others were served meanwhile`);
  assert.equal((await identify(join(gw.settings.directory, 'worker.sock'))).pid, pid, 'the worker has not been replaced');
});
