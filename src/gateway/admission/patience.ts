/**
 * How long the proxies of a Pod wait for services that are not known yet. frps asks for one proxy of a tunnel after the other,
 * and answers no ping of frpc meanwhile: so those of a Pod wait together, however many groups it names that there are not.
 */
import { systemClock, type Clock } from '../../../certs/clock.ts';
import type { Identity } from '../pod-identity.ts';

/** A service is created before its Pods, but its watch may be behind theirs. Milliseconds. */
const serviceWaitMs = 2000;
/** From one time to the next; frpc asks again for what was refused after 30 s. */
const againMs = 20_000;

export class Patience {
  readonly #clock: Pick<Clock, 'now'>;
  /** since when a Pod waits; who began first is first */
  readonly #since = new Map<string, number>();

  constructor(clock: Pick<Clock, 'now'> = systemClock) {
    this.#clock = clock;
  }

  /** Milliseconds that are left to a Pod. */
  of({ cluster, uid }: Identity): number {
    const now = this.#clock.now();
    for (const [pod, at] of this.#since) {
      if (now - at < againMs) break;
      this.#since.delete(pod);
    }
    const key = `${cluster}/${uid}`;
    const since = this.#since.get(key) ?? now;
    this.#since.set(key, since);
    return Math.max(0, serviceWaitMs - (now - since));
  }
}
