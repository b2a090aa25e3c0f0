/** Claims that are held at a time: no two of them are in each other's way. */
import type { Config } from '../../config/schema.ts';
import { overlapOf, type Conflict } from '../../model/claims.ts';
import type { Exposure } from '../../model/exposure.ts';
import { ExposureIndex, exposureOf, exposureText } from '../../model/exposure-index.ts';
import { eligibilityOf } from '../../model/grants.ts';
import { equalJson } from '../../model/json.ts';

/** One host or port of one service. */
export interface Claim {
  /** of the cluster that says what users get of the service; empty: the gateway's own */
  cluster: string;
  /** of the service, namespace/name */
  service: string;
  exposure: Exposure;
}

/** The same for the same service and exposure, whichever cluster. */
export const claimId = (service: string, exposure: Exposure): string => `${service} ${exposureText(exposure)}`;

/** @param id a claimId() that was kept; undefined where it is none */
export function claimOf(id: string, cluster: string): Claim | undefined {
  const end = id.indexOf(' ');
  const exposure = exposureOf(id.slice(end + 1));
  return end > 0 && exposure ? { cluster, service: id.slice(0, end), exposure } : undefined;
}

export const namespaceOf = (service: string): string => service.slice(0, service.indexOf('/'));

export type ClaimRules = Pick<Config, 'baseDomain' | 'exposure'>;

interface Held extends Claim {
  id: string;
  /** in line: lower is earlier */
  place: number;
}

export class HeldClaims {
  readonly #rules: ClaimRules;
  readonly #held = new Map<string, Held>();
  readonly #index = new ExposureIndex<Held>();
  #places = 0;

  constructor(rules: ClaimRules) {
    this.#rules = rules;
  }

  get(id: string): Claim | undefined {
    return this.#held.get(id);
  }

  /** by claimId(), in line */
  all(): Iterable<[string, Claim]> {
    return this.#held;
  }

  /** One that is held already keeps its place in line. */
  add(claim: Claim): void {
    const id = claimId(claim.service, claim.exposure);
    const before = this.#held.get(id);
    if (before) this.#index.remove([before.exposure], before);
    const held = { ...claim, id, place: before?.place ?? this.#places++ };
    this.#held.set(id, held);
    this.#index.add([claim.exposure], held);
  }

  delete(id: string): void {
    const held = this.#held.get(id);
    if (!held) return;
    this.#held.delete(id);
    this.#index.remove([held.exposure], held);
  }

  clear(): void {
    for (const id of [...this.#held.keys()]) this.delete(id);
  }

  /** Whether a claim can be held at all: what the configuration does not give to its namespace is nobody's here. */
  isEligible({ service, exposure }: Claim): boolean {
    return ['free', 'granted'].includes(this.#eligibility(service, exposure));
  }

  /** Who is in the way of a claim; services of the gateway's own cluster are not in each other's (model/claims.ts). */
  conflictOf(claim: Claim): Conflict | undefined {
    const [other] = this.#inTheWay(claim);
    if (!other) return undefined;
    const { exposure } = claim;
    const by = 'host' in exposure && !equalJson(exposure, other.exposure) ? overlapOf(exposure.host, [other.exposure]) : undefined;
    return by ? { kind: 'foreign', exposure, other: other.service, by } : { kind: 'duplicate', exposure, other: other.service };
  }

  /**
   * Another cluster says now what users get of a service: its claims may be in the way of others that they were not before,
   * and the earlier one in line stays. @returns ids of what is held no more
   */
  moved(claim: Claim): string[] {
    const id = claimId(claim.service, claim.exposure);
    this.add(claim);
    const others = [...this.#inTheWay(claim)];
    const { place } = this.#held.get(id)!;
    const leaving = others.some((other) => other.place < place) ? [id] : others.map((other) => other.id);
    for (const each of leaving) this.delete(each);
    return leaving;
  }

  *#inTheWay({ cluster, service, exposure }: Claim): Iterable<Held> {
    const isOther = (other: Claim) => other.service !== service && !(other.cluster === '' && cluster === '');
    for (const other of this.#index.exactly(exposure)) if (isOther(other)) yield other;
    if (!('host' in exposure) || this.#eligibility(service, exposure) === 'granted') return;
    for (const other of this.#index.overlapping(exposure.host))
      if (isOther(other) && namespaceOf(other.service) !== namespaceOf(service)) yield other;
  }

  #eligibility(service: string, exposure: Exposure) {
    return eligibilityOf(this.#rules.exposure, namespaceOf(service), exposure, this.#rules.baseDomain).kind;
  }
}
