/** Requests that wait for the first byte of an answer, in the sections that have the servers (config/failover.ts). */
import { runCommand, runCommands } from './cli.ts';
import { workers } from './tunnel-sessions.ts';

/** Of `show sess`: AN_RES_WAIT_HTTP (HAProxy 2.6, channel-t.h), no header of an answer has come yet. */
const waitsForAnswer = 0x0040_0000;

/**
 * Ends the attempts that have waited for so long, also those of processes from before a reload: a request that may be sent
 * again then goes elsewhere, any other is answered 502. What is being answered goes on.
 * @param master socket of the master @param seconds age of the request
 * @returns how many it ended
 */
export async function endWaiting(master: string, seconds: number): Promise<number> {
  let count = 0;
  for (const pid of workers(await runCommand(master, 'show proc'))) {
    const waiting = waitingIn(await runCommand(master, `@!${pid} show sess`), seconds);
    // One that has been answered meanwhile is told of, and is no failure.
    await runCommands(
      master,
      waiting.map((id) => `@!${pid} shutdown session ${id}`),
    );
    count += waiting.length;
  }
  return count;
}

/** Ids of such sessions. @param shown answer of `show sess` */
export const waitingIn = (shown: string, seconds: number): string[] =>
  shown.split('\n').flatMap((line) => {
    if (!line.startsWith('0x') || !/ fe=frp-(inner|once|again) be=be-/.test(line)) return [];
    const age = after(line, ' age=', ' ');
    const analysers = after(after(line, ' rp[', ']'), 'an=', 'h');
    return secondsOf(age) >= seconds && Number.parseInt(analysers, 16) & waitsForAnswer ? [line.slice(0, line.indexOf(':'))] : [];
  });

/** What stands between a mark and the next end; empty without the mark. */
const after = (text: string, mark: string, end: string): string => text.split(mark, 2)[1]?.split(end, 1)[0] ?? '';

const unit: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** @param age such as 1m5s */
const secondsOf = (age: string): number =>
  [...age.matchAll(/([0-9]{1,9})([smhd])/gy)].reduce((sum, [, count, letter]) => sum + Number(count) * unit[letter!]!, 0);
