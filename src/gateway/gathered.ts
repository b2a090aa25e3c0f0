/** What comes one by one, done together after a while. */

export class Gathered<T> {
  readonly #act: (items: readonly T[]) => Promise<void>;
  readonly #ms: number;
  readonly #items = new Set<T>();
  #timer: NodeJS.Timeout | undefined;
  #acting: Promise<void> = Promise.resolve();

  /** @param act never rejects @param ms from the first of some items to the act */
  constructor(act: (items: readonly T[]) => Promise<void>, ms: number) {
    this.#act = act;
    this.#ms = ms;
  }

  add(item: T): void {
    this.#items.add(item);
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      const items = [...this.#items];
      this.#items.clear();
      this.#acting = this.#acting.then(() => this.#act(items));
    }, this.#ms);
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#acting;
  }
}
