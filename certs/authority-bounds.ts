/** Authorities that tenants bring are trusted beside the installation's own: how many, how large, and under which names. */
import { splitBundle } from './inspect.ts';
import { X509Certificate } from 'node:crypto';

/** Of one Secret: certificates, and bytes (DER) of each. A CA of a company has some 1,500; a bundle through a rotation has two. */
export const authorityBounds = { count: 16, bytes: 8192 };

/** What a bundle has too much of, as the end of a sentence; undefined where nothing. Never throws. */
export function boundsProblem(bundlePem: string): string | undefined {
  const { count, bytes } = authorityBounds;
  const all = splitBundle(bundlePem);
  if (all.length > count) return `has ${all.length} certificates, and ${count} is the limit`;
  const size = Math.max(0, ...all.map(sizeOf));
  return size > bytes ? `has a certificate of ${size} bytes, and ${bytes} is the limit` : undefined;
}

const sizeOf = (pem: string): number => Buffer.from(pem.replace(/-----[^-]+-----/g, ''), 'base64').length;

/**
 * Whether a chain of the one could be taken for one of the other: OpenSSL looks an issuer up by its name and key id, takes
 * the first that it finds, and tries no other where the signature does not hold. @returns false for the same key
 */
export function isMistakable(one: X509Certificate, other: X509Certificate): boolean {
  if (nameOf(one) !== nameOf(other) || one.publicKey.equals(other.publicKey)) return false;
  const [ids, others] = [keyIds(one.raw), keyIds(other.raw)];
  return ids.length === 0 || others.length === 0 || ids.some((id) => others.includes(id));
}

/** As OpenSSL compares names: without regard to case and the number of spaces. */
const nameOf = ({ subject }: X509Certificate): string =>
  (subject ?? '')
    .split('\n')
    .map((line) => line.replace(/\s+/g, ' ').trim().toLowerCase())
    .join('\n');

const keyIdExtension = Buffer.from('0603551d0e', 'hex');

/** Everything in it that looks like a subject key identifier (RFC 5280, 4.2.1.2); hexadecimal. */
function keyIds(der: Buffer): string[] {
  const found: string[] = [];
  for (let at = der.indexOf(keyIdExtension); at !== -1; at = der.indexOf(keyIdExtension, at + 1)) {
    // An octet string in an octet string; before it there may be the boolean `critical`.
    let start = at + keyIdExtension.length;
    if (der[start] === 0x01) start += 3;
    const length = der[start + 3] ?? 0;
    if (der[start] === 0x04 && der[start + 2] === 0x04) found.push(der.subarray(start + 4, start + 4 + length).toString('hex'));
  }
  return found;
}
