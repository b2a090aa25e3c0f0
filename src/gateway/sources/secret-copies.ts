/** The Secrets in the gateway's own namespace: what the controller has copied there of the Secrets that services refer to. */
import { text } from '../../kube/authority-secret.ts';
import type { Sink } from '../../kube/reflector.ts';
import type { Secret } from '../../kube/types.ts';

/** On Secrets in the gateway's namespace. */
export const copyLabel = 'frp.io/gateway-copy';
/** namespace/name of what it is a copy of */
export const copyOf = 'frp.io/copy-of';
export const copyKind = 'frp.io/copy-kind';
/**
 * credentials: of keys and tokens `clients.json`, {"<sha256 hex>": "<client>"}; of oauth2 issuer, audience, jwksURL,
 * rolesClaim. tls: tls.crt, tls.key. client-ca: ca.crt. challenges: of a service, what ACME servers are
 * answered for its hosts, key authorizations by token. replicas: what replicas know each other by, tls.crt, tls.key, ca.crt.
 */
export type CopyKind = 'credentials' | 'tls' | 'client-ca' | 'challenges' | 'replicas';

export class Copies implements Sink<Secret> {
  readonly #copies = new Map<string, Secret>();
  readonly #certificates = new WeakMap<Secret, string>();
  readonly #challenges = new WeakMap<Secret, Readonly<Record<string, string>>>();
  readonly #changed: () => void;

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  /** @param original namespace/name @param key of the Secret; decoded. undefined where it is not there */
  value(kind: CopyKind, original: string, key: string): string | undefined {
    const secret = this.get(kind, original);
    return secret?.data?.[key] === undefined ? undefined : text(secret, key);
  }

  get(kind: CopyKind, original: string): Secret | undefined {
    return this.#copies.get(`${kind} ${original}`);
  }

  /** Key authorizations by token; the same value as long as the copy is the same. @param service namespace/name */
  challenges(service: string): Readonly<Record<string, string>> | undefined {
    const secret = this.get('challenges', service);
    if (!secret) return undefined;
    let answers = this.#challenges.get(secret);
    if (!answers) {
      answers = Object.fromEntries(Object.keys(secret.data ?? {}).map((token) => [token, text(secret, token)]));
      this.#challenges.set(secret, answers);
    }
    return answers;
  }

  /** PEM of the chain and the key of a copy of kind `tls`; the same text as long as the copy is the same. @param original namespace/name */
  certificate(original: string): string | undefined {
    const secret = this.get('tls', original);
    if (secret?.data?.['tls.crt'] === undefined || secret.data['tls.key'] === undefined) return undefined;
    let pem = this.#certificates.get(secret);
    if (pem === undefined) this.#certificates.set(secret, (pem = `${text(secret, 'tls.crt').trim()}\n${text(secret, 'tls.key').trim()}\n`));
    return pem;
  }

  of(kind: CopyKind): Secret[] {
    return [...this.#copies].filter(([key]) => key.startsWith(`${kind} `)).map(([, secret]) => secret);
  }

  replace(secrets: Secret[]): void {
    this.#copies.clear();
    for (const secret of secrets) this.#put(secret);
    this.#changed();
  }

  set(secret: Secret): void {
    this.#put(secret);
    this.#changed();
  }

  delete(secret: Secret): void {
    const key = keyOf(secret);
    // A copy under another name may have taken its place.
    if (this.#copies.get(key)?.metadata.name === secret.metadata.name) this.#copies.delete(key);
    this.#changed();
  }

  #put(secret: Secret): void {
    if (secret.metadata.annotations?.[copyOf] !== undefined) this.#copies.set(keyOf(secret), secret);
  }
}

const keyOf = ({ metadata: { annotations } }: Secret): string => `${annotations?.[copyKind]} ${annotations?.[copyOf]}`;
