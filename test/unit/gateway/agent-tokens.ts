/** Service account tokens as kube-apiserver makes them (KEP-1205), of a key of the test. */
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JSONWebKeySet, type JWK } from 'jose';

export const issuer = 'https://kubernetes.default.svc.cluster.local';
export const audience = 'frp.io/gateway';

export interface Pod {
  namespace: string;
  name: string;
  uid: string;
}

export interface TokenOptions {
  audience?: string;
  issuer?: string;
  /** seconds from now */
  expiresIn?: number;
  kid?: string;
  claims?: object;
}

export class Signer {
  readonly #privateKey: CryptoKey;
  readonly jwk: JWK;

  private constructor(privateKey: CryptoKey, jwk: JWK) {
    this.#privateKey = privateKey;
    this.jwk = jwk;
  }

  static async create(kid = 'key-1'): Promise<Signer> {
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
    return new Signer(privateKey, { ...(await exportJWK(publicKey)), kid, alg: 'ES256', use: 'sig' });
  }

  get keys(): JSONWebKeySet {
    return { keys: [this.jwk] };
  }

  token({ namespace, name, uid }: Pod, options: TokenOptions = {}): Promise<string> {
    const claims = options.claims ?? {
      'kubernetes.io': { namespace, pod: { name, uid }, serviceaccount: { name: 'default', uid: 'sa-uid' } },
    };
    const now = Math.floor(Date.now() / 1000);
    return new SignJWT({ ...claims })
      .setProtectedHeader({ alg: 'ES256', kid: options.kid ?? this.jwk.kid! })
      .setIssuer(options.issuer ?? issuer)
      .setSubject(`system:serviceaccount:${namespace}:default`)
      .setAudience(options.audience ?? audience)
      .setIssuedAt(now)
      .setNotBefore(now)
      .setExpirationTime(now + (options.expiresIn ?? 3600))
      .sign(this.#privateKey);
  }
}
