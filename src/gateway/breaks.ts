/** Work that would take the one thread for long, done in parts: what has come meanwhile, such as a call of frps, is answered between them. */
import { setImmediate as turn } from 'node:timers/promises';

/** Milliseconds without a break. */
const longestMs = 10;

/** @param work gives way wherever it yields */
export async function withBreaks<T>(work: Generator<void, T>): Promise<T> {
  for (;;) {
    const until = performance.now() + longestMs;
    do {
      const { done, value } = work.next();
      if (done) return value;
    } while (performance.now() < until);
    await turn();
  }
}
