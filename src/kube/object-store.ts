/**
 * Objects of one kind that this program made or follows, in memory: filled by a watch, and by its own writes before the
 * watch tells. The answer to a write may come after the watch has told of a later change; versions say which is the newer
 * (KEP-5504).
 */
import type { Sink } from './reflector.ts';
import { slim, type KubeObject } from './types.ts';

/** So many deletions are remembered; an answer that is late is late by milliseconds. */
const remembered = 1000;

export class ObjectStore<T extends KubeObject> implements Sink<T> {
  /** by namespace and name */
  readonly #namespaces = new Map<string, Map<string, T>>();
  /** versions at which objects went, oldest first */
  readonly #gone = new Map<string, number>();
  readonly #changed: (object: KubeObject) => void;

  /** @param changed told of each object that came, changed or went, by the watch or by a write of ours */
  constructor(changed: (object: KubeObject) => void) {
    this.#changed = changed;
  }

  get(namespace: string | undefined, name: string): T | undefined {
    return this.#namespaces.get(namespace ?? '')?.get(name);
  }

  /** Those of a namespace, or of all. */
  all(namespace?: string): T[] {
    if (namespace !== undefined) return [...(this.#namespaces.get(namespace)?.values() ?? [])];
    return [...this.#namespaces.values()].flatMap((objects) => [...objects.values()]);
  }

  set(object: T): void {
    const before = this.get(object.metadata.namespace, object.metadata.name);
    const newest = before ? versionOf(before) : (this.#gone.get(keyOf(object)) ?? 0);
    if (versionOf(object) >= newest) this.#put(object);
  }

  delete(object: KubeObject): void {
    const key = keyOf(object);
    const version = versionOf(object);
    this.#gone.delete(key);
    if (version !== Infinity) this.#gone.set(key, version);
    if (this.#gone.size > remembered) this.#gone.delete(this.#gone.keys().next().value!);
    if (this.#namespaces.get(object.metadata.namespace ?? '')?.delete(object.metadata.name)) this.#changed(object);
  }

  replace(objects: T[]): void {
    const keep = new Set(objects.map(keyOf));
    for (const object of this.all()) if (!keep.has(keyOf(object))) this.delete(object);
    // A list is the truth, whatever its versions: an API server may have been restored from a backup.
    for (const object of objects) this.#put(object);
  }

  #put(object: T): void {
    const { namespace = '', name, resourceVersion } = object.metadata;
    let known = this.#namespaces.get(namespace);
    if (!known) this.#namespaces.set(namespace, (known = new Map<string, T>()));
    const before = known.get(name);
    known.set(name, slim(object));
    if (before?.metadata.resourceVersion !== resourceVersion) this.#changed(object);
  }
}

const keyOf = ({ metadata }: KubeObject): string => `${metadata.namespace}/${metadata.name}`;

/** A version that is no number counts as the newest. */
function versionOf({ metadata: { resourceVersion } }: KubeObject): number {
  const version = Number(resourceVersion);
  return Number.isNaN(version) ? Infinity : version;
}
