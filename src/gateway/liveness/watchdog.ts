/**
 * Whether a part of the gateway still answers. One that is stuck keeps its sockets, and the kernel goes on to accept
 * connections for it: only an answer tells. Noticed 2.5 seconds after the last answer at the latest.
 */
import { pause } from '../../kube/backoff.ts';

/** absent: nobody listens, which is not the same as being stuck */
export type Look = 'answers' | 'absent';

export interface WatchdogOptions {
  /** @throws where no answer comes within so many milliseconds */
  probe: (limitMs: number) => Promise<Look>;
  /** told of each change */
  stuck: (isStuck: boolean) => void;
  /** it has not answered for as long as it takes to give it up; told again as long as it does not */
  givenUp: () => void;
  /** for tests; milliseconds */
  limitMs?: number;
  everyMs?: number;
}

/** Looks without an answer, one after the other. */
const stuckAfter = 2;
const givenUpAfter = 3;

export class Watchdog {
  readonly #options: Required<WatchdogOptions>;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #isStuck = false;

  /** Starts at once. */
  constructor(options: WatchdogOptions) {
    this.#options = { limitMs: 1000, everyMs: 500, ...options };
    this.#running = this.#run();
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    const { everyMs, givenUp } = this.#options;
    let misses = 0;
    while (!signal.aborted) {
      const began = performance.now();
      const answered = await this.#look();
      if (signal.aborted) return;
      if (answered !== undefined) misses = answered ? 0 : misses + 1;
      this.#set(misses >= stuckAfter);
      if (misses >= givenUpAfter) givenUp();
      await pause(Math.max(0, began + everyMs - performance.now()), signal);
    }
  }

  /** @returns undefined where this process was itself too late to judge */
  async #look(): Promise<boolean | undefined> {
    const { probe, limitMs } = this.#options;
    const began = performance.now();
    try {
      await probe(limitMs);
      return true;
    } catch {
      const took = performance.now() - began;
      return took > 1.5 * limitMs ? undefined : false;
    }
  }

  #set(isStuck: boolean): void {
    if (isStuck === this.#isStuck) return;
    this.#isStuck = isStuck;
    this.#options.stuck(isStuck);
  }
}
