/**
 * The clusters that have joined, at the gateway's end: each is a source as long as it is joined, whether its link is up or
 * not; over the link it is told what has become of what it wants.
 */
import { rm } from 'node:fs/promises';
import type { ServerHttp2Stream } from 'node:http2';
import { join } from 'node:path';
import { every, systemClock } from '../../../certs/clock.ts';
import type { Config } from '../../config/schema.ts';
import { entryOf } from '../../link/collection.ts';
import { converse } from '../../link/conversation.ts';
import { Inbox } from '../../link/inbox.ts';
import { upKinds } from '../../link/items.ts';
import { Outbox } from '../../link/outbox.ts';
import { defaultLimits, LinkError, type Limits } from '../../link/protocol.ts';
import { Rate } from '../../link/rate.ts';
import { Loop } from '../../kube/loop.ts';
import type { Log } from '../../log.ts';
import type { Conflict } from '../../model/claims.ts';
import type { DistributedService } from '../../model/types.ts';
import type { TunnelRefusal } from '../admission/recent-refusals.ts';
import type { Listing } from '../api/proxy-status.ts';
import type { Refusal } from '../haproxy/index.ts';
import { listen as listenAt, portOf } from '../listen.ts';
import { Journal } from '../sources/journal.ts';
import type { Sources } from '../sources/sources.ts';
import { describeGrant } from './grant.ts';
import { KeyOwners, type KeyOwnersStore } from './key-owners.ts';
import { fileKeyOwners } from './key-owners-stores.ts';
import { createLinkServer } from './link-server.ts';
import { itemOf, keptItem, LinkSource, type KeptItem } from './link-source.ts';
import { PodOwners } from './pod-owners.ts';
import { authoritiesOf, type JoiningDeps } from './joining.ts';
import type { ClusterRecord } from './link-store.ts';
import { gatewayItem, itemsFor, ofClusters } from './told.ts';

export interface LinksDeps extends Omit<JoiningDeps, 'now'> {
  /** where the last intent of each cluster is kept; absolute */
  directory: string;
  /** default: in that directory */
  owners?: KeyOwnersStore;
  sources: Sources;
  config: Config;
  /** as the agent's status API has them */
  listing: () => Promise<Listing>;
  refusals: () => readonly Refusal[];
  /** services whose Pods in a cluster have wanted too much */
  refusedTunnels?: (cluster: string) => readonly TunnelRefusal[];
  /** what keeps a service of `sources` from users */
  conflictsOf?: (service: DistributedService) => readonly Conflict[];
  log: Log;
  limits?: Partial<Limits>;
  /** Conversation.patienceMs */
  patienceMs?: number;
  /** how often the clusters are told of changes; milliseconds */
  tellMs?: number;
  heartbeat?: { everyMs: number; patienceMs: number };
}

export interface Links {
  /** @returns the port */
  listen(host: string, port: number): Promise<number>;
  /** Looks at the store now: who was removed has nothing here any more. */
  follow(): Promise<void>;
  /** names of the clusters whose link is up */
  linked(): string[];
  close(): Promise<void>;
}

/** Whoever has joined before is a source when this resolves. */
export async function openLinks(deps: LinksDeps): Promise<Links> {
  const clusters = new Clusters(deps);
  await clusters.follow();
  const stops = [every(systemClock, followMs, () => clusters.follow()), every(systemClock, seenMs, () => clusters.note())];
  const telling = new Loop();
  telling.start(
    () => clusters.tell(),
    (tookMs) => Math.max(deps.tellMs ?? tellMs, Math.min(longestTellMs, tookMs * pausesPerTelling)),
  );
  const { server, close } = await createLinkServer({ ...deps, linked: (cluster, stream) => clusters.talk(cluster, stream) });
  return {
    listen: async (host, port) => {
      await listenAt(server, host, port);
      return portOf(server);
    },
    follow: () => clusters.follow(),
    linked: () => clusters.linked,
    close: async () => {
      for (const stop of stops) stop();
      await telling.close();
      clusters.endAll(new LinkError('Closing', 'the gateway is stopping; it comes back'));
      await close();
      await clusters.close();
    },
  };
}

const followMs = 1000;
const tellMs = 1000;
const longestTellMs = 5000;
/** To ask about thousands of servers takes HAProxy's time as well as ours: a twentieth of it at most. */
const pausesPerTelling = 20;
const seenMs = 15_000;

interface Cluster {
  record: ClusterRecord;
  source: LinkSource;
  inbox: Inbox;
  outbox: Outbox;
  journal: Journal<KeptItem>;
  /** of all its links: who begins anew has no new burst */
  rate: Rate;
  link: { end: AbortController; program: string } | undefined;
  /** of what it was told last, by kind: what is the same is not compared item by item */
  told: Map<string, string>;
  backends: number;
  /** what the store has of it */
  noted: string;
}

class Clusters {
  readonly #deps: LinksDeps;
  readonly #clusters = new Map<string, Cluster>();
  readonly #owners: KeyOwners;
  readonly #podOwners: PodOwners;
  #following: Promise<void> = Promise.resolve();

  constructor(deps: LinksDeps) {
    this.#deps = deps;
    this.#owners = new KeyOwners(deps.owners ?? fileKeyOwners(join(deps.directory, 'keys.json')), () => this.#ownersChanged());
    this.#podOwners = new PodOwners({
      path: join(deps.directory, 'pods.json'),
      isHome: (uid) => deps.sources.home.pods?.get(uid) !== undefined,
      freed: (uid) => this.#sources.forEach((source) => source.again('pod', uid)),
    });
  }

  get #sources(): LinkSource[] {
    return [...this.#clusters.values()].map(({ source }) => source);
  }

  get linked(): string[] {
    return [...this.#clusters.values()].filter(({ link }) => link).map(({ record }) => record.name);
  }

  /** Never rejects; calls come one after another. */
  follow(): Promise<void> {
    this.#following = this.#following.then(() =>
      this.#follow().catch((error: unknown) => this.#deps.log.error({ err: error }, 'the list of clusters cannot be read')),
    );
    return this.#following;
  }

  async #follow(): Promise<void> {
    await this.#owners.settle();
    const records = await this.#deps.store.clusters();
    for (const cluster of [...this.#clusters.values()]) if (!records.has(cluster.record.name)) await this.#remove(cluster);
    for (const record of records.values()) {
      const known = this.#clusters.get(record.name);
      if (!known) await this.#add(record);
      else if (JSON.stringify(known.record) !== JSON.stringify(record)) this.#update(known, record);
    }
  }

  async #add(record: ClusterRecord): Promise<void> {
    const { sources, config, log, limits } = this.#deps;
    const { name } = record;
    const source = new LinkSource(record, {
      events: sources,
      config,
      owners: this.#owners,
      podOwners: this.#podOwners,
      isCurrent: () => this.#isCurrent(name),
    });
    let known: KeptItem[] = [];
    const recalling = { replace: (items: KeptItem[]) => void (known = items), set: () => {}, delete: () => {} };
    await new Journal<KeptItem>(this.#path(name), recalling, () => {}).recall().catch(() => false);
    const onFailure = (error: Error) => log.warn({ cluster: name }, `what the cluster wants cannot be kept: ${error.message}`);
    const journal = new Journal<KeptItem>(this.#path(name), source, onFailure);
    journal.replace(known);
    const inbox = new Inbox({
      known: known.map((item) => entryOf(itemOf(item))),
      limits: { ...defaultLimits, ...limits },
      take: async (set, gone) => {
        for (const reference of gone) journal.delete(keptItem({ ...reference, value: null }));
        for (const entry of set) journal.set(keptItem(entry));
        await Promise.all([journal.close(), this.#owners.saved.catch(onFailure), this.#podOwners.saved.catch(onFailure)]);
      },
    });
    const rate = new Rate({ ...defaultLimits, ...limits });
    this.#clusters.set(name, {
      record,
      source,
      inbox,
      outbox: new Outbox(),
      journal,
      rate,
      link: undefined,
      told: new Map(),
      backends: 0,
      noted: '',
    });
    sources.add(source);
    log.info({ cluster: name, items: known.length }, `cluster ${name} is joined: ${describeGrant(record.grant)}`);
  }

  #isCurrent(name: string): boolean {
    const cluster = this.#clusters.get(name);
    // Until the other end has greeted, what is whole is what came over the link before.
    return cluster !== undefined && cluster.link !== undefined && cluster.link.program !== '' && cluster.inbox.isWhole;
  }

  /** What was another's may be theirs, or the reverse. */
  #ownersChanged(): void {
    for (const { record, source } of this.#clusters.values()) source.setRecord(record);
  }

  #update(cluster: Cluster, record: ClusterRecord): void {
    const isAnother = cluster.record.id !== record.id;
    cluster.record = record;
    cluster.source.setRecord(record);
    if (isAnother)
      cluster.link?.end.abort(new LinkError('JoinedAnew', `cluster ${record.name} has joined anew; this certificate is of before`));
  }

  async #remove(cluster: Cluster): Promise<void> {
    const { sources, log } = this.#deps;
    const { name } = cluster.record;
    cluster.link?.end.abort(new LinkError('ClusterRemoved', 'the cluster was removed from the gateway; join with a new token'));
    this.#clusters.delete(name);
    sources.remove(name);
    this.#owners.release(name);
    this.#podOwners.releaseAll(name);
    this.#ownersChanged();
    await cluster.journal.close();
    await rm(this.#path(name), { force: true });
    log.info({ cluster: name }, `cluster ${name} was removed: nothing of it is served or trusted any more`);
  }

  /** The conversation of one link. Of two of one cluster the newer one stays. */
  async talk(record: ClusterRecord, stream: ServerHttp2Stream): Promise<void> {
    await this.follow();
    const { log, limits } = this.#deps;
    const cluster = this.#clusters.get(record.name);
    if (!cluster) throw new LinkError('ClusterRemoved', 'the cluster was removed from the gateway; join with a new token');
    cluster.link?.end.abort(new LinkError('Replaced', 'another controller of the cluster has opened a link; the newer one stays'));
    const link = { end: new AbortController(), program: '' };
    cluster.link = link;
    await this.#tell([cluster]);
    try {
      await converse({
        input: stream,
        output: stream,
        inbox: cluster.inbox,
        outbox: cluster.outbox,
        kinds: Object.keys(upKinds),
        limits: { ...defaultLimits, ...limits },
        rate: cluster.rate,
        patienceMs: this.#deps.patienceMs,
        onHello: ({ program }) => {
          link.program = program;
          void this.#noteOne(cluster);
          log.info({ cluster: record.name, program }, `the link of cluster ${record.name} is up`);
        },
        onUnknown: (what) => cluster.source.notUnderstood(what),
        signal: link.end.signal,
      });
      log.info({ cluster: record.name }, `the link of cluster ${record.name} has ended`);
    } catch (error) {
      log.warn(
        { cluster: record.name, reason: (error as LinkError).reason },
        `the link of cluster ${record.name} has ended: ${(error as Error).message}`,
      );
    } finally {
      stream.end(() => stream.close());
      if (cluster.link === link) cluster.link = undefined;
      await this.#noteOne(cluster);
    }
  }

  /** Tells those whose link is up what has become of what they want. Never rejects. */
  tell(): Promise<void> {
    return this.#tell([...this.#clusters.values()].filter(({ link }) => link));
  }

  async #tell(clusters: readonly Cluster[]): Promise<void> {
    if (clusters.length === 0) return;
    const { listing, refusals, log } = this.#deps;
    try {
      const { proxies, pools } = await listing();
      const [own, refused] = [ofClusters(proxies), refusals()];
      for (const cluster of clusters) this.#tellCluster(cluster, { proxies: own.get(cluster.record.name) ?? [], pools }, refused);
    } catch (error) {
      log.warn(`what has become of the clusters' services is not known: ${(error as Error).message}`);
    }
  }

  #tellCluster(cluster: Cluster, listing: Listing, refusals: readonly Refusal[]): void {
    const { conflictsOf, refusedTunnels = () => [], sources, addresses, isReplicated = false } = this.#deps;
    const { record, source, outbox, told } = cluster;
    const said = itemsFor(source, { listing, refusals, refusedTunnels: refusedTunnels(record.name), conflictsOf, sources });
    const gateway = gatewayItem(record, { addresses, isReplicated, authority: authoritiesOf(this.#deps) });
    for (const [kind, items] of Object.entries({ ...said, gateway: [gateway] })) {
      const text = JSON.stringify(items);
      if (told.get(kind) !== text) outbox.replace(kind, items);
      told.set(kind, text);
    }
    cluster.backends = listing.proxies.length;
    void this.#noteOne(cluster, 'changes');
  }

  /** For `frp-k8s gateway clusters`. Never rejects. */
  async note(): Promise<void> {
    for (const cluster of this.#clusters.values()) if (cluster.link) await this.#noteOne(cluster);
  }

  /** @param when always, or where something else than the time has changed */
  async #noteOne(cluster: Cluster, when: 'always' | 'changes' = 'always'): Promise<void> {
    const { record, link, source, backends } = cluster;
    if (this.#clusters.get(record.name) !== cluster) return;
    const seen = { isLinked: link !== undefined, services: source.services.size, backends, ...(link && { program: link.program }) };
    const text = JSON.stringify(seen);
    if (when === 'changes' && text === cluster.noted) return;
    cluster.noted = text;
    await this.#deps.store.saw(record.name, { ...seen, at: Date.now() }).catch(() => {});
  }

  endAll(reason: LinkError): void {
    for (const { link } of this.#clusters.values()) link?.end.abort(reason);
  }

  async close(): Promise<void> {
    await this.#following;
    const saved = [this.#owners.saved, this.#podOwners.saved].map((each) => each.catch(() => {}));
    await Promise.all([...saved, ...[...this.#clusters.values()].map(({ journal }) => journal.close())]);
  }

  #path(name: string): string {
    return join(this.#deps.directory, 'intent', `${name}.jsonl`);
  }
}
