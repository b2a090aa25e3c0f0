/** How long requests took of late, by quantile, for people who look: of those that HAProxy's log tells of (request-log.ts). */
import { systemClock, type Clock } from '../../../certs/clock.ts';
import type { TimedRequest } from './request-log.ts';

/** Buckets of 5 percent, from 1 ms to a day; a quantile is exact to that. */
const step = Math.log(1.05);
const size = Math.ceil(Math.log(86_400_001) / step) + 1;
/** A quantile is of the last one to two of these. Milliseconds. */
const windowMs = 60_000;

export class RequestTimes {
  #current = new Map<string, Uint32Array>();
  #previous = new Map<string, Uint32Array>();
  #since: number;
  readonly #clock: Pick<Clock, 'now'>;

  constructor(clock: Pick<Clock, 'now'> = systemClock) {
    this.#clock = clock;
    this.#since = clock.now();
  }

  add({ server, duration, weight }: Pick<TimedRequest, 'server' | 'duration' | 'weight'>): void {
    this.#turn();
    let counts = this.#current.get(server);
    if (!counts) this.#current.set(server, (counts = new Uint32Array(size)));
    counts[Math.min(size - 1, Math.round(Math.log(duration * 1000 + 1) / step))]! += weight;
  }

  /** Seconds, of all these servers together; none where there was no request of late. @param servers backend/server */
  quantiles(servers: readonly string[], wanted: readonly number[]): Map<number, number> {
    this.#turn();
    const counts = servers.flatMap((key) => [this.#current.get(key), this.#previous.get(key)]).filter((found) => found !== undefined);
    const total = counts.reduce((sum, found) => sum + found.reduce((a, b) => a + b, 0), 0);
    const result = new Map<number, number>();
    if (total === 0) return result;
    for (const quantile of wanted) {
      let left = Math.ceil(quantile * total);
      let bucket = 0;
      while ((left -= counts.reduce((sum, found) => sum + found[bucket]!, 0)) > 0) bucket++;
      result.set(quantile, (Math.exp(bucket * step) - 1) / 1000);
    }
    return result;
  }

  #turn(): void {
    const age = this.#clock.now() - this.#since;
    if (age < windowMs) return;
    this.#previous = age < 2 * windowMs ? this.#current : new Map<string, Uint32Array>();
    this.#current = new Map();
    this.#since = this.#clock.now();
  }
}
