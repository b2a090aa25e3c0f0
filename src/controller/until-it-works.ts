/** What has to work before anything else does, tried until it does. */
import { backoffMs, pause, type BackoffLimits } from '../kube/backoff.ts';
import type { Log } from '../log.ts';

const limits: BackoffLimits = { minMs: 500, maxMs: 15_000 };

/** @param failure for the log @param tell told why it does not work, and with undefined when it has */
export async function untilItWorks(
  failure: string,
  work: () => Promise<void>,
  { signal, log, tell }: { signal: AbortSignal; log: Pick<Log, 'error'>; tell: (problem: string | undefined) => void },
): Promise<void> {
  for (let attempt = 0; !signal.aborted; attempt++) {
    try {
      await work();
      tell(undefined);
      return;
    } catch (error) {
      tell((error as Error).message);
      log.error({ err: error }, failure);
      await pause(backoffMs(attempt, limits), signal);
    }
  }
}
