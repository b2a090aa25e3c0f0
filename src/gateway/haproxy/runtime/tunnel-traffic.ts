/** How much each tunnel has brought, read from the tunnels' HAProxy: those of processes from before reloads too. */
import { runCommand } from './cli.ts';
import { sessionsTable } from '../config/tunnel-config.ts';
import { workers } from './tunnel-sessions.ts';

export interface TunnelTraffic {
  /** SHA-256 of the client's certificate (DER), lower-case hexadecimal */
  certificate: string;
  /** process and session, of this HAProxy's life */
  session: string;
  /** from the client, since it connected */
  bytes: number;
  /** how often it asked for more than tunnel-pace.ts lets through, and had to wait */
  waits: number;
}

/**
 * Every tunnel that is open. Costs HAProxy about 20 µs for each: for when something is wrong.
 * @param master socket of the master
 * @throws CliError where HAProxy is not there
 */
export async function tunnelTraffic(master: string): Promise<TunnelTraffic[]> {
  const tunnels: TunnelTraffic[] = [];
  for (const pid of workers(await runCommand(master, 'show proc'))) {
    const clients = clientsIn(await runCommand(master, `@!${pid} show table ${sessionsTable}`));
    for (const { id, client, bytes } of sessionsIn(await runCommand(master, `@!${pid} show sess all`))) {
      const known = clients.get(client);
      if (known) tunnels.push({ ...known, session: `${pid}/${id}`, bytes });
    }
  }
  return tunnels;
}

/** By address and port of the client. */
const clientsIn = (table: string): Map<string, { certificate: string; waits: number }> =>
  new Map(
    [...table.matchAll(/ key=([0-9a-f]{64})\/([^ ]+) use=[^\n]* gpc0=([0-9]+)/g)].map(([, certificate, client, waits]) => [
      client!,
      { certificate: certificate!, waits: Number(waits) },
    ]),
  );

/** Each is some lines: the first tells the client, one that begins with `req=` what it has sent. */
const sessionsIn = (shown: string): { id: string; client: string; bytes: number }[] =>
  shown.split(/^(?=0x)/m).flatMap((session) => {
    const [, id, client] = /^(0x[0-9a-f]+): [^\n]* source=([^ \n]+)/.exec(session) ?? [];
    const bytes = /^ {2}req=0x[^\n]* total=([0-9]+)\)/m.exec(session)?.[1];
    return id === undefined || bytes === undefined ? [] : [{ id, client: client!, bytes: Number(bytes) }];
  });
