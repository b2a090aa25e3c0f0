/**
 * Certificates and public keys from Secrets. HAProxy does not start with a bad one, so each is parsed here, and written
 * anew from what was parsed.
 */
import { createPrivateKey, createPublicKey, X509Certificate, type KeyObject } from 'node:crypto';
import type { JwtKey } from '../../ir/ir.ts';

/** A chain and its key in the order that HAProxy wants, or why not. @param pem of certificates, the leaf first, and a key */
export function validCertificate(pem: string | undefined): { pem: string } | { problem: string } {
  if (pem === undefined) return { problem: 'its Secret is not there, or has no tls.crt and tls.key' };
  try {
    const chain = (pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).map((text) => new X509Certificate(text));
    const [, keyPem] = /(-----BEGIN (?:[A-Z0-9]+ )?PRIVATE KEY-----[^-]+-----END (?:[A-Z0-9]+ )?PRIVATE KEY-----)/.exec(pem) ?? [];
    const leaf = chain[0];
    if (!leaf) return { problem: 'tls.crt has no certificate' };
    if (keyPem === undefined) return { problem: 'tls.key has no private key' };
    const key = createPrivateKey(keyPem);
    if (!leaf.checkPrivateKey(key)) return { problem: 'tls.key is not the key of tls.crt' };
    const weak = chain.map((certificate) => weakness(certificate.publicKey)).find((reason) => reason !== undefined);
    if (weak !== undefined) return { problem: weak };
    return {
      pem: [...chain.map(String), key.export({ type: 'pkcs8', format: 'pem' })].map((text) => `${String(text).trimEnd()}\n`).join(''),
    };
  } catch {
    // The error of the parser may quote the text.
    return { problem: 'tls.crt or tls.key is not PEM that can be read' };
  }
}

/** OpenSSL at security level 2, Debian's default, refuses these. */
function weakness({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): string | undefined {
  if (asymmetricKeyType === 'rsa')
    return (asymmetricKeyDetails?.modulusLength ?? 0) < 2048 ? 'an RSA key must have 2048 bits or more' : undefined;
  if (asymmetricKeyType === 'ec')
    return ['prime256v1', 'secp384r1', 'secp521r1'].includes(asymmetricKeyDetails?.namedCurve ?? '')
      ? undefined
      : 'an EC key must be on P-256, P-384 or P-521';
  return asymmetricKeyType === 'ed25519' ? undefined : `keys of type ${asymmetricKeyType} are not accepted`;
}

/** PEM of a public key for jwt_verify; undefined where it cannot be read or is not of its algorithm. */
export function validPublicKey({ alg, publicKeyPem }: JwtKey): string | undefined {
  try {
    const key = createPublicKey(publicKeyPem);
    const curve = { ES256: 'prime256v1', ES384: 'secp384r1', ES512: 'secp521r1' }[alg as string];
    const fits =
      curve === undefined
        ? key.asymmetricKeyType === 'rsa' && weakness(key) === undefined
        : key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === curve;
    return fits ? key.export({ type: 'spki', format: 'pem' }).toString() : undefined;
  } catch {
    return undefined;
  }
}
