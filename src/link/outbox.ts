/**
 * The collection that this end tells the other: what has changed since, a bounded part at a time. What this end does not know
 * yet is neither told nor taken away: the other end keeps what it has of it.
 */
import { idOf, type Collection } from './collection.ts';
import { OwnItems } from './own-items.ts';
import type { Changes, Have, Item, Reference } from './protocol.ts';

/** Of one message of changes; it holds the sender up no longer than that takes. Bytes, but for an item that is larger. */
const partBytes = 256 * 1024;
const partItems = 2000;
/** Messages that may be under way without an acknowledgement. */
const windowSize = 4;

export class Outbox {
  readonly #own: OwnItems;
  #stopFollowing = () => {};
  /** ids of those that the other end has and the collection has not */
  readonly #left = new Set<string>();
  /** what the other end may not have yet; undefined: there is no link */
  #pending: Map<string, Reference> | undefined;
  /** ids of what was sent and not acknowledged, with the number of the last message that had it */
  readonly #underWay = new Map<string, number>();
  /** the other end has said what it has */
  #isCompared = false;
  #hasToldWhole = false;
  #number = 0;
  #acknowledged = 0;
  #changed = () => {};

  /** @param own what is told; others may tell the same */
  constructor(own = new OwnItems()) {
    this.#own = own;
  }

  get collection(): Collection {
    return this.#own.collection;
  }

  set(item: Item): boolean {
    return this.#own.set(item);
  }

  delete(reference: Reference): void {
    this.#own.delete(reference);
  }

  leave(reference: Reference): void {
    this.#own.leave(reference);
  }

  replace(kind: string, items: readonly Item[], unknown?: ReadonlySet<string>): void {
    this.#own.replace(kind, items, unknown);
  }

  #touch(reference: Reference): void {
    if (!this.#pending) return;
    this.#pending.set(idOf(reference), { kind: reference.kind, key: reference.key });
    this.#changed();
  }

  /** What the other end has alone is there for it, though not here. */
  #noticed(reference: Reference, change: 'set' | 'deleted' | 'absent'): void {
    const wasLeft = this.#left.delete(idOf(reference));
    if (change !== 'absent' || wasLeft) this.#touch(reference);
  }

  /** A link begins, with the digest that the collection has now. @param changed told when there may be something to send */
  begin(changed: () => void): void {
    this.#stopFollowing();
    this.#stopFollowing = this.#own.follow((...change) => this.#noticed(...change));
    this.#pending = new Map();
    this.#underWay.clear();
    this.#left.clear();
    this.#isCompared = false;
    this.#hasToldWhole = false;
    this.#number = 0;
    this.#acknowledged = 0;
    this.#changed = changed;
  }

  stop(): void {
    this.#stopFollowing();
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
      if (this.collection.get({ kind, key })) continue;
      if (this.#own.isUnknown({ kind, key })) this.#left.add(id);
      else pending.set(id, { kind, key });
    }
    for (const { kind, key, hash } of this.collection.all()) {
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
      const entry = this.collection.get({ kind, key });
      if (part.set.length + part.delete.length >= partItems || (bytes > 0 && bytes + (entry?.bytes ?? 0) > partBytes)) break;
      this.#pending.delete(id);
      this.#underWay.set(id, part.number);
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
    for (const [id, sent] of this.#underWay) if (sent <= this.#acknowledged) this.#underWay.delete(id);
    this.#changed();
  }

  /** Whether the other end has the item as it is here. */
  isTold(reference: Reference): boolean {
    const id = idOf(reference);
    return this.#isCompared && this.#pending?.has(id) === false && !this.#underWay.has(id);
  }

  /** Whether the other end has everything. */
  get isSettled(): boolean {
    return this.#hasToldWhole && this.#pending?.size === 0 && this.#acknowledged === this.#number;
  }
}
