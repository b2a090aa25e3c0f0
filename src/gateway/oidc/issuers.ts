/** The keys of the issuers that services name (OpenID Connect Discovery 1.0), fetched here and never on a request's path. */
import { createPublicKey } from 'node:crypto';
import type { JSONWebKeySet } from 'jose';
import { FairLimit } from '../../net/fair-limit.ts';
import type { Log } from '../../log.ts';
import { fetchJson, type FetchRules } from './fetch-json.ts';
import { KeySource, keySet, type JwtKey } from './key-source.ts';

export interface IssuersOptions {
  rules: FetchRules;
  log: Log;
  changed: () => void;
  /** milliseconds */
  everyMs?: number;
}

/** Fetches at a time, and how many of them are for one namespace. */
const atATime = { total: 16, ofNamespace: 2 };
/** An issuer that cannot be reached is tried this often at least. Milliseconds. */
const slowestMs = 60_000;

export type IssuerKeys = { keys: readonly JwtKey[] } | { problem: string };

/** An issuer, and where its keys are. @see Issuers.follow */
export interface IssuerReference {
  issuer: string;
  /** undefined: discovery tells */
  jwksUrl: string | undefined;
  /** of a service that names it: namespaces take turns */
  namespace: string;
}

interface Followed {
  source: KeySource;
  /** what the keys that were fetched last come to: the same value until others are */
  known?: { of: JSONWebKeySet; answer: IssuerKeys };
}

export class Issuers {
  readonly #options: IssuersOptions;
  readonly #followed = new Map<string, Followed>();
  readonly #limit = new FairLimit(atATime.total, atATime.ofNamespace);

  constructor(options: IssuersOptions) {
    this.#options = options;
  }

  /** Has the keys of these issuers fetched, now and then again, and those of no others. */
  follow(references: Iterable<IssuerReference>): void {
    const wanted = new Map([...references].map((reference) => [idOf(reference), reference]));
    for (const [id, { source }] of this.#followed)
      if (!wanted.has(id)) {
        void source.close();
        this.#followed.delete(id);
      }
    for (const [id, reference] of wanted) if (!this.#followed.has(id)) this.#followed.set(id, { source: this.#start(reference) });
  }

  /** The keys as they are known now. */
  keysOf(reference: IssuerReference): IssuerKeys {
    const followed = this.#followed.get(idOf(reference));
    const { set, problem } = followed?.source ?? {};
    if (!followed || !set) return { problem: problem ?? 'they are being fetched' };
    if (followed.known?.of !== set) followed.known = { of: set, answer: answerOf(set) };
    return followed.known.answer;
  }

  /** Resolves after the first attempt for each. */
  async attempted(): Promise<void> {
    await Promise.all([...this.#followed.values()].map(({ source }) => source.attempted));
  }

  async close(): Promise<void> {
    await Promise.all([...this.#followed.values()].map(({ source }) => source.close()));
  }

  #start(reference: IssuerReference): KeySource {
    const { log, changed, everyMs } = this.#options;
    const { issuer, namespace } = reference;
    return new KeySource({
      load: () => this.#limit.run(namespace, () => this.#load(reference)),
      slowestMs,
      onFailure: (message) => log.warn({ issuer }, `the issuer's keys cannot be fetched: ${message}`),
      changed,
      ...(everyMs === undefined ? {} : { everyMs }),
    });
  }

  async #load(reference: IssuerReference): Promise<JSONWebKeySet> {
    // It may have waited for its turn until nobody asked for it any more.
    if (!this.#followed.has(idOf(reference))) throw new Error('no service names it any more');
    const { issuer, jwksUrl } = reference;
    const { rules } = this.#options;
    return keySet(await fetchJson(jwksUrl ?? (await discovered(issuer, rules)), rules));
  }
}

async function discovered(issuer: string, rules: FetchRules): Promise<string> {
  const document = (await fetchJson(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, rules)) as {
    issuer?: unknown;
    jwks_uri?: unknown;
  };
  if (document.issuer !== issuer) throw new Error(`its discovery document is of issuer ${JSON.stringify(document.issuer)}`);
  if (typeof document.jwks_uri !== 'string') throw new Error('its discovery document has no jwks_uri');
  return document.jwks_uri;
}

const idOf = ({ issuer, jwksUrl }: IssuerReference): string => JSON.stringify([issuer, jwksUrl]);

/** Of one issuer: each is a rule that every request with a token may have to pass. Published sets have two to ten. */
const maxKeys = 64;
/** Each of these is tried on every token that names it, and a signature with a wide key takes HAProxy half a millisecond. */
const maxKeysOfOneName = 4;

function answerOf(set: JSONWebKeySet): IssuerKeys {
  const keys = verificationKeys(set);
  if (keys.length > maxKeys) return { problem: `there are ${keys.length} keys for signatures among them, above the limit of ${maxKeys}` };
  for (const [kid, { length }] of Map.groupBy(keys, (key) => key.kid))
    if (length > maxKeysOfOneName) {
      const which = kid === undefined ? 'without a kid' : 'of one kid';
      return {
        problem: `there are ${length} keys ${which} among them, above the limit of ${maxKeysOfOneName}; give each a kid of its own`,
      };
    }
  return keys.length > 0 ? { keys } : { problem: 'there is no RSA or EC key for signatures among them' };
}

/**
 * RSA and EC keys for signatures; what is of another kind, or broken, is left out (RFC 7517 section 5). Their order is
 * nobody's choice: issuers with several servers send them in any, and each other one would be a reload of HAProxy.
 */
function verificationKeys({ keys }: JSONWebKeySet): JwtKey[] {
  const found = keys.flatMap((key): JwtKey[] => {
    const alg = algorithmOf(key);
    if (alg === undefined || (key.use !== undefined && key.use !== 'sig')) return [];
    // The set is what somebody's server sent: that `kid` is a text is the type's word alone.
    const kid: unknown = key.kid;
    if (kid !== undefined && typeof kid !== 'string') return [];
    try {
      const publicKeyPem = createPublicKey({ key: key, format: 'jwk' }).export({ type: 'spki', format: 'pem' });
      return [{ kid, alg, publicKeyPem: publicKeyPem.toString() }];
    } catch {
      return [];
    }
  });
  const orderOf = ({ kid, alg, publicKeyPem }: JwtKey) => JSON.stringify([kid, alg, publicKeyPem]);
  return found.sort((a, b) => (orderOf(a) < orderOf(b) ? -1 : 1));
}

const curves = new Map<unknown, JwtKey['alg']>([
  ['P-256', 'ES256'],
  ['P-384', 'ES384'],
  ['P-521', 'ES512'],
]);
const rsa: readonly unknown[] = ['RS256', 'RS384', 'RS512'];

/** A key without `alg` is for the usual one of its kind (RFC 7518 section 3.1). */
function algorithmOf({ kty, crv, alg }: { kty?: unknown; crv?: unknown; alg?: unknown }): JwtKey['alg'] | undefined {
  if (kty === 'RSA') return alg === undefined ? 'RS256' : rsa.includes(alg) ? (alg as JwtKey['alg']) : undefined;
  const own = kty === 'EC' ? curves.get(crv) : undefined;
  return alg === undefined || alg === own ? own : undefined;
}
