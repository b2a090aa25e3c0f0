/** An agent that is killed while HAProxy must be reloaded, or in the middle of a reload: the next one finishes it, and no user notices. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { View } from '../../src/gateway/ir/ir.ts';
import type { Orders } from './users-agent.ts';
import { app, directory, gateway, haproxy, member, service, tally, until, view, type Gateway } from './haproxy-harness.ts';

const program = fileURLToPath(new URL('users-agent.ts', import.meta.url));

/** Gives orders to agents that are processes, the newest to be found at `file`. */
function orders(t: TestContext, gw: Gateway) {
  const file = join(directory(t), 'orders.json');
  const give = (wanted: View) => {
    writeFileSync(`${file}.new`, JSON.stringify({ settings: gw.settings, haproxy, view: wanted } satisfies Orders));
    renameSync(`${file}.new`, file);
  };
  const start = (): { child: ChildProcess; said: () => string } => {
    const child = spawn(process.execPath, [program, file], { stdio: ['ignore', 'pipe', 'inherit'] });
    t.after(() => child.kill('SIGKILL'));
    let said = '';
    child.stdout.on('data', (data: Buffer) => (said += data.toString()));
    return { child, said: () => said };
  };
  return { give, start };
}

test('an agent that is killed at any moment of a change leaves HAProxy serving, and the next one finishes the change', async (t) => {
  const a = await app(t, 'a');
  const services = (count: number) =>
    view(
      ...Array.from({ length: count }, (_, n) =>
        service(`s${n}`, { expose: { type: 'domain', domain: `s${n}.example.com` } }, [member(`shop/s${n}`, 'a', a.port)]),
      ),
    );
  const gw = await gateway(t, services(1));
  await gw.proxy.close();
  const { give, start } = orders(t, gw);

  let isOver = false;
  t.after(() => (isOver = true));
  const statuses: string[] = [];
  const load = (async () => {
    while (!isOver) {
      statuses.push(
        await gw.http('s0.example.com').then(
          ({ status }) => String(status),
          (error: Error) => error.message,
        ),
      );
      await sleep(2);
    }
  })();

  give(services(1));
  let agent = start();
  await until(() => agent.said().includes('done'));
  // From before anything is written to after the new process has been told its servers.
  for (const [index, ms] of [0, 40, 80, 160, 300, 450].entries()) {
    give(services(index + 2));
    await sleep(ms);
    agent.child.kill('SIGKILL');
    await once(agent.child, 'exit');
    agent = start();
    await until(async () => (await gw.http(`s${index + 1}.example.com`)).status === 200);
  }
  await until(() => agent.said().includes('done'));
  isOver = true;
  await load;
  assert.deepEqual(tally(statuses), { 200: statuses.length });
  assert.ok(statuses.length > 100);
});
