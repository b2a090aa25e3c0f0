/**
 * Which cluster said first that tokens are signed with a key. Public keys are no secret: another cluster that says the same
 * would be believed to be the one that Pods with such tokens are of.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { JSONWebKeySet, JWK } from 'jose';
import { z } from 'zod';
import { replaceFile } from '../../process/replace-file.ts';

const schema = z.record(z.string(), z.string());

export class KeyOwners {
  readonly #path: string;
  /** name of the cluster, by fingerprint of the key */
  readonly #owners: Map<string, string>;
  #saving: Promise<void> = Promise.resolve();

  /** Reads what is known. @param path absolute */
  constructor(path: string) {
    this.#path = path;
    this.#owners = new Map(Object.entries(readOwners(path)));
  }

  /** Its keys are these from now on. @returns the id of one that is another cluster's: then none of them is believed */
  claim(cluster: string, { keys }: JSONWebKeySet): string | undefined {
    const fingerprints = new Map(keys.map((key) => [fingerprintOf(key), key.kid ?? '']));
    for (const [fingerprint, id] of fingerprints) if ((this.#owners.get(fingerprint) ?? cluster) !== cluster) return id;
    const before = this.#of(cluster);
    for (const fingerprint of before) if (!fingerprints.has(fingerprint)) this.#owners.delete(fingerprint);
    for (const fingerprint of fingerprints.keys()) this.#owners.set(fingerprint, cluster);
    if (before.length !== fingerprints.size || before.some((fingerprint) => !fingerprints.has(fingerprint))) this.#save();
    return undefined;
  }

  /** The cluster has none any more. */
  release(cluster: string): void {
    const before = this.#of(cluster);
    for (const fingerprint of before) this.#owners.delete(fingerprint);
    if (before.length > 0) this.#save();
  }

  /** Resolves when all of it is on disk. @throws where it cannot be written */
  get saved(): Promise<void> {
    return this.#saving;
  }

  #of(cluster: string): string[] {
    return [...this.#owners].flatMap(([fingerprint, owner]) => (owner === cluster ? [fingerprint] : []));
  }

  #save(): void {
    this.#saving = this.#saving
      .catch(() => {})
      .then(() => replaceFile(this.#path, `${JSON.stringify(Object.fromEntries(this.#owners))}\n`));
    this.#saving.catch(() => {});
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

function readOwners(path: string): Record<string, string> {
  try {
    return schema.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    return {};
  }
}
