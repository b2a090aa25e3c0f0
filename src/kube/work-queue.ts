/** Keys waiting to be worked on: each once, never two workers on one, failures tried again with growing pauses. */
import { systemClock, type Clock } from '../../certs/clock.ts';
import { backoffMs, type BackoffLimits } from './backoff.ts';

export interface QueueOptions {
  handle: (key: string) => Promise<void>;
  /** told of each failure, with the pause before the next attempt */
  onFailure: (key: string, error: unknown, waitMs: number) => void;
  concurrency?: number;
  /** attempts a second on average, and how many may come at once */
  perSecond?: number;
  burst?: number;
  backoff?: BackoffLimits;
  clock?: Clock;
}

export class WorkQueue {
  readonly #options: Required<QueueOptions>;
  readonly #waiting = new Set<string>();
  readonly #running = new Map<string, Promise<void>>();
  readonly #failures = new Map<string, number>();
  readonly #retries = new Map<string, () => void>();
  #started = false;
  #closed = false;
  #tokens: number;
  #refilledAt: number;
  #cancelRefill: (() => void) | undefined;

  constructor(options: QueueOptions) {
    const defaults = { concurrency: 4, perSecond: 100, burst: 200, backoff: { minMs: 100, maxMs: 120_000 }, clock: systemClock };
    this.#options = { ...defaults, ...options };
    this.#tokens = this.#options.burst;
    this.#refilledAt = this.#options.clock.now();
  }

  /** Keys added before are kept; work begins now. */
  start(): void {
    this.#started = true;
    this.#pump();
  }

  /** A key that is being worked on is worked on once more after that. One that waits for a retry is tried now. */
  add(key: string): void {
    if (this.#closed) return;
    this.#cancelRetry(key);
    this.#waiting.add(key);
    this.#pump();
  }

  /** Starts nothing more, and resolves when what is running has ended. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#waiting.clear();
    for (const cancel of this.#retries.values()) cancel();
    this.#retries.clear();
    this.#cancelRefill?.();
    await Promise.all(this.#running.values());
  }

  #pump(): void {
    if (!this.#started || this.#closed) return;
    for (const key of this.#waiting) {
      if (this.#running.size >= this.#options.concurrency) return;
      if (this.#running.has(key)) continue;
      if (!this.#takeToken()) return;
      this.#waiting.delete(key);
      this.#running.set(key, this.#work(key));
    }
  }

  async #work(key: string): Promise<void> {
    // The rest runs after the entry in #running is made.
    await Promise.resolve();
    try {
      await this.#options.handle(key);
      this.#failures.delete(key);
    } catch (error) {
      this.#retryLater(key, error);
    }
    this.#running.delete(key);
    this.#pump();
  }

  #retryLater(key: string, error: unknown): void {
    const { clock, backoff, onFailure } = this.#options;
    const failures = this.#failures.get(key) ?? 0;
    const wait = backoffMs(failures, backoff);
    this.#failures.set(key, failures + 1);
    onFailure(key, error, wait);
    if (this.#closed || this.#waiting.has(key)) return;
    this.#retries.set(
      key,
      clock.after(wait, () => this.add(key)),
    );
  }

  #cancelRetry(key: string): void {
    this.#retries.get(key)?.();
    this.#retries.delete(key);
  }

  /** A bucket of `burst` tokens that fills with `perSecond`; where it is empty, the queue goes on when the next is there. */
  #takeToken(): boolean {
    const { clock, perSecond, burst } = this.#options;
    const now = clock.now();
    this.#tokens = Math.min(burst, this.#tokens + (Math.max(0, now - this.#refilledAt) / 1000) * perSecond);
    this.#refilledAt = now;
    if (this.#tokens >= 1) {
      this.#tokens--;
      return true;
    }
    this.#cancelRefill ??= clock.after(Math.ceil((1000 * (1 - this.#tokens)) / perSecond), () => {
      this.#cancelRefill = undefined;
      this.#pump();
    });
    return false;
  }
}
