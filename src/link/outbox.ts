/**
 * The collection that this end tells the other: what has changed since, a bounded part at a time. What this end does not know
 * yet is neither told nor taken away: the other end keeps what it has of it.
 */
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
  /** of these it is not known what they are, or whether they are; by id */
  readonly #unknown = new Map<string, Reference>();
  /** ids of those that the other end has and the collection has not */
  readonly #left = new Set<string>();
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
    this.#unknown.delete(idOf(item));
    if (entry.bytes > mostItemBytes) {
      this.delete(item);
      return false;
    }
    if (this.#collection.get(item)?.hash === entry.hash) return true;
    this.#left.delete(idOf(item));
    this.#collection.set(entry);
    this.#touch(item);
    return true;
  }

  delete(reference: Reference): void {
    const id = idOf(reference);
    this.#unknown.delete(id);
    const isThere = this.#left.delete(id);
    if (this.#collection.delete(reference) || isThere) this.#touch(reference);
  }

  /** Until it is set or deleted, the item stays as it is, at the other end too. */
  leave({ kind, key }: Reference): void {
    this.#unknown.set(idOf({ kind, key }), { kind, key });
  }

  /** Makes the items of a kind equal to these. @param unknown keys of those that are left as they are */
  replace(kind: string, items: readonly Item[], unknown: ReadonlySet<string> = new Set()): void {
    const keep = new Set([...unknown, ...items.map(({ key }) => key)]);
    const known = [...this.#collection.all(), ...this.#unknown.values()];
    for (const reference of known) if (reference.kind === kind && !keep.has(reference.key)) this.delete(reference);
    for (const key of unknown) this.leave({ kind, key });
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
    this.#left.clear();
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
    for (const [id, { kind, key }] of there) {
      if (this.#collection.get({ kind, key })) continue;
      if (this.#unknown.has(id)) this.#left.add(id);
      else pending.set(id, { kind, key });
    }
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
