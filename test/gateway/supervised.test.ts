/** What `gateway up` does with a part that does not answer, with real processes in its place. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { PartName } from '../../src/gateway/up/layout.ts';
import { logFile, restartFile, runDirectory } from '../../src/gateway/up/layout.ts';
import { Supervised } from '../../src/gateway/up/supervised.ts';
import { createLog } from '../../src/log.ts';
import { directory, until } from './haproxy-harness.ts';

const onOneCore = (script: string) => ['taskset', '-c', '0', 'sh', '-c', script] as const;

/** @param script of its program, which writes `started` first */
async function supervised(t: TestContext, part: PartName, script: string, hangs?: () => boolean) {
  const home = directory(t);
  for (const each of [runDirectory(home), join(home, 'log')]) mkdirSync(each, { recursive: true });
  const [program, ...words] = onOneCore(`echo started; ${script}`);
  const child = new Supervised({
    part,
    directory: home,
    command: [program, ...words],
    mayAdopt: false,
    ...(hangs && { hangs }),
    log: createLog('silent'),
  });
  child.start();
  t.after(() => child.end('SIGKILL', 0));
  const starts = () => (existsSync(logFile(home, part)) ? readFileSync(logFile(home, part), 'utf8').split('started').length - 1 : 0);
  await until(() => starts() === 1);
  /** As the agent asks; resolves when it has been answered. */
  const ask = async (): Promise<void> => {
    writeFileSync(restartFile(home, part), '');
    await until(() => !existsSync(restartFile(home, part)));
  };
  return { starts, ask };
}

/** Takes the core that the parts are on. The kernel shares a core between sessions first, so each has one of its own. */
function takeCore(t: TestContext): void {
  for (let i = 0; i < 4; i++) {
    const child = spawn('taskset', ['-c', '0', 'sh', '-c', 'while :; do :; done'], { stdio: 'ignore', detached: true });
    t.after(() => child.kill('SIGKILL'));
  }
}

test('a part that does not answer is killed and started again', async (t) => {
  const { starts, ask } = await supervised(t, 'frps', 'while :; do sleep 1; done');
  await ask();
  await until(() => starts() === 2);
});

test(
  'a part that waits for a core is slow, not stuck: it is spared, and killed where that does not end',
  { timeout: 120_000 },
  async (t) => {
    const { starts, ask } = await supervised(t, 'frps', 'while :; do :; done');
    takeCore(t);
    for (let i = 0; i < 3; i++) await ask();
    assert.equal(starts(), 1);
    while (starts() === 1) await ask();
  },
);

test(
  'an agent that writes nothing is spared while it waits for a core, and killed where that does not end',
  { timeout: 120_000 },
  async (t) => {
    let looks = 0;
    const { starts } = await supervised(t, 'agent', 'while :; do :; done', () => ++looks > 0);
    takeCore(t);
    await until(() => looks === 3);
    assert.equal(starts(), 1);
    await until(() => starts() === 2);
  },
);

test('an agent that a person has started anew is not spared', { timeout: 120_000 }, async (t) => {
  const { starts, ask } = await supervised(t, 'agent', 'while :; do :; done');
  takeCore(t);
  await ask();
  await until(() => starts() === 2);
});
