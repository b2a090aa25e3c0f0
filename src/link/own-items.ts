/** What this end tells, to one other end or to several alike: items, and those of which it does not know yet what they are. */
import { Collection, entryOf, idOf } from './collection.ts';
import type { Item, Reference } from './protocol.ts';

/** Below what every receiver takes as a message; an object of the API server has at most 1.5 MiB. */
const mostItemBytes = 2 ** 21 - 64 * 1024;

type Follower = (reference: Reference, change: 'set' | 'deleted' | 'absent') => void;

export class OwnItems {
  readonly collection = new Collection();
  /** of these it is not known what they are, or whether they are; by id */
  readonly #unknown = new Map<string, Reference>();
  readonly #followers = new Set<Follower>();

  /** @param follower told of each item that is set, and of each that is deleted or was not there to delete. @returns to stop */
  follow(follower: Follower): () => void {
    this.#followers.add(follower);
    return () => void this.#followers.delete(follower);
  }

  isUnknown(reference: Reference): boolean {
    return this.#unknown.has(idOf(reference));
  }

  /** What is equal to what was told is not told again. @returns false where it is too large for a message: it is not told */
  set(item: Item): boolean {
    const entry = entryOf(item);
    this.#unknown.delete(idOf(item));
    if (entry.bytes > mostItemBytes) {
      this.delete(item);
      return false;
    }
    if (this.collection.get(item)?.hash === entry.hash) return true;
    this.collection.set(entry);
    this.#tell(item, 'set');
    return true;
  }

  delete(reference: Reference): void {
    this.#unknown.delete(idOf(reference));
    this.#tell(reference, this.collection.delete(reference) ? 'deleted' : 'absent');
  }

  /** Until it is set or deleted, the item stays as it is, at the other end too. */
  leave({ kind, key }: Reference): void {
    this.#unknown.set(idOf({ kind, key }), { kind, key });
  }

  /** Makes the items of a kind equal to these. @param unknown keys of those that are left as they are */
  replace(kind: string, items: readonly Item[], unknown: ReadonlySet<string> = new Set()): void {
    const keep = new Set([...unknown, ...items.map(({ key }) => key)]);
    const known = [...this.collection.all(), ...this.#unknown.values()];
    for (const reference of known) if (reference.kind === kind && !keep.has(reference.key)) this.delete(reference);
    for (const key of unknown) this.leave({ kind, key });
    for (const item of items) this.set(item);
  }

  #tell(reference: Reference, change: Parameters<Follower>[1]): void {
    for (const follower of this.#followers) follower(reference, change);
  }
}
