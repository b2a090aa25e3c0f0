/** Promises with an end to the waiting for them. */

/** Whether it resolves in time. */
export function within(promise: Promise<void>, ms: number): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), ms);
    void promise.then(() => {
      clearTimeout(timer);
      resolve(true);
    });
  });
}

/** One answer for all who ask within so many milliseconds of its question; a failure is asked again. */
export function shared<T>(ask: () => Promise<T>, ms: number): () => Promise<T> {
  let answer: Promise<T> | undefined;
  let until = -Infinity;
  return () => {
    if (answer && performance.now() < until) return answer;
    until = performance.now() + ms;
    const asked = ask();
    answer = asked;
    asked.catch(() => answer === asked && (answer = undefined));
    return asked;
  };
}

export const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => (signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve(), { once: true })));
