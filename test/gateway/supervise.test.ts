/** manifests/gateway/supervise.sh as the first process of a PID namespace, as in a container. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { writtenUse } from '../../src/gateway/haproxy/index.ts';
import { directory, until } from './haproxy-harness.ts';

const script = new URL('../../manifests/gateway/supervise.sh', import.meta.url).pathname;
const haproxy = `#!/bin/sh
echo started >>"$FRP_GATEWAY_RUN/log"
trap 'echo drains >>"$FRP_GATEWAY_RUN/log"' USR1
trap 'exit 7' TERM
while [ ! -e "$FRP_GATEWAY_RUN/crash" ]; do sleep 0.1; done
rm "$FRP_GATEWAY_RUN/crash"
exit 3
`;

/**
 * @param before commands that its first process runs before, in a mount namespace of its own
 * @param first commands that the program begins with
 */
async function supervised(t: TestContext, before = '', first = '') {
  const run = directory(t);
  await writeFile(join(run, 'haproxy'), haproxy.replace('#!/bin/sh\n', `#!/bin/sh\n${first}\n`));
  await chmod(join(run, 'haproxy'), 0o755);
  const env = { PATH: `${run}:${process.env.PATH}`, FRP_GATEWAY_RUN: run };
  const command = ['sh', '-c', `${before || ':'}; exec sh "$0" users`, script];
  const child = spawn('unshare', ['--pid', '--fork', '--kill-child', '--mount-proc', ...command], { env, stdio: 'ignore' });
  t.after(() => child.kill('SIGKILL'));
  const log = () => readFile(join(run, 'log'), 'utf8').catch(() => '');
  const starts = async () => (await log()).split('started').length - 1;
  await until(async () => (await starts()) === 1);
  /** Signals the first process, as the kubelet and preStop hooks do. */
  const signal = async (name: NodeJS.Signals) => {
    const [pid = ''] = (await readFile(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8')).trim().split(' ');
    process.kill(Number(pid), name);
  };
  return { run, child, log, starts, signal };
}

const isRunning = (child: ChildProcess) => child.exitCode === null && child.signalCode === null;

test('a program that ends is started again, and the container goes on', async (t) => {
  const { run, child, starts } = await supervised(t);
  await writeFile(join(run, 'crash'), '');
  await until(async () => (await starts()) === 2);
  assert.ok(isRunning(child));
});

test('a program that does not answer is killed and started again', async (t) => {
  const { run, child, starts } = await supervised(t);
  await writeFile(join(run, 'users.restart'), '');
  await until(async () => (await starts()) === 2);
  assert.ok(isRunning(child));
});

test(
  'a program that waits for a core is slow, not stuck: it is spared, and killed where that does not end',
  { timeout: 120_000 },
  async (t) => {
    const { run, starts } = await supervised(t, '', 'for each in 1 2 3 4; do taskset -c 0 sh -c "while :; do :; done" & done');
    const restart = join(run, 'users.restart');
    const ask = async (): Promise<void> => {
      await writeFile(restart, '');
      await until(() => !existsSync(restart));
    };
    await ask();
    await sleep(1000);
    assert.equal(await starts(), 1);
    while ((await starts()) === 1) await ask();
  },
);

test('signals reach the program, and the container ends when it has ended', async (t) => {
  const { child, log, signal } = await supervised(t);
  await signal('SIGUSR1');
  await until(async () => (await log()).includes('drains'));
  assert.ok(isRunning(child));
  await signal('SIGTERM');
  await once(child, 'exit');
  assert.equal(child.exitCode, 7);
});

test('what the container uses of its memory is told to the agent, again and again', async (t) => {
  const { run } = await supervised(t);
  const use = writtenUse(join(run, 'users.memory'));
  await until(async () => ((await use())?.bytes ?? 0) > 0);
  const { at } = (await use())!;
  await until(async () => ((await use())?.at ?? 0) > at);
});

const statistics = 'anon 300\ninactive_file 40\nactive_file 2\nslab 5\n';
for (const [version, at, file] of [
  ['v2', '/sys/fs/cgroup', 'memory.current'],
  ['v1', '/sys/fs/cgroup/memory', 'memory.usage_in_bytes'],
] as const)
  test(`of what a control group (${version}) says that it uses, the files that the kernel keeps do not count`, async (t) => {
    const files = `mkdir -p ${at}; echo 1042 >${at}/${file}; printf '${statistics}' >${at}/memory.stat`;
    const { run } = await supervised(t, `mount -t tmpfs none /sys/fs/cgroup; ${files}`);
    const use = writtenUse(join(run, 'users.memory'));
    await until(async () => (await use()) !== undefined);
    assert.equal((await use())!.bytes, 1000);
  });

test('outside of a container it refuses to run', async () => {
  const child = spawn('sh', [script, 'users'], { stdio: 'ignore' });
  const [code] = (await once(child, 'exit')) as [number];
  assert.equal(code, 2);
});
