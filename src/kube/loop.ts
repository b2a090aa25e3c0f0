/** Work that is repeated until its owner is closed. */
import { pause } from './backoff.ts';

export class Loop {
  readonly #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();

  /** aborts when the loop is closed */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /**
   * The first round begins at once. `work` must not throw.
   * @param pauseMs milliseconds from the end of a round to the next one; a function is given how long the round took
   */
  start(work: () => Promise<unknown>, pauseMs: number | ((tookMs: number) => number)): void {
    this.#running = this.#run(work, pauseMs);
  }

  /** Resolves once the round under way has ended. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(work: () => Promise<unknown>, pauseMs: number | ((tookMs: number) => number)): Promise<void> {
    const { signal } = this;
    while (!signal.aborted) {
      const began = performance.now();
      await work();
      await pause(typeof pauseMs === 'number' ? pauseMs : Math.max(0, pauseMs(performance.now() - began)), signal);
    }
  }
}
