/** Revoked client certificates in the tunnels' HAProxy: they are turned away, and the tunnels that they have open end. */
import { CliError, runCommand, runCommands } from './cli.ts';

/** Of the sessions that are under way, by certificate and client (tunnel.ts). */
export const sessionsTable = 'sessions';

/** Brings the list of the process to this one. @param path as HAProxy names it; @param wanted SHA-256 fingerprints, lower-case hexadecimal */
export async function turnAway(socket: string, path: string, wanted: readonly string[]): Promise<void> {
  const shown = await runCommand(socket, `show acl ${path}`);
  const now = new Set([...shown.matchAll(/^0x[0-9a-f]+ ([0-9a-f]{64})$/gm)].map(([, hash]) => hash!));
  const said = await runCommands(socket, [
    ...wanted.filter((hash) => !now.has(hash)).map((hash) => `add acl ${path} ${hash}`),
    ...[...now].filter((hash) => !wanted.includes(hash)).map((hash) => `del acl ${path} ${hash}`),
  ]);
  if (said.length > 0) throw new CliError(`revocation: ${said.join('; ')}`);
}

/**
 * Ends the tunnels of these certificates, those too that a process from before a reload still has. Whoever comes after
 * turnAway() is refused, and whoever came before is in the table.
 * @param master socket of the master
 * @returns how many it ended
 */
export async function endTunnels(master: string, revoked: readonly string[]): Promise<number> {
  let count = 0;
  for (const pid of workers(await runCommand(master, 'show proc'))) {
    const clients = new Set(clientsOf(await runCommand(master, `@!${pid} show table ${sessionsTable}`), new Set(revoked)));
    if (clients.size === 0) continue;
    for (const id of sessionsOf(await runCommand(master, `@!${pid} show sess`), clients)) {
      await runCommand(master, `@!${pid} shutdown session ${id}`);
      count++;
    }
  }
  return count;
}

/** Process ids, old ones included (management manual, 9.4.2, "show proc"). */
const workers = (shown: string): string[] => [...shown.matchAll(/^([0-9]+) +worker /gm)].map(([, pid]) => pid!);

/** Address and port of each client that is connected with one of these certificates. */
const clientsOf = (table: string, revoked: ReadonlySet<string>): string[] =>
  [...table.matchAll(/ key=([0-9a-f]{64})\/([^ ]+) use=([0-9]+) /g)]
    .filter(([, hash, , uses]) => revoked.has(hash!) && uses !== '0')
    .map(([, , client]) => client!);

const sessionsOf = (shown: string, clients: ReadonlySet<string>): string[] =>
  [...shown.matchAll(/^(0x[0-9a-f]+): .*? src=([^ ]+) fe=tunnel /gm)].filter(([, , client]) => clients.has(client!)).map(([, id]) => id!);
