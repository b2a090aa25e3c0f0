/**
 * Which of two reports of an object is the later one, by `metadata.resourceVersion` (comparable as numbers: KEP-5504). The
 * answer to a write may arrive after the watch, or a list, has told of a later change, or of the object's end.
 */

/** So many deletions are remembered; an answer that is late is late by milliseconds. */
const remembered = 1000;

export class Versions {
  /** versions at which objects went, oldest first */
  readonly #gone = new Map<string, number>();
  /** version of the last list: what it does not have was gone by then */
  #listed = 0;
  /** the same of lists of one namespace */
  readonly #listedIn = new Map<string, number>();

  /**
   * Whether a report of an object is older than what is known of it.
   * @param key of the object: namespace/name @param version that the report has; one that is no number is never old
   * @param known version of the object that is held; undefined where none is
   */
  isOld(key: string, version: string | undefined, known: { version: string | undefined } | undefined): boolean {
    const reported = numberOf(version);
    if (reported === Infinity) return false;
    if (known) return reported < numberOf(known.version);
    return reported < (this.#gone.get(key) ?? 0) || reported <= (this.#listedIn.get(namespaceOf(key)) ?? this.#listed);
  }

  /** The object has gone. @param version of the report of its end, or the last one that was known */
  gone(key: string, version: string | undefined): void {
    const at = numberOf(version);
    if (at === Infinity) return;
    const latest = Math.max(at, this.#gone.get(key) ?? 0);
    this.#gone.delete(key);
    this.#gone.set(key, latest);
    if (this.#gone.size > remembered) this.#gone.delete(this.#gone.keys().next().value!);
  }

  /**
   * All objects were listed, or all of a namespace. The list is the truth, whatever was known: an API server may have been
   * restored from a backup. @param version of the list; undefined where nothing is known any more
   */
  listed(version: string | undefined, namespace?: string): void {
    const at = numberOf(version);
    const listed = at === Infinity ? 0 : at;
    if (namespace === undefined) {
      this.#gone.clear();
      this.#listedIn.clear();
      this.#listed = listed;
      return;
    }
    for (const key of [...this.#gone.keys()]) if (namespaceOf(key) === namespace) this.#gone.delete(key);
    if (listed === 0) this.#listedIn.delete(namespace);
    else this.#listedIn.set(namespace, listed);
  }
}

const namespaceOf = (key: string): string => key.slice(0, key.indexOf('/'));

/** One that is absent, or no number, counts as the newest. */
function numberOf(version: string | undefined): number {
  const number = version === undefined || version === '' ? NaN : Number(version);
  return Number.isNaN(number) ? Infinity : number;
}
