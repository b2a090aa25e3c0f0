/** The DistributedServices that the program knows, in memory: filled by a watch, by files or by a command's input. */
import type { DistributedService } from './types.ts';

export interface ServiceReader {
  get(namespace: string, name: string): DistributedService | undefined;
  /** names of the services of a namespace, sorted */
  names(namespace: string): string[];
  all(): Iterable<DistributedService>;
  /** resolves with the first truthy answer of `ready` for the service, or with its last state after `timeoutMs` */
  waitFor(
    namespace: string,
    name: string,
    ready: (service: DistributedService | undefined) => boolean,
    timeoutMs: number,
  ): Promise<DistributedService | undefined>;
}

/** Told of every change; `before` and `after` are undefined for an addition and a removal. */
export type ServiceListener = (before: DistributedService | undefined, after: DistributedService | undefined) => void;

export const keyOf = (namespace: string, name: string): string => `${namespace}/${name}`;
export const serviceKey = (service: DistributedService): string => keyOf(service.metadata.namespace ?? '', service.metadata.name);

export class ServiceStore implements ServiceReader {
  readonly #services = new Map<string, DistributedService>();
  readonly #byNamespace = new Map<string, Set<string>>();
  readonly #listeners = new Set<ServiceListener>();

  get size(): number {
    return this.#services.size;
  }

  get(namespace: string, name: string): DistributedService | undefined {
    // A service without a namespace fits any: it comes from a file (design, "Command line").
    return this.#services.get(keyOf(namespace, name)) ?? this.#services.get(keyOf('', name));
  }

  names(namespace: string): string[] {
    return [...(this.#byNamespace.get(namespace) ?? []), ...(this.#byNamespace.get('') ?? [])].sort();
  }

  all(): Iterable<DistributedService> {
    return this.#services.values();
  }

  set(service: DistributedService): void {
    const key = serviceKey(service);
    const before = this.#services.get(key);
    this.#services.set(key, service);
    const namespace = service.metadata.namespace ?? '';
    let names = this.#byNamespace.get(namespace);
    if (!names) this.#byNamespace.set(namespace, (names = new Set()));
    names.add(service.metadata.name);
    this.#notify(before, service);
  }

  delete(namespace: string, name: string): void {
    const before = this.#services.get(keyOf(namespace, name));
    if (!before) return;
    this.#services.delete(keyOf(namespace, name));
    const names = this.#byNamespace.get(namespace);
    names?.delete(name);
    if (names?.size === 0) this.#byNamespace.delete(namespace);
    this.#notify(before, undefined);
  }

  /** Makes the content equal to `services`, telling listeners of the differences only. */
  replace(services: Iterable<DistributedService>): void {
    const keep = new Map([...services].map((service) => [serviceKey(service), service]));
    for (const [key, service] of [...this.#services]) {
      if (!keep.has(key)) this.delete(service.metadata.namespace ?? '', service.metadata.name);
    }
    for (const service of keep.values()) {
      const known = this.#services.get(serviceKey(service));
      const version = service.metadata.resourceVersion;
      if (!known || version === undefined || known.metadata.resourceVersion !== version) this.set(service);
    }
  }

  /** @returns a function that ends the subscription */
  subscribe(listener: ServiceListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  waitFor(
    namespace: string,
    name: string,
    ready: (service: DistributedService | undefined) => boolean,
    timeoutMs: number,
  ): Promise<DistributedService | undefined> {
    const now = this.get(namespace, name);
    if (ready(now) || timeoutMs <= 0) return Promise.resolve(now);
    return new Promise((resolve) => {
      const finish = () => {
        clearTimeout(timer);
        unsubscribe();
        resolve(this.get(namespace, name));
      };
      const timer = setTimeout(finish, timeoutMs);
      const unsubscribe = this.subscribe(() => {
        if (ready(this.get(namespace, name))) finish();
      });
    });
  }

  #notify(before: DistributedService | undefined, after: DistributedService | undefined): void {
    for (const listener of this.#listeners) listener(before, after);
  }
}
