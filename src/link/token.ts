/** Join tokens: one line that a person carries from the gateway to the cluster, good for one use. */
import { createHash, randomBytes, timingSafeEqual, X509Certificate } from 'node:crypto';
import * as z from 'zod';
import { LinkError } from './protocol.ts';

export interface JoinToken {
  /** of the gateway, HOST:PORT, as sidecars dial them */
  addresses: string[];
  /** of the gateway's authority (pinOf) */
  pin: string;
  id: string;
  secret: string;
}

const start = 'frp-join-1.';
const mostCharacters = 8192;
const schema = z.object({
  a: z.array(z.string().min(1).max(300)).min(1).max(16),
  p: z.string().regex(/^[0-9a-f]{64}$/),
  i: z.string().regex(/^[A-Za-z0-9_-]{8,64}$/),
  s: z.string().regex(/^[A-Za-z0-9_-]{32,128}$/),
});

/** SHA-256 of a certificate (DER), lower-case hexadecimal. */
export const pinOf = (certificate: Buffer | string): string =>
  createHash('sha256')
    .update(typeof certificate === 'string' ? new X509Certificate(certificate).raw : certificate)
    .digest('hex');

export const newTokenSecret = (): Pick<JoinToken, 'id' | 'secret'> => ({
  id: randomBytes(9).toString('base64url'),
  secret: randomBytes(32).toString('base64url'),
});

/** What is kept of a secret: 256 random bits need no slow hash. Hexadecimal. */
export const digestOfSecret = (secret: string): string => createHash('sha256').update(secret).digest('hex');

/** @param digest of digestOfSecret() */
export const isSecret = (secret: string, digest: string): boolean =>
  timingSafeEqual(Buffer.from(digestOfSecret(secret)), Buffer.from(digest.padEnd(64).slice(0, 64)));

/** The form has a sum at its end, so that half a token is told from a wrong one. */
export function formatToken({ addresses, pin, id, secret }: JoinToken): string {
  const text = Buffer.from(JSON.stringify({ a: addresses, p: pin, i: id, s: secret })).toString('base64url');
  return `${start}${text}.${sumOf(text)}`;
}

/** @throws LinkError with what is wrong with it; the text itself is never in it */
export function parseToken(given: string): JoinToken {
  const token = given.trim();
  const wrong = (why: string) =>
    new LinkError('TokenInvalid', `this is no join token: ${why}; make one with: frp-k8s gateway token create`);
  if (!token.startsWith(start)) throw wrong(`it does not begin with ${start}`);
  if (token.length > mostCharacters) throw wrong(`it has more than ${mostCharacters} characters`);
  const [text = '', sum, ...rest] = token.slice(start.length).split('.');
  if (sum !== sumOf(text) || rest.length > 0) throw wrong('a part of it is missing or has changed; copy the whole line');
  const parsed = schema.safeParse(jsonOf(Buffer.from(text, 'base64url').toString()));
  if (!parsed.success) throw wrong('it does not say what a token says');
  const { a, p, i, s } = parsed.data;
  return { addresses: a, pin: p, id: i, secret: s };
}

const sumOf = (text: string): string => createHash('sha256').update(text).digest().subarray(0, 6).toString('base64url');

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
