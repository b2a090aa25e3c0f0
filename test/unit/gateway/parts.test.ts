import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Parts, restartFile } from '../../../src/gateway/liveness/parts.ts';

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

test('no request is ended by its address in HAProxy any more when what it waits for is about to be killed', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'frp-k8s-parts-'));
  const answers = () => Promise.resolve('answers' as const);
  let passes = 0;
  let finish = () => {};
  const parts = new Parts({
    directory,
    probes: { frps: answers, users: answers, tunnel: () => Promise.reject(new Error('no answer')) },
    changed: () => {},
    endWaiting: () => {
      passes++;
      return new Promise((resolve) => (finish = () => resolve(1)));
    },
    tunnels: { traffic: () => Promise.resolve([]), turnAway: () => Promise.resolve() },
    log: { info: () => {}, warn: () => {} },
  });
  t.after(async () => {
    await parts.close();
    rmSync(directory, { recursive: true });
  });
  while (passes === 0) await pause(10);
  await pause(800);
  assert.ok(!existsSync(restartFile(directory, 'tunnel')), 'not as long as requests are being ended');
  finish();
  while (!existsSync(restartFile(directory, 'tunnel'))) await pause(10);
  await pause(400);
  assert.equal(passes, 1);
});
