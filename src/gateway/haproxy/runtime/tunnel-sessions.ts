/** Tunnels in HAProxy, found by the connection over which each is handed on to frps. */
import { runCommand, runCommands } from './cli.ts';

/**
 * Ends tunnels, those too that a process from before a reload still has.
 * @param master socket of the master @param addresses HAProxy's own end of each connection, such as `127.0.0.1:40882`
 * @returns how many it ended
 */
export async function endTunnelsFrom(master: string, addresses: readonly string[]): Promise<number> {
  const wanted = new Set(addresses);
  let count = 0;
  for (const pid of workers(await runCommand(master, 'show proc'))) {
    const sessions = sessionsFrom(await runCommand(master, `@!${pid} show sess all`), wanted);
    // One that has ended by itself meanwhile is told of, and is no failure.
    await runCommands(
      master,
      sessions.map((id) => `@!${pid} shutdown session ${id}`),
    );
    count += sessions.length;
  }
  return count;
}

/** Process ids, old ones included (management manual, 9.4.2, "show proc"). */
export const workers = (shown: string): string[] => [...shown.matchAll(/^([0-9]+) +worker /gm)].map(([, pid]) => pid!);

/** Ids of such sessions. @param shown answer of `show sess all` */
export function sessionsFrom(shown: string, addresses: ReadonlySet<string>): string[] {
  const found: string[] = [];
  let id: string | undefined;
  for (const line of shown.split('\n')) {
    id = /^(0x[0-9a-f]+): /.exec(line)?.[1] ?? id;
    const address = /^ {2}backend=frps \(.*\) addr=(\S+)$/.exec(line)?.[1];
    if (id !== undefined && address !== undefined && addresses.has(address)) found.push(id);
  }
  return found;
}
