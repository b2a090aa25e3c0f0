/**
 * The Secrets that this program made, in memory: filled by a watch of its label, and by its own writes before the watch tells.
 * The answer to a write may come after the watch has told of a later change; versions say which is the newer (KEP-5504).
 */
import type { Sink } from '../kube/reflector.ts';
import { slim, type Secret } from '../kube/types.ts';

/** So many deletions are remembered; an answer that is late is late by milliseconds. */
const remembered = 1000;

export class SecretStore implements Sink<Secret> {
  readonly #secrets = new Map<string, Secret>();
  /** versions at which Secrets went, oldest first */
  readonly #gone = new Map<string, number>();
  readonly #changed: (secret: Secret) => void;

  /** @param changed told of each Secret that came, changed or went, by the watch or by a write of ours */
  constructor(changed: (secret: Secret) => void) {
    this.#changed = changed;
  }

  get(namespace: string | undefined, name: string): Secret | undefined {
    return this.#secrets.get(`${namespace}/${name}`);
  }

  all(): Iterable<Secret> {
    return this.#secrets.values();
  }

  set(secret: Secret): void {
    const before = this.#secrets.get(keyOf(secret));
    const newest = before ? versionOf(before) : (this.#gone.get(keyOf(secret)) ?? 0);
    if (versionOf(secret) >= newest) this.#put(secret);
  }

  delete(secret: Secret): void {
    const key = keyOf(secret);
    const version = versionOf(secret);
    this.#gone.delete(key);
    if (version !== Infinity) this.#gone.set(key, version);
    if (this.#gone.size > remembered) this.#gone.delete(this.#gone.keys().next().value!);
    if (this.#secrets.delete(key)) this.#changed(secret);
  }

  replace(secrets: Secret[]): void {
    const keep = new Set(secrets.map(keyOf));
    for (const [key, secret] of [...this.#secrets]) if (!keep.has(key)) this.delete(secret);
    // A list is the truth, whatever its versions: an API server may have been restored from a backup.
    for (const secret of secrets) this.#put(secret);
  }

  #put(secret: Secret): void {
    const before = this.#secrets.get(keyOf(secret));
    this.#secrets.set(keyOf(secret), slim(secret));
    if (before?.metadata.resourceVersion !== secret.metadata.resourceVersion) this.#changed(secret);
  }
}

/** A version that is no number counts as the newest. */
function versionOf({ metadata: { resourceVersion } }: Secret): number {
  const version = Number(resourceVersion);
  return Number.isNaN(version) ? Infinity : version;
}

const keyOf = ({ metadata }: Secret) => `${metadata.namespace}/${metadata.name}`;
