/** One sidecar of several groups, through a plain frps: what happens to one group is nothing to the others. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as openRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { test, type TestContext } from 'node:test';
import { service } from '../support/services.ts';
import { request, until } from './haproxy-harness.ts';
import { startApp, startServer, startSidecar, token, unchecked } from './injected-sidecar.ts';

const auth = { tokenSecret: 'frps-token' };
const key = (group: string) => `key of ${group}`;

/** Frps and an app that keeps a connection open, with somebody who is connected to it. */
async function installation(t: TestContext) {
  const server = await startServer(t);
  const open = new Set<ServerResponse>();
  const port = await startApp(t, (incoming, answer) => {
    if (incoming.url !== '/stream') return void answer.end(`app ${incoming.url}`);
    open.add(answer);
    answer.write('begun');
  });
  const answers = (name: string) => async () =>
    (await request(server.users, `${name}.example.com`, '/').catch(() => undefined))?.body === 'app /';
  const keys = { port: server.port, auth, tls: 'unverified' } as const;
  return {
    keys,
    port,
    answers,
    /** A user of a group. @returns whether its connection still brings what the app says */
    user: async (name: string) => {
      const asking = openRequest({ host: '127.0.0.1', port: server.users, path: '/stream', headers: { host: `${name}.example.com` } });
      asking.on('error', () => {}).end();
      const [incoming] = (await once(asking, 'response')) as [IncomingMessage];
      incoming.on('error', () => {});
      await once(incoming, 'data');
      const [at] = [...open].slice(-1);
      t.after(() => asking.destroy());
      return async () => {
        if (incoming.destroyed || !at!.writable) return false;
        const said = once(incoming, 'data');
        at!.write('still');
        return String((await said)[0]) === 'still';
      };
    },
  };
}

test('a group whose key comes late joins, and the connections of the others stay', async (t) => {
  const { keys, port, answers, user } = await installation(t);
  const groups = ['web', 'admin', 'mail'].map((name) => ({ service: unchecked(name), port }));
  const files = { 'frps.token': token, 'group-0.key': key('web'), 'group-1.key': key('admin') };
  const sidecar = await startSidecar(t, keys, files, { groups });
  await until(answers('web'));
  await until(answers('admin'));
  assert.match(sidecar.said(), /going on without DistributedServices mail: they join when their group keys come/);
  const isConnected = await user('web');
  assert.ok(!(await answers('mail')()));
  sidecar.give({ 'group-2.key': key('mail') });
  await until(answers('mail'));
  assert.ok(await isConnected());
});

test('a group that is refused takes nothing with it, and neither does one whose app fails its health check and comes back', async (t) => {
  const { keys, port, answers, user } = await installation(t);
  // Who is first sets the key of a group on frps.
  const other = await startSidecar(
    t,
    keys,
    { 'frps.token': token, 'group.key': 'another key' },
    { pod: 'other-0', groups: [{ service: unchecked('admin'), port }] },
  );
  await until(answers('admin'));
  let isWell = true;
  const checked = await startApp(t, (_, answer) => answer.writeHead(isWell ? 200 : 503).end('app /'));
  const mail = service('mail', {
    expose: { domain: 'mail.example.com' },
    loadBalancing: { healthCheck: { type: 'http', interval: '1s', timeout: '1s', failureThreshold: 1 } },
  });
  const groups = [
    { service: unchecked('web'), port },
    { service: unchecked('admin'), port },
    { service: mail, port: checked },
  ];
  const files = {
    'frps.token': token,
    ...Object.fromEntries(['web', 'admin', 'mail'].map((name, index) => [`group-${index}.key`, key(name)])),
  };
  const sidecar = await startSidecar(t, keys, files, { groups });
  await until(answers('web'));
  await until(answers('mail'));
  await until(() => /shop\.admin\..*start error: .*group auth failed|shop\.admin\..*start error/.test(sidecar.said()));
  const isConnected = await user('web');
  isWell = false;
  await until(async () => !(await answers('mail')()));
  isWell = true;
  await until(answers('mail'));
  other.end();
  await until(async () => !(await answers('admin')()));
  assert.ok(await isConnected());
  // frpc asks again every half minute for what was refused.
  await until(answers('admin'));
  assert.ok(await isConnected());
});
