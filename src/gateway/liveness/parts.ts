/**
 * The three other programs of the Pod, watched, and frps' memory too. While the way to the backends is stuck (frps, or the HAProxy that ends its
 * tunnels), users are served by another replica, and what waits goes there too; what is given up is started again by its
 * container's supervisor (manifests/gateway/supervise.sh).
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '../../log.ts';
import { pause } from '../../kube/backoff.ts';
import { MemoryGuard, type Tunnels } from './frps-memory.ts';
import { Watchdog, type WatchdogOptions } from './watchdog.ts';

export type Part = 'frps' | 'tunnel' | 'users';

export interface PartsOptions {
  probes: Readonly<Record<Part, WatchdogOptions['probe']>>;
  /** where supervisors look */
  directory: string;
  /** whether the way to the backends is stuck has changed */
  changed: () => void;
  /** sends elsewhere what has waited so many seconds for an answer; returns how many requests */
  endWaiting: (seconds: number) => Promise<number>;
  tunnels: Tunnels;
  log: Pick<Log, 'info' | 'warn'>;
}

/** A request that has waited for less may have come when the way was free already. */
const waitedSeconds = 1;
const everyMs = 250;

/** A supervisor that finds this file ends its program. */
export const restartFile = (directory: string, part: Part): string => join(directory, `${part}.restart`);

/** What frps' supervisor writes. */
const memoryFile = (directory: string): string => join(directory, 'frps.memory');

export class Parts {
  readonly #options: PartsOptions;
  readonly #watchdogs: Watchdog[];
  readonly #memory: MemoryGuard;
  readonly #stuck = new Set<Part>();
  /** of the stuck ones: its supervisor is about to end it */
  readonly #givenUp = new Set<Part>();
  readonly #stop = new AbortController();
  #moving: Promise<void> | undefined;

  /** Starts at once. */
  constructor(options: PartsOptions) {
    this.#options = options;
    const { directory, tunnels, log } = options;
    this.#memory = new MemoryGuard({ file: memoryFile(directory), tunnels, log });
    const parts = Object.keys(options.probes) as Part[];
    this.#watchdogs = parts.map(
      (part) =>
        new Watchdog({
          probe: options.probes[part],
          stuck: (isStuck) => this.#set(part, isStuck),
          givenUp: () => void this.#giveUp(part),
        }),
    );
  }

  /** Whether nothing comes through to the backends. */
  get isStuck(): boolean {
    return this.#stuck.has('frps') || this.#stuck.has('tunnel');
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await Promise.all([...this.#watchdogs.map((watchdog) => watchdog.close()), this.#memory.close(), this.#moving]);
  }

  #set(part: Part, isStuck: boolean): void {
    const { log, changed } = this.#options;
    if (isStuck) this.#stuck.add(part);
    else for (const parts of [this.#stuck, this.#givenUp]) parts.delete(part);
    if (isStuck) log.warn({ part }, `${part} does not answer`);
    else log.info({ part }, `${part} answers again, or has ended`);
    if (part === 'users') return;
    changed();
    if (this.isStuck) this.#moving ??= this.#move().finally(() => (this.#moving = undefined));
  }

  /**
   * What waits ends with it, all at once. HAProxy knows a request by an address in its memory, which the next one may have
   * then: so nothing is ended by address from here on.
   */
  async #giveUp(part: Part): Promise<void> {
    this.#givenUp.add(part);
    if (part !== 'users') await this.#moving;
    await writeFile(restartFile(this.#options.directory, part), '').catch(() => {});
  }

  /** An attempt that is ended may be followed by another one here, so again and again. */
  async #move(): Promise<void> {
    const { endWaiting, log } = this.#options;
    const { signal } = this.#stop;
    let count = 0;
    for (;;) {
      await pause(everyMs, signal);
      if (!this.isStuck || this.#givenUp.size > 0 || signal.aborted) break;
      count += await endWaiting(waitedSeconds).catch(() => 0);
    }
    if (count > 0) log.info({ attempts: count }, 'attempts of requests that waited were ended');
  }
}
