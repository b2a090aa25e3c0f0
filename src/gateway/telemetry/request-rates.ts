/** How many requests a second servers get, of the last ten to twenty seconds; from the readings of HAProxy's counters. */
import { systemClock, type Clock } from '../../../certs/clock.ts';

/** A rate is of the last one to two of these. Milliseconds. */
const windowMs = 10_000;

export class RequestRates {
  #current = new Map<string, number>();
  #previous = new Map<string, number>();
  /** when the windows began */
  #currentAt: number;
  #previousAt: number;
  readonly #clock: Pick<Clock, 'now'>;

  constructor(clock: Pick<Clock, 'now'> = systemClock) {
    this.#clock = clock;
    this.#currentAt = this.#previousAt = clock.now();
  }

  /** @param server backend/server @param requests that it was given since the last reading */
  add(server: string, requests: number): void {
    this.#turn();
    if (requests > 0) this.#current.set(server, (this.#current.get(server) ?? 0) + requests);
  }

  /** A second, of all these servers together. @param servers backend/server */
  perSecond(servers: readonly string[]): number {
    this.#turn();
    const requests = servers.reduce((sum, key) => sum + (this.#current.get(key) ?? 0) + (this.#previous.get(key) ?? 0), 0);
    return requests / (Math.max(windowMs, this.#clock.now() - this.#previousAt) / 1000);
  }

  #turn(): void {
    const now = this.#clock.now();
    const age = now - this.#currentAt;
    if (age < windowMs) return;
    this.#previous = age < 2 * windowMs ? this.#current : new Map<string, number>();
    this.#previousAt = age < 2 * windowMs ? this.#currentAt : now - windowMs;
    this.#current = new Map();
    this.#currentAt = now;
  }
}
