/**
 * Services of ten tenants that are edited 200 times a minute, with a connection of a user held in every process of HAProxy that
 * this starts. FRPK8S_LONG=1: for five minutes, else ten seconds. The whole gateway: npm run bench:gateway -- --edits 5.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { oldProcesses } from '../../src/gateway/haproxy/runtime/master.ts';
import { identify } from '../../src/gateway/haproxy/runtime/running.ts';
import type { ServedService } from '../../src/gateway/ir/ir.ts';
import { app, freePort, gateway, member, service, until, view } from './haproxy-harness.ts';

const seconds = process.env.FRPK8S_LONG ? 300 : 10;
const perMinute = 200;
const tenants = 10;
/** Of the manifests' HAProxy for users; bytes. */
const memoryLimit = 1024 * 1024 * 1024;
/** Old ones, the one that serves, and one that a reload has just started. */
const mostProcesses = 32 + 2;
/** Of each: its listeners, its sockets to the others, and the connection that is held. */
const mostFiles = 100;

/** Every second edit of a tenant needs a reload, the others are a change of host. */
const edited = (tenant: number, edit: number): ServedService => {
  const round = Math.floor(edit / tenants);
  const made = service(
    'web',
    {
      advanced: { timeout: { keepAlive: `${30 + Math.ceil(round / 2)}s` } },
      expose: { type: 'domain', domain: `web-${tenant}-${Math.floor(round / 2)}.example.com` },
    },
    [],
  );
  return { ...made, service: { ...made.service, metadata: { ...made.service.metadata, namespace: `tenant-${tenant}` } } };
};

/** Resident bytes and open files; nothing of one that has just ended. */
function sizeOf(pid: string): { bytes: number; files: number } {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return { bytes: 1024 * Number(/^VmRSS:\s+([0-9]+) kB/m.exec(status)?.[1] ?? 0), files: readdirSync(`/proc/${pid}/fd`).length };
  } catch {
    return { bytes: 0, files: 0 };
  }
}

test('200 edits a minute, with a connection held in each process, leave a bounded number of processes within the memory limit, and others get their changes', async (t) => {
  const [a, b] = [await app(t, 'a'), await app(t, 'b')];
  const echo = createServer((socket) => socket.on('error', () => {}).pipe(socket)).listen(0, '127.0.0.1');
  await once(echo, 'listening');
  t.after(() => echo.close());
  const port = await freePort();
  const held = service('held', { serviceType: 'tcp', expose: { type: 'port', port } }, [
    member('shop/held', 'x', (echo.address() as AddressInfo).port),
  ]);
  const quiet = (backend: typeof a) =>
    service('quiet', { expose: { type: 'domain', domain: 'quiet.example.com' } }, [member('shop/quiet', backend.name, backend.port)]);
  const loud = Array.from({ length: tenants }, (_, tenant) => edited(tenant, 0));
  const all = (backend = a) => view(held, quiet(backend), ...loud);
  const gw = await gateway(t, all(), {}, undefined, undefined, memoryLimit);
  const worker = join(gw.settings.directory, 'worker.sock');

  const most = { processes: 0, bytes: 0, files: 0 };
  let last: string | undefined;
  const begin = performance.now();
  const count = Math.round((seconds * perMinute) / 60);
  let edit = 0;
  // A machine that is slow has its first reloads late.
  for (; edit < count || (most.processes < 3 && edit < 20 * count); edit++) {
    loud[edit % tenants] = edited(edit % tenants, edit);
    // It is not waited for: with edits without end there is always one that waits for a reload.
    void gw.apply(all()).catch(() => {});
    await sleep(Math.max(0, begin + (edit * 60_000) / perMinute - performance.now()));
    const { pid } = await identify(worker).catch(() => ({ pid: last! }));
    if (pid !== last) {
      last = pid;
      const socket = connect(port, '127.0.0.1').on('error', () => {});
      t.after(() => socket.destroy());
      socket.write('held');
    }
    const old = await oldProcesses(gw.settings.directory).catch(() => []);
    const sizes = [pid, ...old.map((each) => each.pid)].map(sizeOf);
    most.processes = Math.max(most.processes, sizes.length);
    for (const what of ['bytes', 'files'] as const)
      most[what] = Math.max(
        most[what],
        sizes.reduce((sum, size) => sum + size[what], 0),
      );
  }
  t.diagnostic(
    `${edit} edits in ${Math.round((performance.now() - begin) / 1000)} s, ${gw.proxy.reloads} reloads; at most ${most.processes} processes, ${Math.round(most.bytes / 1e6)} MB, ${most.files} open files`,
  );
  assert.ok(most.processes >= 3, 'connections keep processes');
  assert.ok(most.processes <= mostProcesses, `${most.processes} processes`);
  assert.ok(most.bytes < memoryLimit, `${most.bytes} bytes`);
  assert.ok(most.files < mostFiles * most.processes, `${most.files} files of ${most.processes} processes`);

  void gw.apply(all(b)).catch(() => {});
  await until(async () => (await gw.http('quiet.example.com')).body === 'b');
});
