/** Items by kind and key, with what two ends compare them by. */
import { createHash } from 'node:crypto';
import type { Item, Json, Reference } from './protocol.ts';

/** 16 bytes, base64url */
export const hashOf = (text: string): string => createHash('sha256').update(text).digest().subarray(0, 16).toString('base64url');

export interface Entry extends Reference {
  hash: string;
  /** of key and value as JSON */
  bytes: number;
  /** undefined where the receiver has no use for it: a kind that it does not know, or a value that it refuses */
  value: Json | undefined;
}

/** No kind has a space in it. */
export const idOf = ({ kind, key }: Reference): string => `${kind} ${key}`;

export function entryOf({ kind, key, value }: Item): Entry {
  const text = JSON.stringify(value);
  return { kind, key, value, hash: hashOf(text), bytes: Buffer.byteLength(text) + Buffer.byteLength(key) };
}

export class Collection {
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  constructor(entries: Iterable<Entry> = []) {
    for (const entry of entries) this.set(entry);
  }

  get size(): number {
    return this.#entries.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get(reference: Reference): Entry | undefined {
    return this.#entries.get(idOf(reference));
  }

  all(): Iterable<Entry> {
    return this.#entries.values();
  }

  set(entry: Entry): void {
    this.delete(entry);
    this.#entries.set(idOf(entry), entry);
    this.#bytes += entry.bytes;
  }

  /** @returns what was there */
  delete(reference: Reference): Entry | undefined {
    const id = idOf(reference);
    const before = this.#entries.get(id);
    if (before) this.#bytes -= before.bytes;
    this.#entries.delete(id);
    return before;
  }

  /** The same for the same items, in whatever order they came. */
  digest(): string {
    const digest = createHash('sha256');
    for (const [id, { hash }] of [...this.#entries].sort(([a], [b]) => (a < b ? -1 : 1))) digest.update(`${id} ${hash}\n`);
    return digest.digest('base64url');
  }
}
