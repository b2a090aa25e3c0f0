/** So much at a time, and turns by key: one key's slow work delays nobody else's. */
export class FairLimit {
  readonly #total: number;
  readonly #ofKey: number;
  #running = 0;
  readonly #runningOf = new Map<string, number>();
  /** in the order of turns: a key that has had one goes to the end */
  readonly #waiting = new Map<string, (() => void)[]>();

  /** @param total at a time; @param ofKey of them, of one key */
  constructor(total: number, ofKey: number) {
    this.#total = total;
    this.#ofKey = ofKey;
  }

  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    await new Promise<void>((start) => {
      const queue = this.#waiting.get(key);
      if (queue) queue.push(start);
      else this.#waiting.set(key, [start]);
      this.#next();
    });
    try {
      return await work();
    } finally {
      this.#running--;
      this.#count(key, -1);
      this.#next();
    }
  }

  #next(): void {
    while (this.#running < this.#total) {
      const key = this.#keyOfNext();
      if (key === undefined) return;
      const queue = this.#waiting.get(key)!;
      const start = queue.shift()!;
      this.#waiting.delete(key);
      if (queue.length > 0) this.#waiting.set(key, queue);
      this.#running++;
      this.#count(key, 1);
      start();
    }
  }

  #keyOfNext(): string | undefined {
    for (const key of this.#waiting.keys()) if ((this.#runningOf.get(key) ?? 0) < this.#ofKey) return key;
    return undefined;
  }

  #count(key: string, change: 1 | -1): void {
    const count = (this.#runningOf.get(key) ?? 0) + change;
    if (count === 0) this.#runningOf.delete(key);
    else this.#runningOf.set(key, count);
  }
}
