/** Results by kind and name, so that a part of a configuration is made anew only where something that it depends on has changed. */

interface Entry {
  inputs: readonly unknown[];
  /** gives the value, or throws what making it threw */
  result: () => unknown;
  usedAt: number;
}

/** Sweeps that a result outlives without being asked for: a view is also rendered without some of its services. */
const patience = 32;

export class Memory {
  /** by kind, then by name */
  readonly #entries = new Map<string, Map<string, Entry>>();
  #sweeps = 0;

  /**
   * The result of `make`, which is called where none is known for the same inputs (Object.is). A failure is remembered too.
   * @throws what `make` throws
   */
  recall<T>(kind: string, name: string, inputs: readonly unknown[], make: () => T): T {
    const known = this.#known<T>(kind, name, inputs);
    return (known ?? this.#keep(kind, name, inputs, outcome(make)))();
  }

  /** The same, made with pauses. A failure is not remembered. */
  *recallSlowly<T>(kind: string, name: string, inputs: readonly unknown[], make: () => Generator<void, T>): Generator<void, T> {
    const known = this.#known<T>(kind, name, inputs);
    if (known) return known();
    const value = yield* make();
    return this.#keep(kind, name, inputs, () => value)();
  }

  /** Forgets what has not been asked for since many sweeps. */
  sweep(): void {
    this.#sweeps++;
    if (this.#sweeps % patience !== 0) return;
    for (const entries of this.#entries.values())
      for (const [name, { usedAt }] of entries) if (this.#sweeps - usedAt > patience) entries.delete(name);
  }

  #known<T>(kind: string, name: string, inputs: readonly unknown[]): (() => T) | undefined {
    const entry = this.#entries.get(kind)?.get(name);
    if (!entry || !areSame(entry.inputs, inputs)) return undefined;
    entry.usedAt = this.#sweeps;
    return entry.result as () => T;
  }

  #keep<T>(kind: string, name: string, inputs: readonly unknown[], result: () => T): () => T {
    let entries = this.#entries.get(kind);
    if (!entries) this.#entries.set(kind, (entries = new Map<string, Entry>()));
    entries.set(name, { inputs, result, usedAt: this.#sweeps });
    return result;
  }
}

function outcome<T>(make: () => T): () => T {
  try {
    const value = make();
    return () => value;
  } catch (error) {
    return () => {
      throw error;
    };
  }
}

const areSame = (a: readonly unknown[], b: readonly unknown[]): boolean =>
  a.length === b.length && a.every((value, index) => Object.is(value, b[index]));
