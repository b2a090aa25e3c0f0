/** When keys must be worked on again though nothing changes, by the wall clock: after a suspension all that is late is due. */
export class DueTimes {
  /** milliseconds since the epoch */
  readonly #times = new Map<string, number>();

  /** @param at milliseconds since the epoch; infinite: never */
  set(key: string, at: number): void {
    this.#times.set(key, at);
  }

  delete(key: string): void {
    this.#times.delete(key);
  }

  /**
   * The keys that are due, each told once: a queue tries them until they succeed, with its own pauses, and to add one
   * again would cut its pause short.
   */
  take(now: number): string[] {
    const due = [...this.#times].flatMap(([key, at]) => (at <= now ? [key] : []));
    for (const key of due) this.#times.delete(key);
    return due;
  }
}
