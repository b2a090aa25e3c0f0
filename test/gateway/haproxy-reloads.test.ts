/** Reloads are a budget: who edits all the time delays nobody else, and leaves few processes. */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { oldProcesses } from '../../src/gateway/haproxy/runtime/master.ts';
import { usersBudget } from '../../src/gateway/haproxy/runtime/reload-budget.ts';
import { identify } from '../../src/gateway/haproxy/runtime/running.ts';
import type { ServedService } from '../../src/gateway/ir/ir.ts';
import { app, freePort, gateway, member, request, service, until, view } from './haproxy-harness.ts';

const inNamespace = (namespace: string, served: ServedService): ServedService => ({
  ...served,
  service: { ...served.service, metadata: { ...served.service.metadata, namespace } },
});

/** Memory that a process has for itself, and its open files. */
const sizeOf = (pid: string) => ({
  mebibytes: Number(/^RssAnon:\s+([0-9]+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024,
  files: readdirSync(`/proc/${pid}/fd`).length,
});

test('edits without end, with a connection held in each process, leave no more processes than its namespace has reloads, and others get their changes', async (t) => {
  const [a, b] = [await app(t, 'a'), await app(t, 'b')];
  const echo = createServer((socket) => socket.on('error', () => {}).pipe(socket)).listen(0, '127.0.0.1');
  await once(echo, 'listening');
  t.after(() => echo.close());
  const port = await freePort();
  const held = service('held', { serviceType: 'tcp', expose: { type: 'port', port } }, [
    member('shop/held', 'x', (echo.address() as AddressInfo).port),
  ]);
  const loud = (edit: number) =>
    inNamespace(
      'loud',
      service(
        'loud',
        { advanced: { timeout: { keepAlive: `${edit + 30}s` } }, expose: { type: 'domain', domain: 'loud.example.com' } },
        [],
      ),
    );
  const quiet = (backend: typeof a, edit: number) =>
    inNamespace(
      'quiet',
      service('web', { advanced: { timeout: { keepAlive: `${edit + 30}s` } }, expose: { type: 'domain', domain: 'web.example.com' } }, [
        member('quiet/web', backend.name, backend.port),
      ]),
    );
  const burst = 6;
  const gw = await gateway(t, view(held, loud(0), quiet(a, 0)), {}, undefined, { ...usersBudget, burst, refillMs: 60_000 });

  let processes = 0;
  let files = 0;
  let mebibytes = 0;
  for (let edit = 1; edit <= 12; edit++) {
    const socket = connect(port, '127.0.0.1').on('error', () => {});
    t.after(() => socket.destroy());
    socket.write('hello');
    void gw.apply(view(held, loud(edit), quiet(a, 0)));
    await sleep(1000);
    const { pid } = await identify(join(gw.settings.directory, 'worker.sock'));
    const old = await oldProcesses(gw.settings.directory).catch(() => []);
    processes = Math.max(processes, old.length);
    const sizes = [pid, ...old.map((each) => each.pid)].flatMap((each) => {
      try {
        return [sizeOf(each)];
      } catch {
        return []; // it has just ended
      }
    });
    mebibytes = Math.max(
      mebibytes,
      sizes.reduce((sum, size) => sum + size.mebibytes, 0),
    );
    files = Math.max(
      files,
      sizes.reduce((sum, size) => sum + size.files, 0),
    );
  }
  t.diagnostic(`${gw.proxy.reloads} reloads, at most ${processes} old processes, ${mebibytes.toFixed(0)} MiB, ${files} files`);
  assert.ok(processes >= 2 && processes <= burst, `${processes} old processes`);
  assert.ok(mebibytes < 40 * (burst + 1), `${mebibytes} MiB`);
  assert.ok(files < 100 * (burst + 1), `${files} files`);

  // The loud one uses up what it may have at once: its next edits wait then, and what others do does not.
  for (let edit = 200; gw.proxy.reloads < burst; edit++) {
    void gw.apply(view(held, loud(edit), quiet(a, 0)));
    await sleep(100);
  }
  void gw.apply(view(held, loud(100), quiet(b, 0)));
  const reloads = gw.proxy.reloads;
  await until(async () => (await gw.http('web.example.com')).body === 'b');
  assert.equal(gw.proxy.reloads, reloads, 'a backend of another one needs no reload, and does not wait for one');
  void gw.apply(view(held, loud(101), quiet(b, 1)));
  await until(() => gw.proxy.reloads > reloads);
});

test('an issuer whose keys rotate without end costs its namespace its share of reloads, and others none of theirs', async (t) => {
  const [a, b] = [await app(t, 'a'), await app(t, 'b')];
  const loud = () => {
    const publicKeyPem = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ type: 'spki', format: 'pem' }).toString();
    const keys = [{ kid: 'now', alg: 'ES256' as const, publicKeyPem }];
    const access = { kind: 'jwt' as const, issuer: 'https://id.example.com', audience: 'loud', rolesClaim: 'roles', keys };
    const expose = { type: 'domain' as const, domain: 'loud.example.com' };
    return inNamespace('loud', service('loud', { expose }, [member('loud/loud', b.name, b.port)], { access }));
  };
  const quiet = (edit: number, backend = a) =>
    inNamespace(
      'quiet',
      service('web', { advanced: { timeout: { keepAlive: `${edit + 30}s` } }, expose: { type: 'domain', domain: 'web.example.com' } }, [
        member('quiet/web', backend.name, backend.port),
      ]),
    );
  const burst = 3;
  const gw = await gateway(t, view(loud(), quiet(0)), {}, undefined, { burst, refillMs: 3_600_000, pauseMs: 1, longestPauseMs: 1 });
  for (let rotation = 0; rotation < 40 || gw.proxy.reloads < burst; rotation++) {
    void gw.apply(view(loud(), quiet(0)));
    await sleep(100);
  }
  void gw.apply(view(loud(), quiet(0, b)));
  await until(async () => (await gw.http('web.example.com')).body === 'b');
  assert.equal(gw.proxy.reloads, burst, 'what needs no reload waits for none');
  for (const edit of [1, 2, 3]) {
    void gw.apply(view(loud(), quiet(edit, b)));
    await until(() => gw.proxy.reloads === burst + edit);
  }
  assert.equal((await gw.http('loud.example.com')).status, 401, 'it is protected by the keys that it has');
});

test('an agent that starts knows the ports of servers that only processes from before reloads have', async (t) => {
  const held = await app(t, 'held', (_, res) => void res.write('first'));
  const web = (edit: number, ports: readonly number[]) =>
    view(
      service('web', { advanced: { timeout: { keepAlive: `${edit + 30}s` } }, expose: { type: 'domain', domain: 'web.example.com' } }, [
        ...ports.map((port) => member('shop/web', 'x', port)),
      ]),
    );
  const gw = await gateway(t, web(0, [held.port]));
  const stream = request(gw.settings.httpPort, 'web.example.com', '/').catch(() => undefined);
  await until(() => held.requests.length === 1);
  for (const edit of [1, 2, 3]) {
    await gw.apply(web(edit, []));
    await until(() => gw.proxy.reloads === edit);
    await gw.settled();
  }
  await gw.restartAgent();
  assert.equal(gw.proxy.reaches(held.port), false);
  await gw.proxy.look();
  assert.equal(gw.proxy.reaches(held.port), true);
  await held.close();
  await stream;
});
