/**
 * What callers hold of something that is limited: connections, bytes of bodies. Where there is too much, whoever holds the
 * most loses what he has held longest; so one caller, or a few, cannot take all of it from the API server.
 */
export class FairShare {
  readonly #limit: number;
  readonly #owners = new Map<string, { sum: number; holdings: Map<() => void, number> }>();
  #total = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get total(): number {
    return this.#total;
  }

  /** @param end takes the holding away; it is called at most once, after it has been released */
  take(owner: string, end: () => void, amount: number): void {
    let own = this.#owners.get(owner);
    if (!own) this.#owners.set(owner, (own = { sum: 0, holdings: new Map<() => void, number>() }));
    own.holdings.set(end, (own.holdings.get(end) ?? 0) + amount);
    own.sum += amount;
    this.#total += amount;
    while (this.#total > this.#limit) this.#endOne();
  }

  release(owner: string, end: () => void): void {
    const own = this.#owners.get(owner);
    const amount = own?.holdings.get(end);
    if (!own || amount === undefined) return;
    own.holdings.delete(end);
    own.sum -= amount;
    this.#total -= amount;
    if (own.holdings.size === 0) this.#owners.delete(owner);
  }

  #endOne(): void {
    let most: [string, number] = ['', -1];
    for (const [owner, { sum }] of this.#owners) if (sum > most[1]) most = [owner, sum];
    const end = this.#owners.get(most[0])!.holdings.keys().next().value!;
    this.release(most[0], end);
    end();
  }
}
