/** Time as a value that is passed in, so that tests live through a year of renewals in milliseconds. */
export interface Clock {
  /** milliseconds since the epoch, wall clock */
  now(): number;
  /** Calls back once after `ms`. @returns a function that cancels it */
  after(ms: number, callback: () => void): () => void;
}

const longestTimer = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, Math.min(ms, longestTimer));
    return () => clearTimeout(timer);
  },
};

/**
 * Runs `work` again and again, `periodMs` (plus up to a tenth, so that replicas spread out) after it has finished.
 * Timers stand still while a machine sleeps, so whoever waits for a date compares it with `clock.now()` at each tick.
 * `work` must not throw. @returns a function that ends it
 */
export function every(clock: Clock, periodMs: number, work: () => void | Promise<void>): () => void {
  let closed = false;
  let cancel = () => {};
  const arm = () => {
    if (closed) return;
    cancel = clock.after(periodMs * (1 + Math.random() / 10), () => {
      void Promise.resolve(work()).then(arm);
    });
  };
  arm();
  return () => {
    closed = true;
    cancel();
  };
}
