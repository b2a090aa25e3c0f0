/** How much of the other end is taken at a time; what comes sooner waits, and with it whoever sends it. */
export class Rate {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #now: () => number;
  #left: number;
  #at: number;

  /** @param now milliseconds of a clock that goes on evenly */
  constructor({ rate, burst }: { rate: number; burst: number }, now: () => number = () => performance.now()) {
    this.#perSecond = rate;
    this.#burst = burst;
    this.#now = now;
    this.#left = burst;
    this.#at = now();
  }

  /** Takes so many. @returns milliseconds to wait before the next are taken */
  take(count: number): number {
    const now = this.#now();
    this.#left = Math.min(this.#burst, this.#left + ((now - this.#at) / 1000) * this.#perSecond) - count;
    this.#at = now;
    return this.#left >= 0 ? 0 : (-this.#left / this.#perSecond) * 1000;
  }

  /** Takes one where there is one, for what is not done otherwise. */
  allows(): boolean {
    if (this.take(1) === 0) return true;
    this.#left++;
    return false;
  }
}
