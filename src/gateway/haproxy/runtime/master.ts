/** HAProxy's master: reloads, and the processes that it has (management manual, 9.4 "master CLI"). */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { masterSocket, workerSocket } from '../config/global.ts';
import { usersTable } from '../config/user-connections.ts';
import { runCommand } from './cli.ts';
import { identify } from './running.ts';

/** Milliseconds that a new process may take to start. */
const patienceMs = 20_000;

/**
 * Has the master start a new process with the configuration on disk; the one before goes on with its connections.
 * @param before process id of the worker that serves now
 * @returns process id of the new one; undefined where none started, and the one before serves on
 */
export async function reloadMaster(directory: string, before: string): Promise<string | undefined> {
  const [master, worker] = [join(directory, masterSocket), join(directory, workerSocket)];
  const failures = await failedReloads(master).catch(() => undefined);
  let isAsked = false;
  for (const end = performance.now() + patienceMs; performance.now() < end;) {
    // The master does not listen while it starts anew after another reload.
    isAsked ||= await runCommand(master, 'reload').then(
      () => true,
      () => false,
    );
    await sleep(20);
    const now = await identify(worker).catch(() => undefined);
    if (now && now.pid !== before) return now.pid;
    if (failures !== undefined && (await failedReloads(master).catch(() => failures)) > failures) return undefined;
  }
  return undefined;
}

/** How many reloads in a row the master says failed. */
async function failedReloads(master: string): Promise<number> {
  return Number(/\[failed: ([0-9]+)\]/.exec(await runCommand(master, 'show proc'))?.[1] ?? 0);
}

export interface OldProcess {
  pid: string;
  /** reloads since it was the newest */
  reloads: number;
}

/** Processes from before reloads, which still have connections; the oldest first. @throws CliError where the master is not there */
export async function oldProcesses(directory: string): Promise<OldProcess[]> {
  const shown = await runCommand(join(directory, masterSocket), 'show proc');
  const old = shown.split('# old workers')[1] ?? '';
  return [...old.matchAll(/^([0-9]+) +worker +([0-9]+)/gm)]
    .map(([, pid, reloads]) => ({ pid: pid!, reloads: Number(reloads) }))
    .sort((a, b) => b.reloads - a.reloads);
}

/** Connections of users or of tunnels that a process has. @throws CliError where the master is not there */
export async function connectionsOf(directory: string, pid: string): Promise<number> {
  const master = join(directory, masterSocket);
  // Users are counted by themselves where they are limited: a request has more connections, inside.
  const users = /conn_cur=([0-9]+)/.exec(await runCommand(master, `@!${pid} show table ${usersTable}`))?.[1];
  return Number(users ?? /^CurrConns: ([0-9]+)$/m.exec(await runCommand(master, `@!${pid} show info`))?.[1] ?? 0);
}

/**
 * Ends a process at once, with all its connections. The master may run where this process can send no signal, so the process
 * sends it to itself; the master knows it by its id, which nobody else has then.
 * @throws CliError where the master is not there
 */
export async function endProcess(directory: string, pid: string): Promise<void> {
  await runCommand(join(directory, masterSocket), `expert-mode on;@!${pid} debug dev tkill 1 9`);
}
