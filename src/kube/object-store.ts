/**
 * Objects of one kind that this program made or follows, in memory: filled by a watch, and by its own writes before the
 * watch tells. A report that is older than what is known changes nothing (model/versions.ts).
 */
import { Versions } from '../model/versions.ts';
import type { Sink } from './reflector.ts';
import { slim, type KubeObject } from './types.ts';

export class ObjectStore<T extends KubeObject> implements Sink<T> {
  /** by namespace and name */
  readonly #namespaces = new Map<string, Map<string, T>>();
  readonly #versions = new Versions();
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
    if (!this.#isOld(object)) this.#put(object);
  }

  /** @param object as the watch told of its end, or as it was when it was deleted */
  delete(object: KubeObject): void {
    if (this.#isOld(object)) return;
    this.#versions.gone(keyOf(object), object.metadata.resourceVersion);
    this.#remove(object);
  }

  /** @param version of the list @param namespace where the list is of one; what is known of others stays */
  replace(objects: T[], version?: string, namespace?: string): void {
    const keep = new Set(objects.map(keyOf));
    for (const object of this.all(namespace)) if (!keep.has(keyOf(object))) this.#remove(object);
    this.#versions.listed(version, namespace);
    for (const object of objects) this.#put(object);
  }

  /** What a watch of one namespace fills. */
  in(namespace: string): Sink<T> {
    return {
      replace: (objects, version) => this.replace(objects, version, namespace),
      set: (object) => this.set(object),
      delete: (object) => this.delete(object),
    };
  }

  #isOld({ metadata }: KubeObject): boolean {
    const known = this.get(metadata.namespace, metadata.name);
    return this.#versions.isOld(keyOf({ metadata }), metadata.resourceVersion, known && { version: known.metadata.resourceVersion });
  }

  #put(object: T): void {
    const { namespace = '', name, resourceVersion } = object.metadata;
    let known = this.#namespaces.get(namespace);
    if (!known) this.#namespaces.set(namespace, (known = new Map<string, T>()));
    const before = known.get(name);
    known.set(name, slim(object));
    if (before?.metadata.resourceVersion !== resourceVersion) this.#changed(object);
  }

  #remove(object: KubeObject): void {
    if (this.#namespaces.get(object.metadata.namespace ?? '')?.delete(object.metadata.name)) this.#changed(object);
  }
}

const keyOf = ({ metadata }: KubeObject): string => `${metadata.namespace}/${metadata.name}`;
