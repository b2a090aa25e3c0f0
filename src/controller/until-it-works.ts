import { backoffMs, pause, type BackoffLimits } from '../kube/backoff.ts';

const retry: BackoffLimits = { minMs: 500, maxMs: 15_000 };

/** Tries until it works, or until the signal. @param failed told of each failure @returns whether it has worked */
export async function untilItWorks(work: () => Promise<void>, signal: AbortSignal, failed: (error: Error) => void): Promise<boolean> {
  for (let attempt = 0; !signal.aborted; attempt++) {
    try {
      await work();
      return true;
    } catch (error) {
      failed(error as Error);
      await pause(backoffMs(attempt, retry), signal);
    }
  }
  return false;
}
