/** Brings something to the newest state: changes that come together, or while it is at work, are one. */
import { backoffMs } from '../kube/backoff.ts';
import type { Log } from '../log.ts';

export interface ApplyLoopOptions {
  what: string;
  apply: () => Promise<void>;
  log: Log;
  /** how long changes are gathered; milliseconds */
  gatherMs?: number;
}

const retry = { minMs: 200, maxMs: 10_000 };

export class ApplyLoop {
  readonly #options: ApplyLoopOptions;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #isWanted = false;
  #isOpen = false;
  #isClosed = false;
  #failures = 0;
  /** whether it has succeeded once */
  hasApplied = false;
  #failure = 'not applied yet';

  constructor(options: ApplyLoopOptions) {
    this.#options = options;
  }

  /** Why there is nothing to serve with yet. A later change that fails is none: what was applied before goes on, and every replica would fail alike. */
  get problem(): string | undefined {
    return this.hasApplied ? undefined : this.#failure;
  }

  /** What was wanted until now is done now. */
  start(): void {
    this.#isOpen = true;
    this.schedule();
  }

  schedule(): void {
    this.#isWanted = true;
    if (this.#failures > 0) {
      // What has changed may be the remedy.
      clearTimeout(this.#timer);
      this.#timer = undefined;
    }
    this.#later(this.#failures > 0 ? retry.minMs : (this.#options.gatherMs ?? 20));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  #later(ms: number): void {
    if (!this.#isOpen || this.#isClosed || this.#running || this.#timer) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#running = this.#run();
    }, ms);
  }

  async #run(): Promise<void> {
    const { apply, log, what, gatherMs = 20 } = this.#options;
    this.#isWanted = false;
    let pauseMs = gatherMs;
    try {
      await apply();
      this.hasApplied = true;
      this.#failures = 0;
    } catch (error) {
      this.#failure = (error as Error).message;
      pauseMs = backoffMs(this.#failures++, retry);
      this.#isWanted = true;
      log.error({ err: error, waitMs: Math.round(pauseMs) }, `${what} could not be brought up to date, trying again`);
    }
    this.#running = undefined;
    if (this.#isWanted) this.#later(pauseMs);
  }
}
