/** Which Pods run a configuration that is older than their service: plain mode takes changes at the Pod's restart. */
import type { Sink } from '../../kube/reflector.ts';
import type { KubeObject } from '../../kube/types.ts';
import type { ServiceReader } from '../../model/store.ts';

/** Names of the services, of the Pod's own namespace, whose configuration in the Pod differs from what it would get today. */
export type OutdatedOf = (pod: KubeObject, services: ServiceReader) => string[];

/** Told when a Pod becomes outdated for a service, and when it no longer is. */
export type OutdatedListener = (namespace: string, service: string, pod: string, isOutdated: boolean) => void;

/** Pods of a namespace by name, with the services that each is outdated for. */
type Pods = Map<string, { pod: KubeObject; services: string[] }>;

export class OutdatedPods implements Sink<KubeObject> {
  readonly #namespaces = new Map<string, Pods>();
  readonly #outdatedOf: OutdatedOf;
  readonly #services: ServiceReader;
  readonly #tell: OutdatedListener;

  constructor(outdatedOf: OutdatedOf, services: ServiceReader, tell: OutdatedListener) {
    this.#outdatedOf = outdatedOf;
    this.#services = services;
    this.#tell = tell;
  }

  replace(pods: KubeObject[]): void {
    const keep = new Set(pods.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`));
    const gone = [...this.#namespaces.values()].flatMap((known) => [...known.values()].filter(({ pod }) => !keep.has(keyOf(pod))));
    for (const { pod } of gone) this.delete(pod);
    for (const pod of pods) this.set(pod);
  }

  set(pod: KubeObject): void {
    const { namespace = '', name } = pod.metadata;
    let known: Pods | undefined = this.#namespaces.get(namespace);
    if (!known) {
      known = new Map();
      this.#namespaces.set(namespace, known);
    }
    const services = known.get(name)?.services ?? [];
    known.set(name, { pod: withoutStatus(pod), services });
    this.#evaluate(namespace, name);
  }

  delete({ metadata: { namespace = '', name } }: KubeObject): void {
    const known = this.#namespaces.get(namespace);
    for (const service of known?.get(name)?.services ?? []) this.#tell(namespace, service, name, false);
    known?.delete(name);
    if (known?.size === 0) this.#namespaces.delete(namespace);
  }

  /** Looks at every Pod of the namespace anew, after one of its services has changed. */
  refresh(namespace: string): void {
    for (const name of this.#namespaces.get(namespace)?.keys() ?? []) this.#evaluate(namespace, name);
  }

  #evaluate(namespace: string, name: string): void {
    const entry = this.#namespaces.get(namespace)?.get(name);
    if (!entry) return;
    const before = entry.services;
    entry.services = this.#outdatedOf(entry.pod, this.#services);
    for (const service of before) if (!entry.services.includes(service)) this.#tell(namespace, service, name, false);
    for (const service of entry.services) if (!before.includes(service)) this.#tell(namespace, service, name, true);
  }
}

const keyOf = ({ metadata }: KubeObject) => `${metadata.namespace}/${metadata.name}`;

/** A Pod's status is most of what changes of it, and nothing here depends on it. */
function withoutStatus(pod: KubeObject): KubeObject {
  const { status: _, ...rest } = pod as KubeObject & { status?: unknown };
  return rest;
}
