/**
 * The fields of a configuration's object, each of which is taken once. What nobody took is told at the end, so a field that
 * no rule knows cannot vanish.
 */
import { isObject } from '../model/json.ts';
import type { Notes } from './findings.ts';

interface Entry {
  name: string;
  value: unknown;
  isTaken: boolean;
}

/** Names are matched without regard to case, as frp's decoder does. Empty texts, lists and maps count as absent, as for frp. */
export class Fields {
  readonly path: string;
  private readonly notes: Notes;
  private readonly entries = new Map<string, Entry>();
  private readonly inner: Fields[] = [];

  /** @param path of the object, for messages: empty or with a dot at its end */
  constructor(value: unknown, path: string, notes: Notes) {
    this.path = path;
    this.notes = notes;
    if (!isObject(value)) return;
    for (const [name, item] of Object.entries(value)) this.entries.set(name.toLowerCase(), { name, value: item, isTaken: false });
  }

  text(name: string): string | undefined {
    return this.take(name, 'a text', (value) => (typeof value === 'string' ? value : undefined)) || undefined;
  }

  number(name: string): number | undefined {
    return this.take(name, 'a number', (value) => (Number.isInteger(value) ? (value as number) : undefined));
  }

  flag(name: string): boolean | undefined {
    return this.take(name, 'true or false', (value) => (typeof value === 'boolean' ? value : undefined));
  }

  texts(name: string): string[] {
    const isList = (value: unknown): value is string[] => Array.isArray(value) && value.every((item) => typeof item === 'string');
    return this.take(name, 'a list of texts', (value) => (isList(value) ? value : undefined)) ?? [];
  }

  /** Texts by name; empty ones are among them. */
  textsByName(name: string): [name: string, value: string][] {
    const isMap = (value: unknown): value is Record<string, string> =>
      isObject(value) && Object.values(value).every((item) => typeof item === 'string');
    return Object.entries(this.take(name, 'texts by name', (value) => (isMap(value) ? value : undefined)) ?? {});
  }

  /** Of a list of objects with `name` and `value`. */
  pairs(name: string): [name: string, value: string][] {
    const isPair = (item: unknown): item is { name: string; value: string } =>
      isObject(item) && typeof item.name === 'string' && typeof item.value === 'string';
    const isList = (value: unknown): value is { name: string; value: string }[] => Array.isArray(value) && value.every(isPair);
    const list = this.take(name, 'a list of names and values', (value) => (isList(value) ? value : undefined)) ?? [];
    return list.map((item) => [item.name, item.value]);
  }

  /** Whether it is set at all; its value is nobody's business. */
  isSet(name: string): boolean {
    const value = this.take(name, '', (item) => ({ item }))?.item;
    return value !== undefined && value !== '' && value !== 0 && value !== false && !isEmpty(value);
  }

  child(name: string): Fields {
    const value = this.take(name, 'an object', (item) => (isObject(item) ? item : undefined));
    const child = new Fields(value, `${this.path}${name}.`, this.notes);
    this.inner.push(child);
    return child;
  }

  /** Marks fields as known, whatever they are. */
  ignore(...names: string[]): void {
    for (const name of names) this.take(name, '', () => true);
  }

  /** Paths of what nobody took. */
  leftovers(): string[] {
    const own = [...this.entries.values()].filter(({ isTaken, value }) => !isTaken && value !== null && !isEmpty(value));
    return [...own.map(({ name }) => `${this.path}${name}`), ...this.inner.flatMap((child) => child.leftovers())];
  }

  private take<T>(name: string, kind: string, read: (value: unknown) => T | undefined): T | undefined {
    const entry = this.entries.get(name.toLowerCase());
    if (!entry) return undefined;
    entry.isTaken = true;
    if (entry.value === null || entry.value === undefined) return undefined;
    const value = read(entry.value);
    if (value === undefined)
      this.notes.lost(`${this.path}${name}`, `must be ${kind}; frp refuses it too. Correct it and run migrate again`);
    return value;
  }
}

const isEmpty = (value: unknown): boolean =>
  (Array.isArray(value) && value.length === 0) || (isObject(value) && Object.values(value).every((item) => item === null || isEmpty(item)));
