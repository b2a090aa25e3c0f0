/** Brings something to the newest state, and is the one that tries again: changes that come together, or while it is at work, are one. */
import { backoffMs } from '../kube/backoff.ts';
import type { Log } from '../log.ts';

export interface ApplyLoopOptions {
  what: string;
  /** does what can be done now. @returns when there is more to do */
  apply: () => Promise<{ waitMs: number | undefined }>;
  log: Log;
  /** how long changes are gathered; milliseconds */
  gatherMs?: number;
}

const retry = { minMs: 200, maxMs: 10_000 };

export class ApplyLoop {
  readonly #options: ApplyLoopOptions;
  readonly #gatherMs: number;
  #timer: NodeJS.Timeout | undefined;
  #dueAt = Infinity;
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
    this.#gatherMs = options.gatherMs ?? 20;
  }

  /** Why there is nothing to serve with yet. A later change that fails is none: what was applied before goes on, and every replica would fail alike. */
  get problem(): string | undefined {
    return this.hasApplied ? undefined : this.#failure;
  }

  /** Whether all that was wanted is done. */
  get isSettled(): boolean {
    return this.hasApplied && !this.#isWanted && !this.#running && !this.#timer;
  }

  /** What was wanted until now is done now. */
  start(): void {
    this.#isOpen = true;
    this.schedule();
  }

  schedule(): void {
    this.#isWanted = true;
    // What has changed may be the remedy.
    this.#within(this.#failures > 0 ? retry.minMs : this.#gatherMs);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  /** Runs in this time at the latest. */
  #within(ms: number): void {
    const dueAt = performance.now() + ms;
    if (!this.#isOpen || this.#isClosed || this.#running || dueAt >= this.#dueAt) return;
    clearTimeout(this.#timer);
    this.#dueAt = dueAt;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#dueAt = Infinity;
      this.#running = this.#run();
    }, ms);
  }

  async #run(): Promise<void> {
    const { apply, log, what } = this.#options;
    this.#isWanted = false;
    let waitMs: number | undefined;
    try {
      ({ waitMs } = await apply());
      this.hasApplied = true;
      this.#failures = 0;
    } catch (error) {
      this.#failure = (error as Error).message;
      waitMs = backoffMs(this.#failures++, retry);
      log.error({ err: error, waitMs: Math.round(waitMs) }, `${what} could not be brought up to date, trying again`);
    }
    this.#running = undefined;
    if (this.#isWanted) this.#within(this.#failures > 0 ? retry.minMs : this.#gatherMs);
    if (waitMs !== undefined) this.#within(Math.max(this.#gatherMs, waitMs));
  }
}
