/**
 * Which services may have the hosts and ports that they claim.
 *
 * Services are taken in the order of their place in line, then of age: creationTimestamp, then namespace/name. Each wins
 * unless a winner before it has the same host and path or the same port, or has an overlapping host from another
 * namespace, or unless a grant gives its host or port to other namespaces, or only a grant could give it. Grants replace this order between namespaces.
 * So a loser takes nothing from anyone, and every reader of the same services comes to the same answer.
 */
import { isDeepStrictEqual } from 'node:util';
import { exposuresOf, type Exposure } from './exposure.ts';
import { ExposureIndex } from './exposure-index.ts';
import { eligibilityOf, type Grants, type Reserved } from './grants.ts';
import { coversHost } from './hosts.ts';
import { isObject } from './json.ts';
import { serviceKey, type ServiceStore } from './store.ts';
import type { DistributedService } from './types.ts';

export type Conflict =
  /** the same host and path, or the same port */
  | { kind: 'duplicate'; exposure: Exposure; other: string }
  /** the host is another namespace's: it has the same, or a wildcard that takes it in, or one that this wildcard takes in */
  | { kind: 'foreign'; exposure: Exposure; other: string; by: 'name' | 'its wildcard' | 'this wildcard' }
  /** the configuration gives it to others */
  | { kind: 'notGranted'; exposure: Exposure; namespaces: string[] }
  /** nobody has it unless the configuration gives it */
  | { kind: 'reserved'; exposure: Exposure; because: Reserved };

interface Claimant {
  /** namespace/name */
  key: string;
  namespace: string;
  place: Place;
  /** milliseconds; infinite where unknown */
  created: number;
  exposures: Exposure[];
}

/**
 * The place of a service in line, first to last. The controller's word in the status tells who has what it claims, so a
 * service that moves to another's host does not take it by being older, on whichever reader, and after any restart. One
 * that is being deleted can still be changed, and whatever it claims then, nobody yields to it.
 */
const places = ['confirmed', 'unjudged', 'lost', 'not stored', 'deleting'] as const;
type Place = (typeof places)[number];

/** Reason of ConfigurationValid=False where a service loses to another. */
export const hostConflict = 'HostConflict';

export interface ClaimRules {
  baseDomain?: string | undefined;
  exposure: Grants;
}

/** Where the index hears of services. */
export type ServiceSource = Pick<ServiceStore, 'all' | 'subscribe'>;

/** An index of what the services of a store claim, kept up with it, so that no question scans them all. */
export class Claims {
  readonly #rules: ClaimRules;
  readonly #claimants = new Map<string, Claimant>();
  readonly #index = new ExposureIndex<Claimant>();
  readonly #unsubscribe: () => void;
  /** of conflictsOf, until the next change */
  #answers = new WeakMap<DistributedService, Conflict[]>();

  constructor(services: ServiceSource, rules: ClaimRules) {
    this.#rules = rules;
    for (const service of services.all()) this.#add(service);
    this.#unsubscribe = services.subscribe((before, after) => {
      if (before && after && this.#isSame(after)) return;
      if (before) this.#remove(before);
      if (after) this.#add(after);
    });
  }

  close(): void {
    this.#unsubscribe();
  }

  /** What keeps a service that is to be created or changed from its claims: whatever a stored winner has. */
  conflictsOfNew(service: DistributedService): Conflict[] {
    return this.#conflicts(this.#claimant(service, false), new Map());
  }

  /** What a stored service loses by; it must not be served unless this is empty (HostConflict). */
  conflictsOf(service: DistributedService): Conflict[] {
    let conflicts = this.#answers.get(service);
    if (!conflicts) this.#answers.set(service, (conflicts = this.#conflicts(this.#claimant(service, true), new Map())));
    return conflicts;
  }

  /** Whether there is a service of this key, namespace/name. */
  knows(key: string): boolean {
    return this.#claimants.has(key);
  }

  #claimant(service: DistributedService, stored: boolean): Claimant {
    const { namespace = '', creationTimestamp } = service.metadata;
    const created = creationTimestamp === undefined ? NaN : Date.parse(creationTimestamp);
    return {
      key: serviceKey(service),
      namespace,
      place: placeOf(service, stored),
      created: Number.isNaN(created) ? Infinity : created,
      exposures: claimedBy(service, this.#rules.baseDomain),
    };
  }

  /** Whether the index has the service as it claims now: most changes are of something else. */
  #isSame(service: DistributedService): boolean {
    return isDeepStrictEqual(this.#claimants.get(serviceKey(service)), this.#claimant(service, true));
  }

  #add(service: DistributedService): void {
    this.#answers = new WeakMap();
    const claimant = this.#claimant(service, true);
    this.#claimants.set(claimant.key, claimant);
    this.#index.add(claimant.exposures, claimant);
  }

  #remove(service: DistributedService): void {
    this.#answers = new WeakMap();
    const claimant = this.#claimants.get(serviceKey(service));
    if (!claimant) return;
    this.#claimants.delete(claimant.key);
    this.#index.remove(claimant.exposures, claimant);
  }

  /** @param verdicts of the claimants that this question has met so far */
  #conflicts(claimant: Claimant, verdicts: Map<Claimant, boolean>): Conflict[] {
    const { namespace } = claimant;
    return claimant.exposures.flatMap((exposure): Conflict[] => {
      const eligibility = eligibilityOf(this.#rules.exposure, namespace, exposure, this.#rules.baseDomain);
      if (eligibility.kind === 'refused') return [{ kind: 'notGranted', exposure, namespaces: eligibility.namespaces }];
      if (eligibility.kind === 'reserved') return [{ kind: 'reserved', exposure, because: eligibility.because }];
      const twin = this.#oldestWinner(this.#index.exactly(exposure), claimant, verdicts);
      if (twin) return [{ kind: 'duplicate', exposure, other: twin.key }];
      if (!('host' in exposure) || eligibility.kind === 'granted') return [];
      const foreigners = this.#index.overlapping(exposure.host).filter((other) => other.namespace !== namespace);
      const owner = this.#oldestWinner(foreigners, claimant, verdicts);
      return owner ? [{ kind: 'foreign', exposure, other: owner.key, by: overlapOf(exposure.host, owner.exposures) }] : [];
    });
  }

  #oldestWinner(others: Iterable<Claimant>, claimant: Claimant, verdicts: Map<Claimant, boolean>): Claimant | undefined {
    return [...others]
      .filter((other) => other.key !== claimant.key && isOlder(other, claimant))
      .sort((a, b) => (isOlder(a, b) ? -1 : 1))
      .find((other) => this.#wins(other, verdicts));
  }

  /** Asks only about older claimants, so it comes to an end. */
  #wins(claimant: Claimant, verdicts: Map<Claimant, boolean>): boolean {
    const known = verdicts.get(claimant);
    if (known !== undefined) return known;
    const wins = this.#conflicts(claimant, verdicts).length === 0;
    verdicts.set(claimant, wins);
    return wins;
  }
}

/** How a host is in the way of those of another service. */
export function overlapOf(host: string, exposures: readonly Exposure[]): 'name' | 'its wildcard' | 'this wildcard' {
  const theirs = exposures.flatMap((exposure) => ('host' in exposure ? [exposure.host] : []));
  if (theirs.includes(host)) return 'name';
  return theirs.some((other) => coversHost(other, host)) ? 'its wildcard' : 'this wildcard';
}

function placeOf({ metadata, status }: DistributedService, stored: boolean): Place {
  if (metadata.deletionTimestamp !== undefined) return 'deleting';
  if (!stored) return 'not stored';
  const conditions: unknown = status?.conditions;
  if (Array.isArray(conditions) && conditions.some(isLoss)) return 'lost';
  return metadata.generation !== undefined && status?.observedGeneration === metadata.generation ? 'confirmed' : 'unjudged';
}

const isLoss = (condition: unknown): boolean =>
  isObject(condition) && condition.type === 'ConfigurationValid' && condition.status === 'False' && condition.reason === hostConflict;

function isOlder(a: Claimant, b: Claimant): boolean {
  if (a.place !== b.place) return places.indexOf(a.place) < places.indexOf(b.place);
  return a.created === b.created ? a.key < b.key : a.created < b.created;
}

/** Exposures of a service that may come from anywhere: what is malformed claims nothing. */
export function claimedBy({ spec }: DistributedService, baseDomain: string | undefined): Exposure[] {
  if (!isObject(spec)) return [];
  const claimed = (exposuresOf(spec, baseDomain) as Exposure[] | undefined) ?? [];
  return claimed.filter((exposure) => ('host' in exposure ? typeof exposure.host === 'string' : Number.isInteger(exposure.port)));
}
