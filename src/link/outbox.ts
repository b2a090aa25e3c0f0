/** The collection that this end tells the other: what has changed since, a bounded part at a time. */
import { Collection, entryOf, idOf } from './collection.ts';
import type { Changes, Have, Item, Reference } from './protocol.ts';

/** Of one message of changes; it holds the sender up no longer than that takes. Bytes, but for an item that is larger. */
const partBytes = 256 * 1024;
const partItems = 2000;
/** Below what every receiver takes as a message; an object of the API server has at most 1.5 MiB. */
const mostItemBytes = 2 ** 21 - 64 * 1024;
/** Messages that may be under way without an acknowledgement. */
const windowSize = 4;

export class Outbox {
  readonly #collection = new Collection();
  /** what the other end may not have yet; undefined: there is no link */
  #pending: Map<string, Reference> | undefined;
  /** the other end has said what it has */
  #isCompared = false;
  #hasToldWhole = false;
  #number = 0;
  #acknowledged = 0;
  #changed = () => {};

  get collection(): Collection {
    return this.#collection;
  }

  /** What is equal to what was told is not told again. @returns false where it is too large for a message: it is not told */
  set(item: Item): boolean {
    const entry = entryOf(item);
    if (entry.bytes > mostItemBytes) {
      this.delete(item);
      return false;
    }
    if (this.#collection.get(item)?.hash === entry.hash) return true;
    this.#collection.set(entry);
    this.#touch(item);
    return true;
  }

  delete(reference: Reference): void {
    if (this.#collection.delete(reference)) this.#touch(reference);
  }

  /** Makes the items of a kind equal to these. */
  replace(kind: string, items: readonly Item[]): void {
    const keep = new Set(items.map(({ key }) => key));
    for (const entry of [...this.#collection.all()]) if (entry.kind === kind && !keep.has(entry.key)) this.delete(entry);
    for (const item of items) this.set(item);
  }

  #touch(reference: Reference): void {
    if (!this.#pending) return;
    this.#pending.set(idOf(reference), { kind: reference.kind, key: reference.key });
    this.#changed();
  }

  /** A link begins, with the digest that the collection has now. @param changed told when there may be something to send */
  begin(changed: () => void): void {
    this.#pending = new Map();
    this.#isCompared = false;
    this.#hasToldWhole = false;
    this.#number = 0;
    this.#acknowledged = 0;
    this.#changed = changed;
  }

  stop(): void {
    this.#pending = undefined;
    this.#changed = () => {};
  }

  /** The other end has said what it has: the rest is to be sent. @param had undefined: all that the digest stood for */
  compare(had: Have['items'] | undefined): void {
    this.#isCompared = true;
    if (had) this.#pending = this.#differences(had);
    this.#changed();
  }

  #differences(had: Have['items']): Map<string, Reference> {
    const pending = new Map<string, Reference>();
    const there = new Map(had.map(([kind, key, hash]) => [idOf({ kind, key }), { kind, key, hash }]));
    for (const [id, { kind, key }] of there) if (!this.#collection.get({ kind, key })) pending.set(id, { kind, key });
    for (const { kind, key, hash } of this.#collection.all()) {
      const id = idOf({ kind, key });
      if (there.get(id)?.hash !== hash) pending.set(id, { kind, key });
    }
    return pending;
  }

  /** The next message; undefined where there is nothing to say, or too much is under way. */
  next(): Changes | undefined {
    if (!this.#pending || !this.#isCompared || this.#number - this.#acknowledged >= windowSize) return undefined;
    if (this.#pending.size === 0 && this.#hasToldWhole) return undefined;
    const part: Changes = { type: 'changes', number: ++this.#number, set: [], delete: [], isWhole: false };
    let bytes = 0;
    for (const [id, { kind, key }] of this.#pending) {
      const entry = this.#collection.get({ kind, key });
      if (part.set.length + part.delete.length >= partItems || (bytes > 0 && bytes + (entry?.bytes ?? 0) > partBytes)) break;
      this.#pending.delete(id);
      bytes += entry?.bytes ?? key.length;
      if (entry) part.set.push({ kind, key, value: entry.value! });
      else part.delete.push({ kind, key });
    }
    part.isWhole = this.#pending.size === 0;
    this.#hasToldWhole ||= part.isWhole;
    return part;
  }

  acknowledge(number: number): void {
    if (number > this.#acknowledged && number <= this.#number) this.#acknowledged = number;
    this.#changed();
  }

  /** Whether the other end has everything. */
  get isSettled(): boolean {
    return this.#hasToldWhole && this.#pending?.size === 0 && this.#acknowledged === this.#number;
  }
}
