/** A service that HAProxy refuses stops nobody else: with the real HAProxy, over restarts of it and of the agent. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { backendName, renderUsers, type Rendered, type UsersSettings } from '../../src/gateway/haproxy/index.ts';
import type { ServedService, View } from '../../src/gateway/ir/ir.ts';
import { app, gateway, member, service, until, view, type App, type Gateway } from './haproxy-harness.ts';

const host = 'web.example.com';
const web = (backend: App, more: object = {}) =>
  service('web', { expose: { type: 'domain', domain: host }, ...more }, [member('shop/web', backend.name, backend.port)]);
const other = (name: string, members: ReturnType<typeof member>[] = []) =>
  service(name, { expose: { type: 'domain', domain: `${name}.example.com` } }, members);

/** What no check of ours would let through, in the place of the next thing that we do not know of. */
const poisoned =
  (lineOf: (name: string) => { section: string; line: string } | undefined) =>
  (part: View, settings: UsersSettings): Rendered => {
    const rendered = renderUsers(part, settings);
    let { config } = rendered;
    for (const { service: each } of part.services) {
      const found = lineOf(each.metadata.name);
      if (found) config = config.replace(`\n${found.section}\n`, `\n${found.section}\n  ${found.line}\n`);
    }
    const skeleton = createHash('sha256').update(config).digest('hex').slice(0, 32);
    // Only lines that need a reload are put in.
    return config === rendered.config ? rendered : { ...rendered, config: config.replaceAll(rendered.skeleton, skeleton), skeleton };
  };
const inItsSection = poisoned((name) =>
  name.startsWith('poison') ? { section: `backend ${backendName(`shop/${name}`)}`, line: 'bogus yes' } : undefined,
);
/** HAProxy's alert names no service. */
const inTheFrontend = poisoned((name) =>
  name.startsWith('poison') ? { section: 'frontend frp-http', line: 'http-request bogus' } : undefined,
);

const names = (gw: Gateway) => gw.proxy.refusals.map(({ service: key }) => key);
const body = (gw: Gateway, at = host): Promise<string> =>
  gw.http(at).then(
    (answer) => answer.body,
    () => '',
  );

for (const [where, render] of [
  ['in its own section', inItsSection],
  ['in a section of all', inTheFrontend],
] as const)
  test(`a service that HAProxy refuses for a line ${where} is left out, and the others are served, changed and come back after restarts`, async (t) => {
    const [a, b] = [await app(t, 'a'), await app(t, 'b')];
    const crowd = Array.from({ length: 12 }, (_, index) => other(`s${index}`));
    const gw = await gateway(t, view(...crowd, web(a)), {}, render);
    const poisons: ServedService[] = [other('poison-1'), other('poison-2')];

    void gw.apply(view(...crowd, web(b, { advanced: { timeout: { keepAlive: '41s' } } }), ...poisons));
    await until(async () => (await body(gw)) === 'b');
    assert.deepEqual(names(gw), ['shop/poison-1', 'shop/poison-2']);
    assert.match(gw.proxy.refusals[0]!.message, /^HAProxy says: .*bogus/);
    assert.doesNotMatch(gw.proxy.refusals[0]!.message, /haproxy\.cfg|\/tmp/);

    void gw.apply(view(...crowd, web(a), ...poisons));
    await until(async () => (await body(gw)) === 'a');

    await gw.crash();
    await gw.restartAgent();
    gw.start();
    await until(async () => (await body(gw)) === 'a');
    await until(() => names(gw).length === 2);

    const [healed] = [other('healed', [member('shop/healed', 'b', b.port)])];
    void gw.apply(view(...crowd, healed, web(b), poisons[0]!));
    await until(async () => (await body(gw, 'healed.example.com')) === 'b' && (await body(gw)) === 'b');
    assert.deepEqual(names(gw), ['shop/poison-1'], 'what is gone is refused no longer');
  });

test('HAProxy that starts while nobody is there to help finds a configuration that it takes', async (t) => {
  const a = await app(t, 'a');
  const gw = await gateway(t, view(web(a)), {}, inItsSection);
  void gw.apply(view(web(a), other('poison')));
  await until(() => names(gw).length === 1);
  await gw.proxy.close();
  await gw.crash();
  gw.start();
  await until(async () => (await body(gw)) === 'a');
});
