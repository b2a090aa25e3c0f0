/**
 * How often HAProxy may be reloaded, and for whom. Each reload leaves a process with the connections that it still has, so
 * reloads are shared: a namespace has some at once and then one every now and then, and all together have a pause between
 * two. A change that has to wait goes along with the next reload, whoever has it.
 */
export interface BudgetLimits {
  /** reloads that a namespace may have at once */
  burst: number;
  /** milliseconds until it has another one */
  refillMs: number;
  /** milliseconds from one reload to the next, while few old processes are there */
  pauseMs: number;
  /** the same, at most: doubled for each old process beyond two */
  longestPauseMs: number;
}

export const usersBudget: BudgetLimits = { burst: 10, refillMs: 15_000, pauseMs: 1000, longestPauseMs: 4000 };
/** Tunnels last for days, and client authorities change seldom. */
export const tunnelBudget: BudgetLimits = { burst: 3, refillMs: 60_000, pauseMs: 1000, longestPauseMs: 10_000 };

export class ReloadBudget {
  readonly #limits: BudgetLimits;
  readonly #now: () => number;
  /** reloads left, as of then; full where absent */
  readonly #left = new Map<string, { count: number; at: number }>();
  #last = -Infinity;

  /** @param now milliseconds, never set back */
  constructor(limits: BudgetLimits, now: () => number = () => performance.now()) {
    this.#limits = limits;
    this.#now = now;
  }

  /**
   * Milliseconds until a reload may be: 0 is now.
   * @param namespaces that wait for one: one of them must have one left. Empty: the change is nobody's, and only the pause counts
   * @param oldProcesses from before earlier reloads, that still have connections
   */
  waitMs(namespaces: Iterable<string>, oldProcesses = 0): number {
    const { pauseMs, longestPauseMs, refillMs } = this.#limits;
    const pause = Math.min(longestPauseMs, pauseMs * 2 ** Math.max(0, oldProcesses - 2));
    const untilPause = Math.max(0, this.#last + pause - this.#now());
    const counts = [...namespaces].map((namespace) => this.#count(namespace));
    if (counts.length === 0) return untilPause;
    const most = Math.max(...counts);
    return Math.max(untilPause, most >= 1 ? 0 : (1 - most) * refillMs);
  }

  /** A reload has begun, for these. */
  spend(namespaces: Iterable<string>): void {
    const at = this.#now();
    this.#last = at;
    for (const namespace of namespaces) this.#left.set(namespace, { count: Math.max(0, this.#count(namespace) - 1), at });
    for (const namespace of this.#left.keys()) if (this.#count(namespace) >= this.#limits.burst) this.#left.delete(namespace);
  }

  #count(namespace: string): number {
    const left = this.#left.get(namespace);
    if (!left) return this.#limits.burst;
    return Math.min(this.#limits.burst, left.count + (this.#now() - left.at) / this.#limits.refillMs);
  }
}
