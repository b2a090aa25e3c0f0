/** Who is told to be stuck, and who is not: the watchdog with real sockets, and a part that is a process of its own. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { haproxyProbe } from '../../../src/gateway/liveness/probes.ts';
import { Watchdog } from '../../../src/gateway/liveness/watchdog.ts';

/** A process that takes connections at a socket, and answers or does not. */
async function part(t: TestContext, answer: 'answers' | 'hangs'): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'frp-k8s-watchdog-'));
  const socket = join(directory, 's');
  const program = `require('net').createServer((c) => c.on('data', () => ${answer === 'answers' ? "c.end('ok')" : '{}'}).on('error', () => {})).listen(${JSON.stringify(socket)}, () => console.log('up'))`;
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => {
    child.kill();
    rmSync(directory, { recursive: true });
  });
  await once(child.stdout, 'data');
  return socket;
}

/** @param starve milliseconds for which this process does nothing else at the beginning of a look */
async function watched(t: TestContext, socket: string, starve: number): Promise<{ looks: number; isGivenUp: boolean }> {
  const limitMs = 500;
  const found = { looks: 0, isGivenUp: false };
  const probe = haproxyProbe(socket);
  const watchdog = new Watchdog({
    limitMs,
    everyMs: 10,
    probe: (limit) => {
      found.looks++;
      const asked = probe(limit);
      setImmediate(() => {
        for (const until = performance.now() + starve; performance.now() < until;);
      });
      return asked;
    },
    stuck: () => {},
    givenUp: () => (found.isGivenUp = true),
  });
  t.after(() => watchdog.close());
  while (found.looks < 6 && !found.isGivenUp) await pause(10);
  return found;
}

test('a part that answers is not given up while this process has no time to take the answer', async (t) => {
  assert.equal((await watched(t, await part(t, 'answers'), 600)).isGivenUp, false);
});

test('a part that takes connections and never answers is given up', async (t) => {
  const socket = await part(t, 'hangs');
  // On a machine that is busy it takes longer.
  while (!(await watched(t, socket, 0)).isGivenUp);
});
