/**
 * Which backends have series of their own. Each costs up to fifty, so there is a limit for a service and one in all: those
 * that come later share `backend="other"` of their service. A backend's series go with it, and make room.
 */
import { splitPartKey } from '../../model/pools.ts';
import { backendOf } from '../haproxy/index.ts';
import type { ServedService } from '../ir/ir.ts';

export interface BackendLabels {
  namespace: string;
  name: string;
  /** address of the app, or `other` */
  backend: string;
  /** that has joined and whose Pod it is; empty: the gateway's own, and of `other` */
  cluster: string;
}
export const backendLabelNames = ['namespace', 'name', 'backend', 'cluster'] as const;

export const seriesLimits = { ofService: 100, inAll: 1000 };
export const otherBackend = 'other';

interface Entry {
  service: ServedService;
  /** by address */
  own: Map<string, BackendLabels>;
  other: BackendLabels | undefined;
  /** by backend/server, as HAProxy names them */
  servers: Map<string, BackendLabels>;
}

export class BackendSeries {
  readonly #limits: typeof seriesLimits;
  /** by the section of its servers */
  readonly #entries = new Map<string, Entry>();
  #own = 0;

  constructor(limits = seriesLimits) {
    this.#limits = limits;
  }

  /** @returns what is not there any more */
  follow(services: readonly ServedService[]): { backends: BackendLabels[]; services: { namespace: string; name: string }[] } {
    const gone: ReturnType<BackendSeries['follow']> = { backends: [], services: [] };
    const now = new Map(services.map((service) => [backendOf(service.service), service]));
    for (const [section, { service, own, other }] of this.#entries) {
      if (now.has(section)) continue;
      this.#entries.delete(section);
      this.#own -= own.size;
      gone.backends.push(...own.values(), ...(other ? [other] : []));
      gone.services.push(namesOf(service));
    }
    // Who goes makes room for who comes.
    const changed = [...now].filter(([section, service]) => this.#entries.get(section)?.service !== service);
    for (const [section, service] of changed) gone.backends.push(...this.#leave(section, service));
    for (const [section, service] of changed) {
      const other = this.#enter(section, service);
      if (other) gone.backends.push(other);
    }
    return this.#without(gone);
  }

  /** Another pool of a service may have the same labels: then they are not gone. */
  #without({ backends, services }: ReturnType<BackendSeries['follow']>): ReturnType<BackendSeries['follow']> {
    if (backends.length === 0 && services.length === 0) return { backends, services };
    const owners = new Set([...this.#entries.values()].map(({ service }) => ownerOf(namesOf(service))));
    const stay = new Set<string>();
    for (const { servers } of this.#entries.values()) for (const labels of servers.values()) stay.add(textOf(labels));
    return {
      backends: backends.filter((labels) => !stay.has(textOf(labels))),
      services: services.filter((names) => !owners.has(ownerOf(names))),
    };
  }

  /** @param server backend/server, as HAProxy names them */
  of(server: string): BackendLabels | undefined {
    return this.#entries.get(server.slice(0, server.indexOf('/')))?.servers.get(server);
  }

  /** @param section of its servers */
  serviceOf(section: string): { namespace: string; name: string } | undefined {
    const entry = this.#entries.get(section);
    return entry && namesOf(entry.service);
  }

  /**
   * Those that have the same labels, with the servers of each: an endpoint has one for each of its addresses and of the Pods that
   * dial them, and a backend one in each pool of its service.
   */
  *all(): Iterable<[BackendLabels, string[]]> {
    const servers = [...this.#entries.values()].flatMap((entry) => [...entry.servers]);
    for (const entries of Map.groupBy(servers, ([, labels]) => textOf(labels)).values())
      yield [entries[0]![1], entries.map(([server]) => server)];
  }

  /** Backends without series of their own. */
  get merged(): number {
    let count = 0;
    for (const { servers, other } of this.#entries.values())
      if (other) for (const labels of servers.values()) if (labels === other) count++;
    return count;
  }

  #leave(section: string, service: ServedService): BackendLabels[] {
    const entry = this.#entries.get(section);
    if (!entry) return [];
    const addresses = new Set(service.backends.map(({ address }) => address));
    const gone = [...entry.own].filter(([address]) => !addresses.has(address));
    for (const [address] of gone) entry.own.delete(address);
    this.#own -= gone.length;
    return gone.map(([, labels]) => labels);
  }

  /** @returns `other` where nobody has it any more */
  #enter(section: string, service: ServedService): BackendLabels | undefined {
    const { own = new Map<string, BackendLabels>(), other } = this.#entries.get(section) ?? {};
    const entry: Entry = { service, own, other: undefined, servers: new Map() };
    for (const { name, address } of service.backends) {
      let labels = own.get(address);
      if (!labels && own.size < this.#limits.ofService && this.#own < this.#limits.inAll) {
        own.set(address, (labels = { ...namesOf(service), backend: address, cluster: clusterOf(address) }));
        this.#own++;
      }
      labels ??= entry.other ??= other ?? { ...namesOf(service), backend: otherBackend, cluster: '' };
      entry.servers.set(`${section}/${name}`, labels);
    }
    this.#entries.set(section, entry);
    return entry.other ? undefined : other;
  }
}

const namesOf = ({ service: { metadata } }: ServedService) => ({
  namespace: metadata.namespace ?? '',
  name: splitPartKey(metadata.name)[0],
});
const ownerOf = ({ namespace, name }: { namespace: string; name: string }): string => `${namespace}/${name}`;
const textOf = ({ namespace, name, backend, cluster }: BackendLabels): string => `${namespace}/${name}/${cluster}/${backend}`;

/** An address in a cluster that has joined begins with its name and a slash (translate.ts). */
const clusterOf = (address: string): string => (address.includes('/') ? address.slice(0, address.indexOf('/')) : '');
