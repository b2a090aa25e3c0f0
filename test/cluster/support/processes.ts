/** Processes of Pods: in a lab of our own they are this machine's, below the lab's control group (test/cluster/lab). */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';

const ours = `:/${process.env.FRP_LAB_NAME ?? 'frp-lab'}/`;

/** Process ids of a Pod's processes whose command line matches by number. */
export function processesOf(pod: string, command = /^/): number[] {
  const read = (pid: string, file: string) => {
    try {
      return readFileSync(`/proc/${pid}/${file}`, 'utf8');
    } catch {
      return ''; // it has just ended
    }
  };
  return (
    readdirSync('/proc')
      .filter((pid) => /^[0-9]+$/.test(pid))
      .filter((pid) => read(pid, 'environ').split('\0').includes(`HOSTNAME=${pod}`))
      // A Pod of another lab may have the name too.
      .filter((pid) => read(pid, 'cgroup').includes(ours))
      .filter((pid) => command.test(read(pid, 'cmdline').replaceAll('\0', ' ')))
      .map(Number)
      .sort((a, b) => a - b)
  );
}

/** The first process of one of a Pod's containers: it stays while what it started is killed. */
export function firstProcessOf(pod: string): number {
  const first = processesOf(pod).find((pid) => /^NSpid:\s(?:\d+\s)*1$/m.test(readFileSync(`/proc/${pid}/status`, 'utf8')));
  assert.ok(first !== undefined, `${pod} has a container`);
  return first;
}

/** Sends a signal to each of them; there must be one at least. */
export function signalTo(pod: string, command: RegExp, signal: NodeJS.Signals): void {
  const found = processesOf(pod, command);
  assert.ok(found.length > 0, `${pod} has a process ${command.source}`);
  for (const pid of found) process.kill(pid, signal);
}

/** Kills them; when this returns they are gone with all they had open, and this process has done nothing else meanwhile. */
export async function killAtOnce(find: () => number[]): Promise<void> {
  const pids = find();
  assert.ok(pids.length > 0, 'there is a process to kill');
  // Looking for them took a while: what has happened in it comes first.
  await new Promise((resolve) => setTimeout(resolve, 50));
  for (const pid of pids) kill(pid);
  const clock = new Int32Array(new SharedArrayBuffer(4));
  for (const end = Date.now() + 10_000; pids.some(hasOpenFiles); Atomics.wait(clock, 0, 0, 1))
    assert.ok(Date.now() < end, `${pids.join(', ')} end when they are killed`);
}

/** Waits until they are gone, whoever ends them. */
export async function ended(pids: readonly number[], seconds = 90): Promise<void> {
  for (const end = Date.now() + seconds * 1000; pids.some(hasOpenFiles); await new Promise((resolve) => setTimeout(resolve, 10)))
    assert.ok(Date.now() < end, `${pids.join(', ')} end`);
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    // The first of a container takes the others along.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** One that has ended has none, also where nobody has taken notice of it yet (a zombie). */
function hasOpenFiles(pid: number): boolean {
  try {
    const tasks = readdirSync(`/proc/${pid}/task`);
    return tasks.some((task) => !/^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/task/${task}/stat`, 'utf8')));
  } catch {
    return false;
  }
}
