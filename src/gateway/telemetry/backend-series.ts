/**
 * Which backends have series of their own. Each costs up to fifty, so there is a limit for a service and one in all: those
 * that come later share `backend="other"` of their service. A backend's series go with it, and make room.
 */
import { splitPartKey } from '../../model/pools.ts';
import { backendOf } from '../haproxy/index.ts';
import type { ServedService } from '../ir/ir.ts';
import { ownerKey } from '../ir/service-key.ts';

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

/** Of one service, whose pools (model/pools.ts) share the labels of a backend. */
interface Entry {
  pools: readonly ServedService[];
  /** by address */
  own: Map<string, BackendLabels>;
  other: BackendLabels | undefined;
  /** by backend/server, as HAProxy names them */
  servers: Map<string, BackendLabels>;
}

export class BackendSeries {
  readonly #limits: typeof seriesLimits;
  /** by namespace/name */
  readonly #entries = new Map<string, Entry>();
  /** by the section of its servers: namespace/name of the service */
  readonly #sections = new Map<string, string>();
  #own = 0;

  constructor(limits = seriesLimits) {
    this.#limits = limits;
  }

  /** @returns what is not there any more */
  follow(services: readonly ServedService[]): { backends: BackendLabels[]; services: { namespace: string; name: string }[] } {
    const gone: ReturnType<BackendSeries['follow']> = { backends: [], services: [] };
    const now = Map.groupBy(services, ({ service }) => ownerKey(service));
    for (const [owner, { pools, own, other }] of this.#entries) {
      if (now.has(owner)) continue;
      this.#entries.delete(owner);
      this.#forgetSections(pools);
      this.#own -= own.size;
      gone.backends.push(...own.values(), ...(other ? [other] : []));
      gone.services.push(namesOf(pools[0]!));
    }
    // Who goes makes room for who comes.
    const changed = [...now].filter(([owner, pools]) => !isSame(this.#entries.get(owner)?.pools, pools));
    for (const [owner, pools] of changed) gone.backends.push(...this.#leave(owner, pools));
    for (const [owner, pools] of changed) {
      const other = this.#enter(owner, pools);
      if (other) gone.backends.push(other);
    }
    return gone;
  }

  /** @param server backend/server, as HAProxy names them */
  of(server: string): BackendLabels | undefined {
    return this.#entryOf(server.slice(0, server.indexOf('/')))?.servers.get(server);
  }

  /** @param section of its servers */
  serviceOf(section: string): { namespace: string; name: string } | undefined {
    const entry = this.#entryOf(section);
    return entry && namesOf(entry.pools[0]!);
  }

  /**
   * Those that have the same labels, with the servers of each: an endpoint has one for each of its addresses and of the Pods that
   * dial them, and a backend one in each pool of its service.
   */
  *all(): Iterable<[BackendLabels, string[]]> {
    for (const { servers } of this.#entries.values()) {
      const same = Map.groupBy(servers, ([, labels]) => labels);
      for (const [labels, entries] of same) yield [labels, entries.map(([server]) => server)];
    }
  }

  /** Backends without series of their own. */
  get merged(): number {
    let count = 0;
    for (const { servers, other } of this.#entries.values())
      if (other) for (const labels of servers.values()) if (labels === other) count++;
    return count;
  }

  #entryOf(section: string): Entry | undefined {
    const owner = this.#sections.get(section);
    return owner === undefined ? undefined : this.#entries.get(owner);
  }

  #forgetSections(pools: readonly ServedService[]): void {
    for (const { service } of pools) this.#sections.delete(backendOf(service));
  }

  #leave(owner: string, pools: readonly ServedService[]): BackendLabels[] {
    const entry = this.#entries.get(owner);
    if (!entry) return [];
    this.#forgetSections(entry.pools);
    const addresses = new Set(pools.flatMap(({ backends }) => backends.map(({ address }) => address)));
    const gone = [...entry.own].filter(([address]) => !addresses.has(address));
    for (const [address] of gone) entry.own.delete(address);
    this.#own -= gone.length;
    return gone.map(([, labels]) => labels);
  }

  /** @returns `other` where nobody has it any more */
  #enter(owner: string, pools: readonly ServedService[]): BackendLabels | undefined {
    const { own = new Map<string, BackendLabels>(), other } = this.#entries.get(owner) ?? {};
    const entry: Entry = { pools, own, other: undefined, servers: new Map() };
    for (const pool of pools) {
      const section = backendOf(pool.service);
      this.#sections.set(section, owner);
      for (const { name, address } of pool.backends) {
        let labels = own.get(address);
        if (!labels && own.size < this.#limits.ofService && this.#own < this.#limits.inAll) {
          own.set(address, (labels = { ...namesOf(pool), backend: address, cluster: clusterOf(address) }));
          this.#own++;
        }
        labels ??= entry.other ??= other ?? { ...namesOf(pool), backend: otherBackend, cluster: '' };
        entry.servers.set(`${section}/${name}`, labels);
      }
    }
    this.#entries.set(owner, entry);
    return entry.other ? undefined : other;
  }
}

const namesOf = ({ service: { metadata } }: ServedService) => ({
  namespace: metadata.namespace ?? '',
  name: splitPartKey(metadata.name)[0],
});

const isSame = (a: readonly ServedService[] | undefined, b: readonly ServedService[]): boolean =>
  a?.length === b.length && b.every((pool, at) => pool === a[at]);

/** An address in a cluster that has joined begins with its name and a slash (translate.ts). */
const clusterOf = (address: string): string => (address.includes('/') ? address.slice(0, address.indexOf('/')) : '');
