/**
 * Who has which host and port here, over all clusters. Whoever claims what nobody holds holds it from then on, as long as it
 * claims it. What a service says of its age counts for nothing, nor does any clock: only what is held and what is not.
 * What clusters that have joined hold is kept, so it is the same after a restart and at each replica. The gateway's own
 * cluster has the rest of what it claims, and decides among its own services (model/claims.ts).
 */
import { every, systemClock } from '../../../certs/clock.ts';
import type { Config } from '../../config/schema.ts';
import type { Log } from '../../log.ts';
import { claimedBy, Claims, type Conflict } from '../../model/claims.ts';
import { describeExposure } from '../../model/exposure.ts';
import { serviceKey, ServiceStore } from '../../model/store.ts';
import type { DistributedService } from '../../model/types.ts';
import type { Source } from '../sources/source.ts';
import { claimId, claimOf, HeldClaims, type Claim } from './held-claims.ts';
import { nextKept } from './next-kept.ts';
import type { HoldingsStore, Kept } from './holdings-store.ts';

export interface HoldingsSources {
  services: Pick<ServiceStore, 'all' | 'byKey' | 'subscribe'>;
  decidingCluster: (service: string) => string | undefined;
  all: readonly Pick<Source, 'cluster' | 'isCurrent'>[];
}

export interface HoldingsDeps {
  sources: HoldingsSources;
  config: Pick<Config, 'baseDomain' | 'exposure'>;
  store: HoldingsStore;
  log: Pick<Log, 'warn'>;
  /** monotonic, milliseconds */
  now?: () => number;
}

/**
 * How long something is held that is claimed no more: a service that is made anew comes back to it, and of two replicas the
 * one that hears of a claim later does not take it away. Milliseconds.
 */
export const letGoMs = 5000;
const settleMs = 1000;

export class Holdings {
  /** of the sources, those that are in no other's way */
  readonly services = new ServiceStore();
  readonly #deps: HoldingsDeps;
  readonly #now: () => number;
  readonly #held: HeldClaims;
  /** among those that are in no other's way over clusters */
  readonly #decided: Claims;
  /** what is claimed now, by claimId() */
  readonly #claims = new Map<string, Claim>();
  /** of these, what somebody else holds; first come, first served */
  readonly #waiting = new Map<string, Claim>();
  /** since when what is held is claimed no more */
  readonly #absent = new Map<string, number>();
  /** what is let go here and still kept */
  readonly #released = new Set<string>();
  readonly #lost = new Map<string, Conflict[]>();
  #kept: Kept = new Map();
  /** whether what is to be kept may be something else than at the last look; with it which clusters were current then */
  #isChanged = true;
  #current = '';
  #isStarted = false;
  #failure = '';
  #unsubscribe: () => void;
  #stop = () => {};
  #settling: Promise<void> = Promise.resolve();

  constructor(deps: HoldingsDeps) {
    this.#deps = deps;
    this.#now = deps.now ?? (() => performance.now());
    this.#held = new HeldClaims(deps.config);
    this.#decided = new Claims(this.services, deps.config);
    this.#unsubscribe = deps.sources.services.subscribe((before, after) => this.#changed(before, after));
  }

  /** All sources have said what they have: from now on it is known who holds what. */
  start(): void {
    this.#isStarted = true;
    const services = [...this.#deps.sources.services.all()];
    for (const service of services) for (const claim of this.#claimsOf(service)) this.#claims.set(idOf(claim), claim);
    this.#judge(this.#deps.store.read());
    for (const service of services) this.#review(serviceKey(service));
    this.#stop = every(systemClock, settleMs, () => this.settle());
  }

  /** What keeps a service from what it claims: it must not be served unless this is empty. */
  conflictsOf(service: DistributedService): readonly Conflict[] {
    return this.#lost.get(serviceKey(service)) ?? this.#decided.conflictsOf(service);
  }

  /** Services of the gateway's own cluster that are left out because a cluster that has joined holds what they claim. */
  refusals(): { service: string; message: string }[] {
    return [...this.#lost]
      .filter(([service]) => this.#deps.sources.decidingCluster(service) === '')
      .map(([service, [conflict]]) => ({ service, message: messageOf(conflict!) }));
  }

  /** Lets go of what is claimed no more, and keeps what is held. Never rejects; calls come one after another. */
  settle(): Promise<void> {
    this.#settling = this.#settling.then(() => this.#settle());
    return this.#settling;
  }

  async close(): Promise<void> {
    this.#stop();
    this.#unsubscribe();
    this.#decided.close();
    await (this.#isStarted ? this.settle() : undefined);
  }

  async #settle(): Promise<void> {
    const { store, log } = this.#deps;
    this.#take(store.read());
    this.#letGo();
    try {
      if (this.#nextIfChanged()) {
        const kept = await store.change((kept) => {
          this.#take(kept);
          return this.#next();
        });
        this.#released.clear();
        this.#take(kept);
      }
      this.#failure = '';
    } catch (error) {
      const { message } = error as Error;
      if (message !== this.#failure) log.warn(`who has which host cannot be kept: ${message}`);
      this.#failure = message;
    }
  }

  /** Looks at all that is held, so only where something may be another. */
  #nextIfChanged(): Kept | undefined {
    const current = JSON.stringify(this.#deps.sources.all.map((source) => [source.cluster, source.isCurrent()]));
    if (!this.#isChanged && current === this.#current) return undefined;
    this.#current = current;
    const next = this.#next();
    this.#isChanged = next !== undefined;
    return next;
  }

  #next(): Kept | undefined {
    const { all } = this.#deps.sources;
    return nextKept(this.#kept, { held: this.#held, claims: this.#claims, sources: all });
  }

  #take(kept: Kept): void {
    if (kept === this.#kept) return;
    if (isSame(kept, this.#kept)) this.#kept = kept;
    else this.#judge(kept);
  }

  /** What is kept is held, whoever was first here; of the rest, what was held and then what waits, as far as it is free. */
  #judge(kept: Kept): void {
    this.#isChanged = true;
    const isAway = this.#clustersAway();
    // What is kept no more of a cluster that is away here was let go by a replica that hears it: then it waits like others.
    const isLetGo = (id: string, { cluster }: Claim) => this.#kept.has(id) && !kept.has(id) && isAway.has(cluster);
    const before = [...this.#held.all()].filter(([id, claim]) => (this.#claims.has(id) && !isLetGo(id, claim)) || !this.#kept.has(id));
    this.#held.clear();
    this.#kept = kept;
    for (const [id, cluster] of kept) {
      const claim = this.#claims.get(id) ?? claimOf(id, cluster);
      if (claim && (this.#claims.has(id) || !this.#released.has(id)) && this.#held.isEligible(claim)) this.#held.add(claim);
    }
    const own = [...this.#claims.values()];
    const byPlace = [...before.map(([id, claim]) => this.#claims.get(id) ?? claim), ...own.filter(isHome), ...own];
    for (const claim of byPlace) if (!this.#held.get(idOf(claim)) && !this.#held.conflictOf(claim)) this.#held.add(claim);
    this.#compare();
  }

  #clustersAway(): Set<string> {
    return new Set(this.#deps.sources.all.filter((source) => !source.isCurrent()).map(({ cluster }) => cluster));
  }

  /** Says anew who waits and who is away, and what that means for each service. */
  #compare(): void {
    for (const [id] of this.#waiting) if (this.#held.get(id) || !this.#claims.has(id)) this.#waiting.delete(id);
    for (const [id, claim] of this.#claims) if (!this.#held.get(id)) this.#waiting.set(id, claim);
    for (const [id] of this.#absent) if (!this.#held.get(id) || this.#claims.has(id)) this.#absent.delete(id);
    for (const [id] of this.#held.all()) if (!this.#claims.has(id) && !this.#absent.has(id)) this.#absent.set(id, this.#now());
    for (const service of new Set([...this.#claims.values()].map(({ service }) => service))) this.#review(service);
  }

  #changed(before: DistributedService | undefined, after: DistributedService | undefined): void {
    if (!this.#isStarted) return;
    this.#isChanged = true;
    const claims = new Map((after ? this.#claimsOf(after) : []).map((claim) => [idOf(claim), claim]));
    for (const claim of before ? claimedIn(before, this.#deps.config) : []) {
      const id = claimId(claim.service, claim.exposure);
      const known = this.#claims.get(id);
      if (!known || claims.has(id)) continue;
      this.#claims.delete(id);
      this.#waiting.delete(id);
      if (this.#held.get(id)) this.#absent.set(id, this.#now());
    }
    for (const [id, claim] of claims) if (this.#claims.get(id)?.cluster !== claim.cluster) this.#add(id, claim);
    this.#review(serviceKey((after ?? before)!));
  }

  #add(id: string, claim: Claim): void {
    this.#claims.set(id, claim);
    this.#absent.delete(id);
    if (this.#held.get(id)) return this.#compareThose(this.#held.moved(claim));
    if (this.#held.conflictOf(claim)) this.#waiting.set(id, claim);
    else this.#held.add(claim);
  }

  /** What is held no more waits, where it is claimed. */
  #compareThose(ids: readonly string[]): void {
    for (const id of ids) {
      const claim = this.#claims.get(id);
      this.#absent.delete(id);
      if (!claim) continue;
      this.#waiting.set(id, claim);
      this.#review(claim.service);
    }
  }

  #letGo(): void {
    const { all } = this.#deps.sources;
    const sources = new Map(all.map((source) => [source.cluster, source]));
    const now = this.#now();
    let isAnyFree = false;
    for (const [id, since] of this.#absent) {
      const cluster = this.#kept.get(id) ?? this.#held.get(id)?.cluster ?? '';
      // Of a cluster that is away nobody knows what it claims now.
      if (sources.get(cluster)?.isCurrent() === false) this.#absent.set(id, now);
      else if (now - since >= letGoMs) {
        this.#absent.delete(id);
        this.#held.delete(id);
        this.#released.add(id);
        isAnyFree = true;
      }
    }
    if (!isAnyFree) return;
    this.#isChanged = true;
    for (const [id, claim] of [...this.#waiting]) {
      if (this.#held.conflictOf(claim)) continue;
      this.#waiting.delete(id);
      this.#held.add(claim);
    }
    for (const service of [...this.#lost.keys()]) this.#review(service);
  }

  /** What has become of a service. */
  #review(key: string): void {
    const { sources, log } = this.#deps;
    const service = sources.services.byKey(key);
    const claims = service ? this.#claimsOf(service) : [];
    const conflicts = claims.flatMap((claim) => (this.#held.get(idOf(claim)) ? [] : (this.#held.conflictOf(claim) ?? [])));
    if (conflicts.length > 0 && !this.#lost.has(key) && sources.decidingCluster(key) === '')
      log.warn(`${key} is not served: ${messageOf(conflicts[0]!)}`);
    if (conflicts.length > 0) this.#lost.set(key, conflicts);
    else this.#lost.delete(key);
    this.services.choose(key, conflicts.length > 0 ? undefined : service);
  }

  #claimsOf(service: DistributedService): Claim[] {
    const cluster = this.#deps.sources.decidingCluster(serviceKey(service)) ?? '';
    return claimedIn(service, this.#deps.config)
      .map((claim) => ({ cluster, ...claim }))
      .filter((claim) => this.#held.isEligible(claim));
  }
}

/** One that is being deleted claims nothing. */
function claimedIn(service: DistributedService, { baseDomain }: Pick<Config, 'baseDomain'>): Omit<Claim, 'cluster'>[] {
  if (service.metadata.deletionTimestamp !== undefined) return [];
  return claimedBy(service, baseDomain).map((exposure) => ({ service: serviceKey(service), exposure }));
}

const idOf = ({ service, exposure }: Claim): string => claimId(service, exposure);
const isHome = ({ cluster }: Claim): boolean => cluster === '';
const isSame = (a: Kept, b: Kept): boolean => a.size === b.size && [...a].every(([id, cluster]) => b.get(id) === cluster);

const messageOf = ({ exposure }: Conflict): string =>
  `${describeExposure(exposure)} is held by a cluster that has joined the gateway; choose another one, or give it to the namespace (configuration "exposure")`;
