/** All sources as one: services by namespace/name, Pods by cluster and UID, copies of Secrets by cluster. */
import type { JSONWebKeySet } from 'jose';
import type { ConfigMap, Secret } from '../../kube/types.ts';
import { serviceKey, ServiceStore } from '../../model/store.ts';
import type { DistributedService } from '../../model/types.ts';
import type { Identity } from '../pod-identity.ts';
import type { PodFacts } from './pod-index.ts';
import type { Copies, CopyKind } from './secret-copies.ts';
import type { HomeSource, Source, SourceEvents } from './source.ts';

export class Sources implements SourceEvents {
  /** Each namespace/name once, as the first source says that has it: the home, then in the order in which they were added. */
  readonly services = new ServiceStore();
  readonly home: HomeSource;
  readonly #sources = new Map<string, { source: Source; unsubscribe: () => void }>();
  readonly #deciding = new Map<string, Source>();
  readonly #listeners = new Set<SourceEvents>();

  /** @param home is given whom to tell of changes */
  constructor(home: (events: SourceEvents) => HomeSource) {
    this.home = home(this);
    this.add(this.home);
  }

  /** @returns a function that ends the subscription; services have one of their own */
  subscribe(listener: SourceEvents): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  readonly changed = (): void => {
    for (const listener of this.#listeners) listener.changed();
  };

  readonly tunnelChanged = (): void => {
    for (const listener of this.#listeners) listener.tunnelChanged();
  };

  /** One that tells this of its changes. @throws Error where there is one of that name */
  add(source: Source): void {
    const { cluster, services } = source;
    if (this.#sources.has(cluster)) throw new Error(`there is a source named ${JSON.stringify(cluster)} already`);
    const unsubscribe = services.subscribe((before, after) => this.#decide(serviceKey((after ?? before)!)));
    this.#sources.set(cluster, { source, unsubscribe });
    for (const service of services.all()) this.#decide(serviceKey(service));
    this.#allChanged();
  }

  /** Takes all back that came from it; closing it is the caller's. @returns whether it was there */
  remove(cluster: string): boolean {
    const found = this.#sources.get(cluster);
    if (!found || found.source === this.home) return false;
    found.unsubscribe();
    this.#sources.delete(cluster);
    for (const service of [...found.source.services.all()]) this.#decide(serviceKey(service));
    this.#allChanged();
    return true;
  }

  get all(): Source[] {
    return [...this.#sources.values()].map(({ source }) => source);
  }

  /** Resolves once those that are there now have said what they have. */
  get synced(): Promise<void> {
    return Promise.all(this.all.map(({ synced }) => synced)).then(() => {});
  }

  problem(): string | undefined {
    for (const { cluster, problem } of this.all.map((source) => ({ cluster: source.cluster, problem: source.problem() })))
      if (problem !== undefined) return cluster === '' ? problem : `cluster ${cluster}: ${problem}`;
    return undefined;
  }

  has(cluster: string): boolean {
    return this.#sources.has(cluster);
  }

  /** The cluster that says what users get of a service. @param key namespace/name */
  decidingCluster(key: string): string | undefined {
    return this.#deciding.get(key)?.cluster;
  }

  /** What a Pod's source says of it; undefined where it is gone, 'unknown' where nobody says anything of Pods. */
  podOf({ cluster, uid }: Identity): PodFacts | 'unknown' | undefined {
    const found = this.#sources.get(cluster);
    if (!found) return undefined;
    return found.source.pods ? found.source.pods.get(uid) : 'unknown';
  }

  /** Those that belong to a service of `services`: of the same source. */
  copiesOf(service: DistributedService): Copies {
    return (this.#deciding.get(serviceKey(service)) ?? this.home).copies;
  }

  /** What ACME servers are answered for the service's hosts: of every source that has it, for each may have a certificate made. */
  challengesOf(service: DistributedService): Readonly<Record<string, string>> | undefined {
    const key = serviceKey(service);
    const all = this.all.filter(({ services }) => services.byKey(key)).map(({ copies }) => copies.challenges(key));
    const found = all.filter((answers) => answers !== undefined);
    return found.length > 1 ? Object.fromEntries(found.flatMap((answers) => Object.entries(answers))) : found[0];
  }

  copies(kind: CopyKind): Secret[] {
    return this.all.flatMap(({ copies }) => copies.of(kind));
  }

  revoked(): ConfigMap[] {
    return this.all.flatMap(({ revoked }) => [...revoked.values()]);
  }

  /** Public keys of all tokens. */
  keys(): JSONWebKeySet {
    return { keys: this.all.flatMap(({ tokens }) => tokens.keys.set?.keys ?? []) };
  }

  async close(): Promise<void> {
    for (const { unsubscribe } of this.#sources.values()) unsubscribe();
    await Promise.all(this.all.map((source) => source.close()));
  }

  #decide(key: string): void {
    const source = this.all.find(({ services }) => services.byKey(key));
    if (source) this.#deciding.set(key, source);
    else this.#deciding.delete(key);
    this.services.choose(key, source?.services.byKey(key));
  }

  #allChanged(): void {
    this.changed();
    this.tunnelChanged();
  }
}
