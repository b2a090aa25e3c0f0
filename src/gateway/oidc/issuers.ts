/** The keys of the issuers that services name (OpenID Connect Discovery 1.0), fetched here and never on a request's path. */
import { createPublicKey } from 'node:crypto';
import type { JSONWebKeySet } from 'jose';
import type { AddressRules } from '../../net/addresses.ts';
import type { Log } from '../../log.ts';
import { fetchJson } from './fetch-json.ts';
import { KeySource, keySet } from './key-source.ts';
import type { JwtKey } from './key-source.ts';

export interface IssuersOptions {
  rules: AddressRules;
  log: Log;
  changed: () => void;
  /** milliseconds */
  everyMs?: number;
}

export type IssuerKeys = { keys: readonly JwtKey[] } | { problem: string };

export class Issuers {
  readonly #options: IssuersOptions;
  readonly #sources = new Map<string, { source: KeySource; keys?: { of: JSONWebKeySet; keys: readonly JwtKey[] } }>();
  #used = new Set<string>();

  constructor(options: IssuersOptions) {
    this.#options = options;
  }

  /** The keys as they are known now. They begin to be fetched with the first question. @param jwksUrl undefined: discovery tells */
  keysOf(issuer: string, jwksUrl: string | undefined): IssuerKeys {
    const id = JSON.stringify([issuer, jwksUrl]);
    this.#used.add(id);
    let entry = this.#sources.get(id);
    if (!entry) this.#sources.set(id, (entry = { source: this.#start(issuer, jwksUrl) }));
    const { set, problem } = entry.source;
    if (!set) return { problem: problem ?? 'they are being fetched' };
    if (entry.keys?.of !== set) entry.keys = { of: set, keys: verificationKeys(set) };
    const { keys } = entry.keys;
    return keys.length > 0 ? { keys } : { problem: 'there is no RSA or EC key for signatures among them' };
  }

  /** Resolves after the first attempt for each that has been asked for. */
  async attempted(): Promise<void> {
    await Promise.all([...this.#sources.values()].map(({ source }) => source.attempted));
  }

  /** Forgets what has not been asked for since the last call. */
  sweep(): void {
    for (const [id, { source }] of this.#sources) {
      if (this.#used.has(id)) continue;
      void source.close();
      this.#sources.delete(id);
    }
    this.#used = new Set();
  }

  async close(): Promise<void> {
    await Promise.all([...this.#sources.values()].map(({ source }) => source.close()));
  }

  #start(issuer: string, jwksUrl: string | undefined): KeySource {
    const { rules, log, changed, everyMs } = this.#options;
    return new KeySource({
      load: async () => keySet(await fetchJson(jwksUrl ?? (await discovered(issuer, rules)), rules)),
      onFailure: (message) => log.warn({ issuer }, `the issuer's keys cannot be fetched: ${message}`),
      changed,
      ...(everyMs === undefined ? {} : { everyMs }),
    });
  }
}

async function discovered(issuer: string, rules: AddressRules): Promise<string> {
  const document = (await fetchJson(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, rules)) as {
    issuer?: unknown;
    jwks_uri?: unknown;
  };
  if (document.issuer !== issuer) throw new Error(`its discovery document is of issuer ${JSON.stringify(document.issuer)}`);
  if (typeof document.jwks_uri !== 'string') throw new Error('its discovery document has no jwks_uri');
  return document.jwks_uri;
}

/** RSA and EC keys for signatures; what is of another kind, or broken, is left out (RFC 7517 section 5). */
function verificationKeys({ keys }: JSONWebKeySet): JwtKey[] {
  return keys.flatMap((key): JwtKey[] => {
    const alg = algorithmOf(key);
    if (alg === undefined || (key.use !== undefined && key.use !== 'sig')) return [];
    try {
      const publicKeyPem = createPublicKey({ key: key, format: 'jwk' }).export({ type: 'spki', format: 'pem' });
      return [{ kid: key.kid, alg, publicKeyPem: publicKeyPem.toString() }];
    } catch {
      return [];
    }
  });
}

const curves: Record<string, JwtKey['alg']> = { 'P-256': 'ES256', 'P-384': 'ES384', 'P-521': 'ES512' };
const rsa: readonly string[] = ['RS256', 'RS384', 'RS512'];

/** A key without `alg` is for the usual one of its kind (RFC 7518 section 3.1). */
function algorithmOf({ kty, crv, alg }: { kty?: string; crv?: string; alg?: string }): JwtKey['alg'] | undefined {
  if (kty === 'RSA') return alg === undefined ? 'RS256' : rsa.includes(alg) ? (alg as JwtKey['alg']) : undefined;
  const own = kty === 'EC' ? curves[crv ?? ''] : undefined;
  return alg === undefined || alg === own ? own : undefined;
}
