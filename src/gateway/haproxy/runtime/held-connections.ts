/** Old processes of HAProxy, and the connections that they hold. */
import { join } from 'node:path';
import { masterSocket, workerSocket } from '../config/global.ts';
import { runCommand } from './cli.ts';
import { oldProcesses } from './master.ts';
import { identify } from './running.ts';

/**
 * How many old processes the next reload may leave, the one that serves now among them: the newest, as many as have no more
 * connections together. One at least, because a reload ends nothing that is new.
 * @param directory of the sockets @param connections as HAProxy counts them, those inside too
 * @throws CliError where HAProxy is not there
 */
export async function oldThatFit(directory: string, connections: number): Promise<number> {
  const old = await oldProcesses(directory);
  const newestFirst = [(await identify(join(directory, workerSocket))).pid, ...old.map(({ pid }) => pid).reverse()];
  let sum = 0;
  for (const [index, pid] of newestFirst.entries()) {
    sum += await connectionsOf(directory, pid);
    if (sum > connections) return Math.max(1, index);
  }
  return newestFirst.length;
}

/** None where the process has just ended. */
async function connectionsOf(directory: string, pid: string): Promise<number> {
  const info = await runCommand(join(directory, masterSocket), `@!${pid} show info`).catch(() => '');
  return Number(/^CurrConns: ([0-9]+)$/m.exec(info)?.[1] ?? 0);
}
