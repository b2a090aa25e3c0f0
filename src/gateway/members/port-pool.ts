/** Loopback ports for proxies. */
import { systemClock, type Clock } from '../../../certs/clock.ts';

/** frps' allowPorts (manifests/gateway/frps.toml); 10000 to 10004 are the gateway's own. Below Linux' ephemeral ports. */
const first = 10_005;
const last = 32_000;
/** The first to be used: above what services usually claim, below NodePorts. */
const preferred = 29_999;
/** A connection on its way to a port that is free now must not reach its next owner. Milliseconds. */
const restMs = 60_000;

export const isProxyPort = (port: number): boolean => port >= first && port <= last;

export class Ports {
  readonly #used = new Set<number>();
  /** port → when it was freed */
  readonly #resting = new Map<number, number>();
  readonly #clock: Pick<Clock, 'now'>;

  constructor(clock: Pick<Clock, 'now'> = systemClock) {
    this.#clock = clock;
  }

  get used(): number {
    return this.#used.size;
  }

  /** @param isTaken says which ports others have. @returns undefined where none is free */
  assign(isTaken: (port: number) => boolean): number | undefined {
    for (const [port, at] of this.#resting) if (this.#clock.now() - at >= restMs) this.#resting.delete(port);
    const isFree = (port: number) => !this.#used.has(port) && !this.#resting.has(port) && !isTaken(port);
    for (let port = preferred; port >= first; port--) if (isFree(port)) return this.use(port);
    for (let port = preferred + 1; port <= last; port++) if (isFree(port)) return this.use(port);
    return undefined;
  }

  /** Marks a port that frps has in use. */
  use(port: number): number {
    this.#used.add(port);
    return port;
  }

  free(port: number): void {
    if (this.#used.delete(port)) this.#resting.set(port, this.#clock.now());
  }
}
