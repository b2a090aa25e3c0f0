/** Pauses between attempts. */
export interface BackoffLimits {
  minMs: number;
  maxMs: number;
}

/** Doubles with each failure from `minMs` to `maxMs`; the half of it is chance, so that replicas do not retry together. */
export function backoffMs(failures: number, { minMs, maxMs }: BackoffLimits, random = Math.random()): number {
  const full = Math.min(maxMs, minMs * 2 ** Math.min(failures, 30));
  return full / 2 + (full / 2) * random;
}

/** Resolves after `ms`, or at once when the signal aborts. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const finish = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', finish);
      resolve();
    };
    const timer = setTimeout(finish, ms);
    signal.addEventListener('abort', finish);
  });
}
