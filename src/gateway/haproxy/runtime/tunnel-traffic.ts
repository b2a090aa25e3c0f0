/** How much each tunnel has brought, read from the tunnels' HAProxy: those of processes from before reloads too. */
import { runCommand } from './cli.ts';
import { openTunnelsOf, type OpenTunnel } from './open-tunnels.ts';
import { workers } from './tunnel-sessions.ts';

export interface TunnelTraffic extends Pick<OpenTunnel, 'certificate' | 'waits'> {
  /** process and session, of this HAProxy's life */
  session: string;
  /** from the client, since it connected */
  bytes: number;
}

/**
 * Every tunnel that is open. Costs HAProxy about 20 µs for each: for when something is wrong.
 * @param master socket of the master
 * @throws CliError where HAProxy is not there
 */
export async function tunnelTraffic(master: string): Promise<TunnelTraffic[]> {
  const tunnels: TunnelTraffic[] = [];
  for (const pid of workers(await runCommand(master, 'show proc'))) {
    const clients = new Map((await openTunnelsOf(master, pid)).map(({ certificate, client, waits }) => [client, { certificate, waits }]));
    for (const { id, client, bytes } of sessionsIn(await runCommand(master, `@!${pid} show sess all`))) {
      const known = clients.get(client);
      if (known) tunnels.push({ ...known, session: `${pid}/${id}`, bytes });
    }
  }
  return tunnels;
}

/** Each is some lines: the first tells the client, one that begins with `req=` what it has sent. */
const sessionsIn = (shown: string): { id: string; client: string; bytes: number }[] =>
  shown.split(/^(?=0x)/m).flatMap((session) => {
    const [, id, client] = /^(0x[0-9a-f]+): [^\n]* source=([^ \n]+)/.exec(session) ?? [];
    const bytes = /^ {2}req=0x[^\n]* total=([0-9]+)\)/m.exec(session)?.[1];
    return id === undefined || bytes === undefined ? [] : [{ id, client: client!, bytes: Number(bytes) }];
  });
