/**
 * Which cluster said first that tokens are signed with a key. Public keys are no secret: another cluster that says the same
 * would be believed to be the one that Pods with such tokens are of.
 */
import { createHash } from 'node:crypto';
import type { JSONWebKeySet, JWK } from 'jose';

/** Name of the cluster, by fingerprint of the key. */
export type Owners = Readonly<Record<string, string>>;

/** Where it is kept, perhaps for several replicas: then what is there decides, whoever was first in the memory of one. */
export interface KeyOwnersStore {
  /** as last known */
  read(): Owners;
  /** A cluster has these keys and no others, but for those that are another's. @returns all, as they are then @throws Error */
  give(cluster: string, fingerprints: readonly string[]): Promise<Owners>;
  /** @param changed told when another replica has written */
  subscribe(changed: () => void): void;
}

export class KeyOwners {
  readonly #store: KeyOwnersStore;
  readonly #changed: () => void;
  #owners: Map<string, string>;
  /** clusters of which the store does not have all yet */
  readonly #unsaved = new Set<string>();
  #saving: Promise<void> = Promise.resolve();

  /** @param changed told when a key is another cluster's than was thought, or nobody's any more */
  constructor(store: KeyOwnersStore, changed: () => void) {
    this.#store = store;
    this.#changed = changed;
    this.#owners = new Map(Object.entries(store.read()));
    store.subscribe(() => this.#take(store.read()));
  }

  /** Its keys are these from now on. @returns the id of one that is another cluster's: then none of them is believed */
  claim(cluster: string, { keys }: JSONWebKeySet): string | undefined {
    const fingerprints = new Map(keys.map((key) => [fingerprintOf(key), key.kid ?? '']));
    for (const [fingerprint, id] of fingerprints) if ((this.#owners.get(fingerprint) ?? cluster) !== cluster) return id;
    const before = this.#of(cluster);
    for (const fingerprint of before) if (!fingerprints.has(fingerprint)) this.#owners.delete(fingerprint);
    for (const fingerprint of fingerprints.keys()) this.#owners.set(fingerprint, cluster);
    if (before.length !== fingerprints.size || before.some((fingerprint) => !fingerprints.has(fingerprint))) this.#save(cluster);
    return undefined;
  }

  /** The cluster has none any more. */
  release(cluster: string): void {
    const before = this.#of(cluster);
    for (const fingerprint of before) this.#owners.delete(fingerprint);
    if (before.length > 0) this.#save(cluster);
  }

  /** Resolves when the store has all of it. @throws where it does not take it */
  get saved(): Promise<void> {
    return this.#saving;
  }

  /** Tries again what the store has not taken. Never rejects. */
  async settle(): Promise<void> {
    for (const cluster of this.#unsaved) this.#save(cluster);
    await this.#saving.catch(() => {});
  }

  #of(cluster: string): string[] {
    return [...this.#owners].flatMap(([fingerprint, owner]) => (owner === cluster ? [fingerprint] : []));
  }

  #save(cluster: string): void {
    this.#unsaved.add(cluster);
    this.#saving = this.#saving
      .catch(() => {})
      .then(async () => {
        if (!this.#unsaved.delete(cluster)) return;
        try {
          this.#take(await this.#store.give(cluster, this.#of(cluster)));
        } catch (error) {
          this.#unsaved.add(cluster);
          throw error;
        }
      });
    this.#saving.catch(() => {});
  }

  /** What the store has, and of clusters that are not saved yet what is here, where it is nobody else's. */
  #take(known: Owners): void {
    const owners = new Map(Object.entries(known).filter(([, cluster]) => !this.#unsaved.has(cluster)));
    for (const cluster of this.#unsaved)
      for (const fingerprint of this.#of(cluster)) if (!owners.has(fingerprint)) owners.set(fingerprint, cluster);
    const isSame = owners.size === this.#owners.size && [...owners].every(([key, cluster]) => this.#owners.get(key) === cluster);
    this.#owners = owners;
    if (!isSame) this.#changed();
  }
}

/** Of the key itself, however its numbers are written. */
function fingerprintOf({ kty, crv, n, e, x, y }: JWK): string {
  const numbers = [n, e, x, y].map((text) =>
    Buffer.from(text ?? '', 'base64url')
      .toString('hex')
      .replace(/^0+/, ''),
  );
  return createHash('sha256')
    .update(JSON.stringify([kty, crv, ...numbers]))
    .digest('base64url');
}

/** Those after a cluster has these keys: what is another's stays. */
export function withKeys(owners: Owners, cluster: string, fingerprints: readonly string[]): Owners {
  const others = Object.entries(owners).filter(([, owner]) => owner !== cluster);
  return { ...Object.fromEntries(fingerprints.map((fingerprint) => [fingerprint, cluster])), ...Object.fromEntries(others) };
}
