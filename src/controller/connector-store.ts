/** Objects of one kind that this program made, in memory: filled by a watch of its labels, and by its own writes before the watch tells. */
import type { Sink } from '../kube/reflector.ts';
import { slim, type KubeObject, type Metadata } from '../kube/types.ts';

export class ConnectorStore<T extends KubeObject> implements Sink<T> {
  readonly #namespaces = new Map<string, Map<string, T>>();
  readonly #changed: (metadata: Metadata) => void;

  /** @param changed told of each object that came, changed or went */
  constructor(changed: (metadata: Metadata) => void) {
    this.#changed = changed;
  }

  get(namespace: string, name: string): T | undefined {
    return this.#namespaces.get(namespace)?.get(name);
  }

  all(namespace: string): T[] {
    return [...(this.#namespaces.get(namespace)?.values() ?? [])];
  }

  set(object: T): void {
    const { namespace = '', name, resourceVersion } = object.metadata;
    let known = this.#namespaces.get(namespace);
    if (!known) this.#namespaces.set(namespace, (known = new Map<string, T>()));
    const before = known.get(name);
    known.set(name, slim(object));
    if (before?.metadata.resourceVersion !== resourceVersion) this.#changed(object.metadata);
  }

  delete({ metadata }: KubeObject): void {
    if (this.#namespaces.get(metadata.namespace ?? '')?.delete(metadata.name)) this.#changed(metadata);
  }

  replace(objects: T[]): void {
    const keep = new Set(objects.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`));
    for (const [namespace, known] of this.#namespaces)
      for (const [name, object] of [...known]) if (!keep.has(`${namespace}/${name}`)) this.delete(object);
    for (const object of objects) this.set(object);
  }
}
