import { setTimeout as sleep } from 'node:timers/promises';

/** Asks until there is an answer. @throws after the limit, with the last error as cause */
export async function eventually<T>(
  what: string,
  ask: () => Promise<T | undefined | false> | T | undefined | false,
  limitMs = 60_000,
): Promise<T> {
  const until = Date.now() + limitMs;
  let last: unknown;
  while (Date.now() < until) {
    try {
      const answer = await ask();
      if (answer !== undefined && answer !== false) return answer;
    } catch (error) {
      last = error;
    }
    await sleep(20);
  }
  throw new Error(`not in ${limitMs} ms: ${what}`, { cause: last });
}
