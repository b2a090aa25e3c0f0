/**
 * A part that does not answer may be stuck, or only slow: on a machine whose cores are taken it waits for one. Whoever starts
 * anew there takes more of the machine, and so do all the sidecars that dial again. The rule of manifests/gateway/supervise.sh.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { PartName } from './layout.ts';
import { processesOf, waitedForCore } from './processes.ts';

/** Milliseconds. */
const lookMs = 500;
/** Of the threads of a part together, in that time. */
const waitedMs = 250;
/** Without waiting for so long a part has all of its times before it again. */
const calmMs = 10_000;
const mostTimes = 10;

export class CoreWaits {
  readonly #directory: string;
  readonly #part: PartName;
  #times = 0;
  #lastAt = -Infinity;

  constructor(directory: string, part: PartName) {
    this.#directory = directory;
    this.#part = part;
  }

  /** Looks for half a second whether the part is to be spared: it waits for a core, and was not spared ten times in a row. */
  async areLong(): Promise<boolean> {
    if (performance.now() - this.#lastAt > calmMs) this.#times = 0;
    if (this.#times >= mostTimes) return false;
    const before = this.#waited();
    await sleep(lookMs);
    if (this.#waited() - before <= waitedMs * 1e6) return false;
    this.#times++;
    this.#lastAt = performance.now();
    return true;
  }

  /** Nanoseconds that its threads have waited for a core so far. */
  #waited(): number {
    return processesOf(this.#directory)
      .filter(({ part }) => part === this.#part)
      .reduce((sum, { pid }) => sum + waitedForCore(pid), 0);
  }
}
