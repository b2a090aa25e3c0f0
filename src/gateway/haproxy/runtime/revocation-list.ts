/** Revoked client certificates in the tunnels' HAProxy: they are turned away, and the tunnels that they have open end. */
import { CliError, runCommand, runCommands } from './cli.ts';
import { endTunnelsWhere } from './open-tunnels.ts';

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
export function endTunnels(master: string, revoked: readonly string[], sparedOf: SparedOf = () => none): Promise<number> {
  const hashes = new Set(revoked);
  return endTunnelsWhere(master, ({ certificate, port }) => hashes.has(certificate) && !sparedOf(certificate).has(port));
}

/** @param certificate SHA-256 */
export type SparedOf = (certificate: string) => ReadonlySet<number>;
const none: ReadonlySet<number> = new Set();
