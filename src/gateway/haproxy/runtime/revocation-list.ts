/** Revoked client certificates in the tunnels' HAProxy: they are turned away, and the tunnels that they have open end. */
import { CliError, runCommand, runCommands } from './cli.ts';
import { sessionsTable } from '../config/tunnel-config.ts';
import { workers } from './tunnel-sessions.ts';

/** Brings the list of the process to this one. @param path as HAProxy names it; @param wanted SHA-256 fingerprints, lower-case hexadecimal */
export async function turnAway(socket: string, path: string, wanted: readonly string[]): Promise<void> {
  const shown = await runCommand(socket, `show acl ${path}`);
  const now = new Set([...shown.matchAll(/^0x[0-9a-f]+ ([0-9a-f]{64})$/gm)].map(([, hash]) => hash!));
  const then = new Set(wanted);
  const said = await runCommands(socket, [
    ...wanted.filter((hash) => !now.has(hash)).map((hash) => `add acl ${path} ${hash}`),
    ...[...now].filter((hash) => !then.has(hash)).map((hash) => `del acl ${path} ${hash}`),
  ]);
  if (said.length > 0) throw new CliError(`revocation: ${said.join('; ')}`);
}

/**
 * Ends the tunnels of these certificates, those too that a process from before a reload still has. Whoever comes after
 * turnAway() is refused, and whoever came before is in the table.
 * @param master socket of the master
 * @param sparedOf of a certificate: the ports from which HAProxy has handed tunnels on to frps that stay
 * @returns how many it ended
 */
export async function endTunnels(master: string, revoked: readonly string[], sparedOf: SparedOf = () => none): Promise<number> {
  const hashes = new Set(revoked);
  let count = 0;
  for (const pid of workers(await runCommand(master, 'show proc'))) {
    const clients = clientsOf(await runCommand(master, `@!${pid} show table ${sessionsTable}`), hashes, sparedOf);
    if (clients.size === 0) continue;
    const sessions = sessionsOf(await runCommand(master, `@!${pid} show sess`), clients);
    // One that has ended by itself meanwhile is told of, and is no failure.
    await runCommands(
      master,
      sessions.map((id) => `@!${pid} shutdown session ${id}`),
    );
    count += sessions.length;
  }
  return count;
}

/** @param certificate SHA-256 */
export type SparedOf = (certificate: string) => ReadonlySet<number>;
const none: ReadonlySet<number> = new Set();

/** Address and port of each client that is connected with one of these certificates, and is not spared. */
const clientsOf = (table: string, revoked: ReadonlySet<string>, sparedOf: SparedOf): Set<string> =>
  new Set(
    [...table.matchAll(/ key=([0-9a-f]{64})\/([^ ]+) use=([0-9]+) [^\n]*gpt0=([0-9]+)/g)]
      .filter(([, hash, , uses, port]) => revoked.has(hash!) && uses !== '0' && !sparedOf(hash!).has(Number(port)))
      .map(([, , client]) => client!),
  );

/** Where links or users share the entrance, the session there has the address; the one behind it comes by a socket of its own. */
const sessionsOf = (shown: string, clients: ReadonlySet<string>): string[] =>
  [...shown.matchAll(/^(0x[0-9a-f]+): .*? src=([^ ]+) fe=(?:tunnel|entrance|shared) /gm)]
    .filter(([, , client]) => clients.has(client!))
    .map(([, id]) => id!);
