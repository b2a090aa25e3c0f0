/**
 * Certificates and public keys from Secrets. HAProxy does not start with a bad one, so each is parsed here, and written
 * anew from what was parsed.
 */
import { createPrivateKey, createPublicKey, type KeyObject, type X509Certificate } from 'node:crypto';
import { certificatesIn } from '../../../../certs/inspect.ts';
import type { JwtKey } from '../../ir/ir.ts';

/** A chain and its key in the order that HAProxy wants, or why not. @param pem of certificates, the leaf first, and a key */
export function validCertificate(pem: string | undefined): { pem: string } | { problem: string } {
  if (pem === undefined) return { problem: 'its Secret is not there, or has no tls.crt and tls.key' };
  try {
    const chain = certificatesIn(pem);
    const [, keyPem] = /(-----BEGIN (?:[A-Z0-9]+ )?PRIVATE KEY-----[^-]+-----END (?:[A-Z0-9]+ )?PRIVATE KEY-----)/.exec(pem) ?? [];
    const leaf = chain[0];
    if (!leaf) return { problem: 'tls.crt has no certificate' };
    if (keyPem === undefined) return { problem: 'tls.key has no private key' };
    const key = createPrivateKey(keyPem);
    if (!leaf.checkPrivateKey(key)) return { problem: 'tls.key is not the key of tls.crt' };
    const weak = chain.flatMap((certificate) => weakness(certificate.publicKey) ?? weakSignature(certificate) ?? []);
    if (weak.length > 0) return { problem: weak[0]! };
    if ((leaf.publicKey.asymmetricKeyDetails?.modulusLength ?? 0) > maxServerBits)
      return { problem: `an RSA key of a server may have ${maxServerBits} bits at most: each handshake costs every user of the gateway` };
    const text = [...chain.map(String), key.export({ type: 'pkcs8', format: 'pem' })].map((part) => `${String(part).trimEnd()}\n`).join('');
    if (text.length > maxPem) return { problem: `certificates and key come to ${text.length} bytes of PEM, above the limit of ${maxPem}` };
    return { pem: text };
  } catch {
    // The error of the parser may quote the text.
    return { problem: 'tls.crt or tls.key is not PEM that can be read' };
  }
}

/** A handshake with 4096 bits takes 2 ms of HAProxy, with 8192 bits 14. */
const maxServerBits = 4096;
/** A command of HAProxy's runtime API fits into its buffer of 16 KiB, with its payload. */
const maxPem = 15_000;

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

/** RSA and ECDSA with SHA-256, SHA-384 and SHA-512; Ed25519. */
const signatures = new Set([
  ...['11', '12', '13'].map((end) => `1.2.840.113549.1.1.${end}`),
  ...['2', '3', '4'].map((end) => `1.2.840.10045.4.3.${end}`),
  '1.3.101.112',
]);
const pss = { oid: '1.2.840.113549.1.1.10', der: Buffer.from('2a864886f70d01010a', 'hex') };
/** id-sha256, id-sha384, id-sha512, without the last byte. */
const sha2 = Buffer.from('6086480165030402', 'hex');

/** So too others than these, but for one that is signed by itself, whose signature proves nothing. */
function weakSignature(certificate: X509Certificate): string | undefined {
  const { signatureAlgorithm, signatureAlgorithmOid, raw } = certificate;
  // Node tells it from 24.9 on.
  if (signatureAlgorithmOid === undefined || certificate.checkIssued(certificate)) return undefined;
  const isGood = signatureAlgorithmOid === pss.oid ? isPssWithSha2(raw) : signatures.has(signatureAlgorithmOid);
  return isGood ? undefined : `a certificate that is signed with ${signatureAlgorithm} is not accepted; use SHA-256`;
}

/** The hash is a parameter of the algorithm, which stands before the signature at the end. */
function isPssWithSha2(der: Buffer): boolean {
  const at = der.lastIndexOf(pss.der);
  return der.subarray(at, at + 80).includes(sha2);
}

/** PEM of a public key for jwt_verify; undefined where it cannot be read or is not of its algorithm. */
export function validPublicKey({ alg, publicKeyPem }: JwtKey): string | undefined {
  try {
    const key = createPublicKey(publicKeyPem);
    const curve = { ES256: 'prime256v1', ES384: 'secp384r1', ES512: 'secp521r1' }[alg as string];
    const fits =
      curve === undefined
        ? key.asymmetricKeyType === 'rsa' && weakness(key) === undefined && isCheap(key)
        : key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === curve;
    return fits ? key.export({ type: 'spki', format: 'pem' }).toString() : undefined;
  } catch {
    return undefined;
  }
}

/** What a user's token costs HAProxy is its issuer's choice, within bounds. */
const isCheap = ({ asymmetricKeyDetails: { modulusLength = 0, publicExponent = 0n } = {} }: KeyObject): boolean =>
  modulusLength <= 8192 && publicExponent <= 0xffff_ffffn;
