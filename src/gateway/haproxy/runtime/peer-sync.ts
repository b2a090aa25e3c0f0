/** Whether a process of HAProxy has learned what others remember of users, so that it can teach the next one (stick-tables.ts). */

import { runCommand } from './cli.ts';

/** Longer than HAProxy may be without having finished. */
export const syncPatience = 11_000;

/** Resolves when a process can teach the next one all that it remembers. @throws CliError where HAProxy is not there */
export async function untilSynced(socket: string): Promise<void> {
  const end = Date.now() + syncPatience;
  while (Date.now() < end && (await hasUsers(socket)) && !(await hasFinished(socket))) await new Promise((later) => setTimeout(later, 100));
}

export const hasUsers = async (socket: string): Promise<boolean> => /used:[1-9]/.test(await runCommand(socket, 'show table'));

/** Whether a process has learned all that it will. @throws CliError where HAProxy is not there */
export async function hasFinished(socket: string): Promise<boolean> {
  const [, flags = '3'] = /flags=0x([0-9a-f]+)/.exec(await runCommand(socket, 'show peers')) ?? [];
  return (Number.parseInt(flags, 16) & 3) === 3;
}
