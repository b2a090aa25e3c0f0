/**
 * What HAProxy has counted since it was asked last. Each of its processes counts from zero, and a server that was made anew
 * does. A process that ran before this agent did was counted by the agent before: what it says first is where counting begins.
 * So nothing is ever counted twice; what a process counted after it was asked last, and before another took its place, is lost.
 */
export class CountedSince {
  /** seconds, of any clock that only goes on */
  readonly #now: () => number;
  readonly #began: number;
  #pid: string | undefined;
  #last: ReadonlyMap<string, readonly number[]> = new Map();

  constructor(now: () => number = () => performance.now() / 1000) {
    this.#now = now;
    this.#began = now();
  }

  /**
   * @param rows numbers that only grow, by what they are of
   * @param uptime of the process, seconds
   * @returns by what they are of
   */
  take({ pid, uptime }: { pid: string; uptime: number }, rows: ReadonlyMap<string, readonly number[]>): Map<string, number[]> {
    const isFirst = this.#pid === undefined;
    if (isFirst && uptime >= this.#now() - this.#began) this.#last = rows;
    else if (pid !== this.#pid) this.#last = new Map();
    this.#pid = pid;
    const since = new Map<string, number[]>();
    for (const [key, row] of rows) {
      const last = this.#last.get(key);
      const isSame = last !== undefined && row.every((value, at) => value >= last[at]!);
      since.set(key, isSame ? row.map((value, at) => value - last[at]!) : [...row]);
    }
    this.#last = rows;
    return since;
  }
}
