/** The DistributedServices that the program knows, in memory: filled by a watch, by files or by a command's input. */
import { withAssignedPorts } from './random-ports.ts';
import type { DistributedService } from './types.ts';
import { Versions } from './versions.ts';

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
  readonly #versions = new Versions();

  get size(): number {
    return this.#services.size;
  }

  get(namespace: string, name: string): DistributedService | undefined {
    // A service without a namespace fits any: it comes from a file.
    return this.#services.get(keyOf(namespace, name)) ?? this.#services.get(keyOf('', name));
  }

  /** @param key namespace/name */
  byKey(key: string): DistributedService | undefined {
    return this.#services.get(key);
  }

  names(namespace: string): string[] {
    return [...(this.#byNamespace.get(namespace) ?? []), ...(this.#byNamespace.get('') ?? [])].sort();
  }

  all(): Iterable<DistributedService> {
    return this.#services.values();
  }

  /** What a watch, or the answer to a write, reports. One that is older than what is known changes nothing. */
  set(reported: DistributedService): void {
    const service = withAssignedPorts(reported);
    const key = serviceKey(service);
    const before = this.#services.get(key);
    const { resourceVersion } = service.metadata;
    if (!this.#versions.isOld(key, resourceVersion, before && { version: before.metadata.resourceVersion })) this.#put(service);
  }

  /** @param version of the report that it is gone; one that is older than what is known changes nothing */
  delete(namespace: string, name: string, version?: string): void {
    const key = keyOf(namespace, name);
    const before = this.#services.get(key);
    if (before && this.#versions.isOld(key, version, { version: before.metadata.resourceVersion })) return;
    this.#versions.gone(key, version ?? before?.metadata.resourceVersion);
    if (before) this.#remove(before);
  }

  /**
   * Makes the content equal to `services`, telling listeners of the differences only.
   * @param version of the list
   */
  replace(services: Iterable<DistributedService>, version?: string): void {
    const keep = new Map([...services].map((service) => [serviceKey(service), withAssignedPorts(service)]));
    for (const [key, service] of [...this.#services]) if (!keep.has(key)) this.#remove(service);
    this.#versions.listed(version);
    for (const service of keep.values()) this.#put(service);
  }

  /** What was decided elsewhere, among several reports that no order of versions is known of. @param key namespace/name */
  choose(key: string, service: DistributedService | undefined): void {
    const before = this.#services.get(key);
    if (before === service) return;
    if (!service) return this.#remove(before!);
    this.#store(service);
    this.#notify(before, service);
  }

  #put(service: DistributedService): void {
    const before = this.#services.get(serviceKey(service));
    this.#store(service);
    const { resourceVersion } = service.metadata;
    if (!before || resourceVersion === undefined || before.metadata.resourceVersion !== resourceVersion) this.#notify(before, service);
  }

  #store(service: DistributedService): void {
    const key = serviceKey(service);
    const { namespace = '', name } = service.metadata;
    this.#services.set(key, service);
    let names = this.#byNamespace.get(namespace);
    if (!names) this.#byNamespace.set(namespace, (names = new Set()));
    names.add(name);
  }

  #remove(service: DistributedService): void {
    const { namespace = '', name } = service.metadata;
    this.#services.delete(serviceKey(service));
    const names = this.#byNamespace.get(namespace);
    names?.delete(name);
    if (names?.size === 0) this.#byNamespace.delete(namespace);
    this.#notify(service, undefined);
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
