/** What a process of HAProxy knows of users from the one before it or from replicas (config/stick-tables.ts). */
import { runCommand } from './cli.ts';

/** Longer than HAProxy may be without having finished its own first sync. Milliseconds. */
export const syncMs = 11_000;

/** Whether a process can give the next one all that it remembers: at a reload nothing is forgotten then. @throws CliError where HAProxy is not there */
export const canSync = async (socket: string): Promise<boolean> => !(await hasUsers(socket)) || hasFinished(socket);

const hasUsers = async (socket: string): Promise<boolean> => /used:[1-9]/.test(await runCommand(socket, 'show table'));

/** Whether a process has received all that it will. @throws CliError where HAProxy is not there */
export async function hasFinished(socket: string): Promise<boolean> {
  const [, flags = '3'] = /flags=0x([0-9a-f]+)/.exec(await runCommand(socket, 'show peers')) ?? [];
  return (Number.parseInt(flags, 16) & 3) === 3;
}
