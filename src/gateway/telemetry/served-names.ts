/** What HAProxy's names of services and servers stand for, also of those that went a short time ago: a connection may outlive its backend. */
import { splitPartKey } from '../../model/pools.ts';
import { backendOf } from '../haproxy/index.ts';
import type { ServedService, View } from '../ir/ir.ts';

/** Services and servers that are gone; the oldest are forgotten. */
const mostGone = 10_000;

export interface ServiceName {
  namespace: string;
  service: string;
}

export class ServedNames {
  #services = new Map<string, ServedService>();
  readonly #sections = new Map<string, { of: ServedService; servers: ReadonlyMap<string, string> }>();
  /** by section, and by section/server */
  readonly #gone = new Map<string, ServiceName | string>();

  setView({ services }: View): void {
    const now = new Map(services.map((service) => [backendOf(service.service), service]));
    for (const [section, service] of this.#services) {
      const next = now.get(section);
      if (next === service) continue;
      const names = new Set(next?.backends.map(({ name }) => name));
      if (!next) this.#keep(section, nameOf(service));
      for (const { name, address } of service.backends) if (!names.has(name)) this.#keep(`${section}/${name}`, address);
      this.#sections.delete(section);
    }
    this.#services = now;
  }

  /** @param section with its servers */
  service(section: string): ServiceName | undefined {
    const service = this.#services.get(section);
    return service ? nameOf(service) : (this.#gone.get(section) as ServiceName | undefined);
  }

  /** Address of the app, and the cluster that has joined and is its own. */
  backend(section: string, server: string): { backend: string; cluster: string | undefined } | undefined {
    const address = this.#serversOf(section)?.get(server) ?? (this.#gone.get(`${section}/${server}`) as string | undefined);
    if (address === undefined) return undefined;
    const slash = address.indexOf('/');
    return slash < 0 ? { backend: address, cluster: undefined } : { backend: address.slice(slash + 1), cluster: address.slice(0, slash) };
  }

  #serversOf(section: string): ReadonlyMap<string, string> | undefined {
    const service = this.#services.get(section);
    if (!service) return undefined;
    let known = this.#sections.get(section);
    if (known?.of !== service) {
      known = { of: service, servers: new Map(service.backends.map(({ name, address }) => [name, address])) };
      this.#sections.set(section, known);
    }
    return known.servers;
  }

  #keep(key: string, value: ServiceName | string): void {
    this.#gone.delete(key);
    this.#gone.set(key, value);
    for (const [oldest] of this.#gone) {
      if (this.#gone.size <= mostGone) break;
      this.#gone.delete(oldest);
    }
  }
}

const nameOf = ({ service: { metadata } }: ServedService): ServiceName => ({
  namespace: metadata.namespace ?? '',
  service: splitPartKey(metadata.name)[0],
});
