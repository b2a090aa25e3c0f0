/** The tunnels that are open in a process of the tunnels' HAProxy, as its table of sessions tells them. */
import { sessionsTable } from '../config/tunnel-config.ts';
import { runCommand, runCommands } from './cli.ts';
import { workers } from './tunnel-sessions.ts';

export interface OpenTunnel {
  /** SHA-256 of the client's certificate (DER), lower-case hexadecimal */
  certificate: string;
  /** address and port of the client */
  client: string;
  /** from which HAProxy has handed it on to frps; 0 until frps has said something */
  port: number;
  /** how often it asked for more than tunnel-pace.ts lets through, and had to wait */
  waits: number;
}

/** Entries of those that have ended stay for a moment, and are left out. @param table answer of `show table` */
export const openTunnelsIn = (table: string): OpenTunnel[] =>
  table.split('\n').flatMap((line) => {
    const [, certificate, client, uses] = / key=([0-9a-f]{64})\/([^ ]+) use=([0-9]+) /.exec(line) ?? [];
    if (certificate === undefined || uses === '0') return [];
    return [{ certificate, client: client!, port: numberIn(/ gpt0=([0-9]+)/.exec(line)), waits: numberIn(/ gpc0=([0-9]+)/.exec(line)) }];
  });

const numberIn = (match: RegExpExecArray | null): number => Number(match?.[1] ?? 0);

/** @param pid of a worker */
export const openTunnelsOf = async (master: string, pid: string): Promise<OpenTunnel[]> =>
  openTunnelsIn(await runCommand(master, `@!${pid} show table ${sessionsTable}`));

/** Those too that a process from before a reload still has. @param master socket of the master */
export async function openTunnels(master: string): Promise<OpenTunnel[]> {
  const tunnels: OpenTunnel[] = [];
  for (const pid of workers(await runCommand(master, 'show proc'))) tunnels.push(...(await openTunnelsOf(master, pid)));
  return tunnels;
}

/** How many there are, those too that a process from before a reload still has; costs next to nothing. */
export async function countTunnels(master: string): Promise<number> {
  let count = 0;
  for (const pid of workers(await runCommand(master, 'show proc'))) {
    const tables = await runCommand(master, `@!${pid} show table`);
    count += Number(tables.match(/^# table: sessions, .*used:([0-9]+)/m)?.[1] ?? 0);
  }
  return count;
}

/**
 * Ends tunnels, those too that a process from before a reload still has.
 * @param master socket of the master
 * @returns how many it ended
 */
export async function endTunnelsWhere(master: string, isWanted: (tunnel: OpenTunnel) => boolean): Promise<number> {
  let count = 0;
  for (const pid of workers(await runCommand(master, 'show proc'))) {
    const clients = new Set((await openTunnelsOf(master, pid)).filter(isWanted).map(({ client }) => client));
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

/** Where links or users share the entrance, the session there has the address; the one behind it comes by a socket of its own. */
const sessionsOf = (shown: string, clients: ReadonlySet<string>): string[] =>
  [...shown.matchAll(/^(0x[0-9a-f]+): .*? src=([^ ]+) fe=(?:tunnel|entrance|shared) /gm)]
    .filter(([, , client]) => clients.has(client!))
    .map(([, id]) => id!);
