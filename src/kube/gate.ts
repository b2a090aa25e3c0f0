/** Opens when so many have come to it, or when the patience with those that have not is over. */
export class Gate {
  readonly open: Promise<void>;
  #missing: number;
  #unlock: () => void = () => {};

  /** @param patienceMs how long who has come waits for the others */
  constructor(count: number, patienceMs: number) {
    this.#missing = count;
    this.open = new Promise((resolve) => {
      const timer = setTimeout(resolve, patienceMs);
      this.#unlock = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Also for who gives up before it has come. Once the gate is open nobody counts. */
  arrive(): void {
    if (--this.#missing <= 0) this.#unlock();
  }
}
