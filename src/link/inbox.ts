/** The collection that the other end tells, as far as this end takes it. */
import { Collection, entryOf, idOf, type Entry } from './collection.ts';
import { LinkError, type Changes, type Have, type Limits, type Reference } from './protocol.ts';

/** Gets what has been told, in order. It resolves once that outlives this process; it does not throw. */
export type Take = (set: readonly Entry[], gone: readonly Reference[]) => Promise<void>;

export interface InboxOptions {
  /** what was told before, on another link or to another process */
  known?: Iterable<Entry>;
  limits: Pick<Limits, 'bytes' | 'items'>;
  take: Take;
}

const haveItems = 5000;

export class Inbox {
  readonly #options: InboxOptions;
  readonly collection: Collection;
  /** what has come of a collection that is not whole yet; undefined value: gone */
  #staged = new Map<string, { reference: Reference; entry: Entry | undefined }>();
  #stagedBytes = 0;
  #number = 0;
  #isWhole = false;

  constructor(options: InboxOptions) {
    this.#options = options;
    this.collection = new Collection(options.known);
  }

  /** Whether all that the other end had when this link began has come. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** A link begins. @param digest of the other's collection @returns the messages that say what is here of it */
  begin(digest: string): Have[] {
    this.#staged.clear();
    this.#stagedBytes = 0;
    this.#number = 0;
    this.#isWhole = false;
    if (this.collection.digest() === digest) return [{ type: 'have', items: [], isSame: true, isLast: true }];
    const all = [...this.collection.all()].map(({ kind, key, hash }): Have['items'][number] => [kind, key, hash]);
    const messages: Have[] = [];
    for (let at = 0; at === 0 || at < all.length; at += haveItems)
      messages.push({ type: 'have', items: all.slice(at, at + haveItems), isSame: false, isLast: at + haveItems >= all.length });
    return messages;
  }

  /** @throws LinkError where it is out of order, or more than this end takes */
  async receive({ number, set, delete: gone, isWhole }: Changes): Promise<void> {
    if (number !== this.#number + 1)
      throw new LinkError('OutOfOrder', `change ${number} came where ${this.#number + 1} was to come; the link begins anew`);
    this.#number = number;
    const entries = set.map(entryOf);
    if (this.#isWhole) return this.#commit(entries, gone);
    for (const entry of entries) this.#stage(entry, entry);
    for (const reference of gone) this.#stage(reference, undefined);
    this.#check(this.#stagedBytes, this.#staged.size);
    if (!isWhole) return;
    this.#isWhole = true;
    const staged = [...this.#staged.values()];
    this.#staged = new Map();
    this.#stagedBytes = 0;
    await this.#commit(
      staged.flatMap(({ entry }) => entry ?? []),
      staged.flatMap(({ entry, reference }) => (entry ? [] : reference)),
    );
  }

  #stage(reference: Reference, entry: Entry | undefined): void {
    const id = idOf(reference);
    this.#stagedBytes += (entry?.bytes ?? 0) - (this.#staged.get(id)?.entry?.bytes ?? 0);
    this.#staged.set(id, { reference, entry });
  }

  async #commit(set: readonly Entry[], gone: readonly Reference[]): Promise<void> {
    const before = (entry: Reference) => this.collection.get(entry);
    // Of each the last counts, and what goes makes room for what comes.
    const last = new Map(set.map((entry) => [idOf(entry), entry]));
    const leaving = gone.filter((reference) => !last.has(idOf(reference)));
    let { bytes, size } = this.collection;
    for (const entry of last.values()) [bytes, size] = [bytes + entry.bytes - (before(entry)?.bytes ?? 0), size + (before(entry) ? 0 : 1)];
    for (const reference of leaving) [bytes, size] = [bytes - (before(reference)?.bytes ?? 0), size - (before(reference) ? 1 : 0)];
    this.#check(bytes, size);
    for (const reference of leaving) this.collection.delete(reference);
    for (const entry of last.values()) this.collection.set(entry);
    await this.#options.take([...last.values()], leaving);
  }

  #check(bytes: number, items: number): void {
    const { limits } = this.#options;
    if (bytes > limits.bytes)
      throw new LinkError('TooMuch', `the other end tells more than ${limits.bytes} bytes, which is all that this end takes of it`);
    if (items > limits.items)
      throw new LinkError('TooMuch', `the other end tells more than ${limits.items} objects, which is all that this end takes of it`);
  }
}
