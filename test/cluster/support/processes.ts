/** Processes of Pods: in a lab of our own they are this machine's. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';

/** Process ids of a Pod's processes whose command line matches, oldest first. */
export function processesOf(pod: string, command = /^/): number[] {
  const read = (pid: string, file: string) => {
    try {
      return readFileSync(`/proc/${pid}/${file}`, 'utf8');
    } catch {
      return ''; // it has just ended
    }
  };
  return readdirSync('/proc')
    .filter((pid) => /^[0-9]+$/.test(pid))
    .filter((pid) => read(pid, 'environ').split('\0').includes(`HOSTNAME=${pod}`))
    .filter((pid) => command.test(read(pid, 'cmdline').replaceAll('\0', ' ')))
    .map(Number)
    .sort((a, b) => a - b);
}

/** Sends a signal to each of them; there must be one at least. */
export function signalTo(pod: string, command: RegExp, signal: NodeJS.Signals): void {
  const found = processesOf(pod, command);
  assert.ok(found.length > 0, `${pod} has a process ${command.source}`);
  for (const pid of found) process.kill(pid, signal);
}
