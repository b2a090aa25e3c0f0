/** The Secrets that this program made, in memory: filled by a watch of its label, and by its own writes before the watch tells. */
import type { Sink } from '../kube/reflector.ts';
import { slim, type Secret } from '../kube/types.ts';

export class SecretStore implements Sink<Secret> {
  readonly #secrets = new Map<string, Secret>();
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
    this.#secrets.set(keyOf(secret), slim(secret));
    if (before?.metadata.resourceVersion !== secret.metadata.resourceVersion) this.#changed(secret);
  }

  delete(secret: Secret): void {
    if (this.#secrets.delete(keyOf(secret))) this.#changed(secret);
  }

  replace(secrets: Secret[]): void {
    const keep = new Set(secrets.map(keyOf));
    for (const [key, secret] of [...this.#secrets]) if (!keep.has(key)) this.delete(secret);
    for (const secret of secrets) this.set(secret);
  }
}

const keyOf = ({ metadata }: Secret) => `${metadata.namespace}/${metadata.name}`;
