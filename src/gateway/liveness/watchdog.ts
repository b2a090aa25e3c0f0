/**
 * Whether a part of the gateway still answers. One that is stuck keeps its sockets, and the kernel goes on to accept
 * connections for it: only an answer tells. Noticed 2.5 seconds after the last answer at the latest.
 */
import { Loop } from '../../kube/loop.ts';

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
/** Turns of this process while it waits for an answer; the last one comes with the end of the wait. */
const turnsOfLook = 5;
/** With fewer it was starved, or busy, for most of the time: an answer may have lain there. */
const fewestTurns = 3;

export class Watchdog {
  readonly #options: Required<WatchdogOptions>;
  readonly #loop = new Loop();
  #isStuck = false;
  #misses = 0;

  /** Starts at once. */
  constructor(options: WatchdogOptions) {
    this.#options = { limitMs: 1000, everyMs: 500, ...options };
    this.#loop.start(
      () => this.#judge(),
      (tookMs) => this.#options.everyMs - tookMs,
    );
  }

  close(): Promise<void> {
    return this.#loop.close();
  }

  async #judge(): Promise<void> {
    const answered = await this.#look();
    if (this.#loop.signal.aborted) return;
    if (answered !== undefined) this.#misses = answered ? 0 : this.#misses + 1;
    this.#set(this.#misses >= stuckAfter);
    if (this.#misses >= givenUpAfter) this.#options.givenUp();
  }

  /** @returns undefined where this process had itself no time to take an answer */
  async #look(): Promise<boolean | undefined> {
    const { probe, limitMs } = this.#options;
    const began = performance.now();
    let turns = 0;
    const counting = setInterval(() => turns++, limitMs / turnsOfLook);
    try {
      await probe(limitMs);
      return true;
    } catch {
      const isLate = performance.now() - began >= limitMs;
      return isLate && turns < fewestTurns ? undefined : false;
    } finally {
      clearInterval(counting);
    }
  }

  #set(isStuck: boolean): void {
    if (isStuck === this.#isStuck) return;
    this.#isStuck = isStuck;
    this.#options.stuck(isStuck);
  }
}
