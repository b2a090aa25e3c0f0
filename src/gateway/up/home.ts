/**
 * What a gateway outside any cluster keeps in its directory: its authority, the key that it signs clients' tokens with, the
 * password of its API, and which certificates of clients it turns away. Made once; a restart finds all of it again.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { calculateJwkThumbprint, exportJWK, importPKCS8, SignJWT, type JSONWebKeySet } from 'jose';
import { createAuthority, issue, type Authority } from '../../../certs/authority.ts';
import { inspectCertificate } from '../../../certs/inspect.ts';
import { UserError } from '../../errors.ts';
import { base64 } from '../../kube/authority-secret.ts';
import type { Secret } from '../../kube/types.ts';
import { isObject } from '../../model/json.ts';
import { clientUidPrefix } from '../../model/names.ts';
import { replaceFile } from '../../process/replace-file.ts';
import { authorityStateOf, keptIssuer, lastingAuthority } from './rotation.ts';

/** Of the directory: raised when an older program could not read it any more. */
export const format = 1;
export const markerFile = 'gateway.json';
const day = 86_400_000;
export const authorityLifetimeMs = 3650 * day;
const algorithm = 'ES256';

export interface Home {
  directory: string;
  authority: Authority;
  /** signs the certificates of clients: `authority`, or the next one in a rotation */
  clientAuthority: Authority;
  /** claim `iss` of clients' tokens: this gateway's own */
  issuer: string;
  keys: JSONWebKeySet;
  /** Secret frp-server-api */
  api: Secret;
}

/** A client outside any cluster, which its certificate and its token make one Pod's equal. */
export interface Client {
  namespace: string;
  name: string;
  uid: string;
  certPem: string;
  keyPem: string;
  token: string;
  /** milliseconds since the epoch */
  expires: number;
}

const identity = (directory: string, file: string): string => join(directory, 'identity', file);

/** The home in a directory; a new one where there is none. @throws UserError where it is damaged */
export async function openHome(directory: string): Promise<Home> {
  const marker = identity(directory, '../' + markerFile);
  if (!isThere(marker)) await createHome(directory);
  try {
    const read = (file: string) => readFileSync(identity(directory, file), 'utf8');
    const state = authorityStateOf(directory);
    const { authority } = state;
    const jwk = await exportJWK(createPublicKey(createPrivateKey(read('token.key'))));
    const kid = await calculateJwkThumbprint(jwk);
    const secret = (data: Record<string, string>) => Object.fromEntries(Object.entries(data).map(([key, value]) => [key, base64(value)]));
    return {
      directory,
      authority,
      clientAuthority: lastingAuthority(state),
      issuer: keptIssuer(directory) ?? `https://gateway.frp.io/${pinOf(authority).slice(0, 32)}`,
      keys: { keys: [{ ...jwk, kid, alg: algorithm, use: 'sig' }] },
      api: { metadata: { name: 'frp-server-api' }, data: secret({ user: 'frp-k8s', password: read('api-password').trim() }) },
    };
  } catch (error) {
    throw new UserError(
      `the identity of the gateway in ${join(directory, 'identity')} cannot be read: ${(error as Error).message}; bring it back from a backup, or begin with an empty directory, and then make every client's configuration anew`,
    );
  }
}

/** All files, and then the marker that says that they are all there. */
async function createHome(directory: string): Promise<void> {
  mkdirSync(join(directory, 'identity'), { recursive: true, mode: 0o700 });
  const authority = await createAuthority({ lifetimeMs: authorityLifetimeMs, now: Date.now() });
  const { privateKey } = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  await replaceFile(identity(directory, 'ca.key'), authority.keyPem);
  await replaceFile(identity(directory, 'ca.crt'), authority.bundlePem);
  await replaceFile(identity(directory, 'token.key'), privateKey);
  await replaceFile(identity(directory, 'api-password'), `${randomBytes(24).toString('base64url')}\n`);
  await replaceFile(join(directory, markerFile), `${JSON.stringify({ format, created: new Date().toISOString() })}\n`);
}

/** SHA-256 of the authority's certificate, lower-case hexadecimal. */
export const pinOf = ({ certPem }: Authority): string => inspectCertificate(certPem).sha256;

/** A certificate that opens the tunnel's door, and a token in the form of a Pod's that says who comes in. */
export async function issueClient(
  { clientAuthority: authority, directory, issuer, keys }: Home,
  { namespace, name, lifetimeMs, audience }: { namespace: string; name: string; lifetimeMs: number; audience: string },
): Promise<Client> {
  const now = Date.now();
  const uid = `${clientUidPrefix}${randomUUID()}`;
  const expires = Math.min(now + lifetimeMs, inspectCertificate(authority.certPem).notAfter);
  const commonName = `${name}.${namespace}`.slice(0, 64);
  const { certPem, keyPem } = await issue(authority, { commonName, usages: ['clientAuth'], lifetimeMs, now });
  const token = await new SignJWT({ 'kubernetes.io': { namespace, pod: { name, uid } } })
    .setProtectedHeader({ alg: algorithm, kid: keys.keys[0]!.kid! })
    .setIssuer(issuer)
    .setAudience(audience)
    .setSubject(`system:client:${namespace}:${name}`)
    .setIssuedAt(Math.floor(now / 1000))
    .setExpirationTime(Math.floor(expires / 1000))
    .sign(await importPKCS8(readFileSync(identity(directory, 'token.key'), 'utf8'), algorithm));
  return { namespace, name, uid, certPem, keyPem, token, expires };
}

/** Fingerprint → text, as the lists of a cluster have it (model/revocation.ts). undefined where the list cannot be read. */
export function revokedClients(directory: string): Record<string, string> | undefined {
  try {
    const found: unknown = JSON.parse(readFileSync(join(directory, 'revoked.json'), 'utf8'));
    return isObject(found)
      ? (Object.fromEntries(Object.entries(found).filter(([, text]) => typeof text === 'string')) as Record<string, string>)
      : {};
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? {} : undefined;
  }
}

function isThere(path: string): boolean {
  try {
    readFileSync(path);
    return true;
  } catch {
    return false;
  }
}
