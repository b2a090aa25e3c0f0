/** The defaults of all Namespaces, as a watch tells them. Of a Namespace without any nothing is kept. */
import { namespaceDefaults, type NamespaceDefaults, type NamespaceReader } from '../../webhooks/pods/namespace-defaults.ts';
import type { Sink } from '../kube/reflector.ts';
import type { KubeObject } from '../kube/types.ts';

export class KnownNamespaces implements NamespaceReader, Sink<KubeObject> {
  #defaults = new Map<string, NamespaceDefaults>();

  /** of how many namespaces something is kept */
  get size(): number {
    return this.#defaults.size;
  }

  get(namespace: string): NamespaceDefaults | undefined {
    return this.#defaults.get(namespace);
  }

  replace(namespaces: KubeObject[]): void {
    const before = this.#defaults;
    this.#defaults = new Map();
    for (const namespace of namespaces) this.#take(namespace, before);
  }

  set(namespace: KubeObject): void {
    this.#take(namespace, this.#defaults);
  }

  delete({ metadata: { name } }: KubeObject): void {
    this.#defaults.delete(name);
  }

  /** The same object stays where nothing has changed: patches are remembered by it. */
  #take({ metadata: { name, annotations } }: KubeObject, before: ReadonlyMap<string, NamespaceDefaults>): void {
    const read = namespaceDefaults(name, annotations);
    const known = before.get(name);
    if (read === undefined) this.#defaults.delete(name);
    else this.#defaults.set(name, known && JSON.stringify(known) === JSON.stringify(read) ? known : read);
  }
}
