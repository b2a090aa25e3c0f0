/**
 * The Secrets that a service behind the gateway refers to, and what the gateway may know of them: of keys and tokens their
 * digests, of certificates what can be parsed. Decisions only: the controller makes copies by them, and so does a gateway
 * that has its services from files.
 */
import { createHash, createPrivateKey } from 'node:crypto';
import { boundsProblem } from '../../certs/authority-bounds.ts';
import { certificatesIn, inspectCertificate, problemOf, splitBundle } from '../../certs/inspect.ts';
import { text } from './authority-secret.ts';
import type { Secret } from './types.ts';
import { coversHost } from '../model/hosts.ts';
import { externalSecretName, label } from '../model/names.ts';
import type { DistributedService } from '../model/types.ts';
import { usersSecretOf } from '../model/users-certificate.ts';
import { expiryOf } from './certificate-expiry.ts';
import type { Problem } from '../model/problem.ts';
import type { SecretReason } from '../model/reasons/secrets.ts';

/** What a copy is for; the gateway finds it by this and by the original's name. */
export type CopyKind = 'credentials' | 'tls' | 'client-ca';
type CredentialType = 'token' | 'apikey' | 'oauth2' | 'basic';

/** A Secret in the service's namespace, by the field that names it. */
export interface Reference {
  kind: CopyKind;
  secret: string;
  field: string;
  /** of credentials */
  type?: CredentialType;
  /** whether the service does without, where it is not there or has nothing to give */
  isOptional?: boolean;
}

/** What the gateway gets, and what is wrong. A certificate that is wrong for users is given all the same: better than none. */
export interface Content {
  /** in plain text, by key; undefined: nothing */
  data?: Record<string, string>;
  problem?: Problem;
  /** a certificate that is good, and about to end */
  expiring?: Problem;
  /** what was copied before may stay: it was better than this, or this is not known */
  isBroken?: true;
  /** when that changes though nothing else does, milliseconds since the epoch */
  until?: number;
}

export function referencesOf({ metadata, spec }: DistributedService): Reference[] {
  const { authentication, mtls } = spec.security ?? {};
  const found: Reference[] = [];
  if (authentication?.type && authentication.type !== 'none' && authentication.tokenSecret !== undefined) {
    const { type, tokenSecret } = authentication;
    found.push({ kind: 'credentials', secret: tokenSecret, field: 'spec.security.authentication.tokenSecret', type });
  }
  const served = usersSecretOf(metadata.name, spec);
  // Of one that cert-manager makes, its Certificate tells why it is not there.
  const isMade = spec.expose?.tls?.secretName === undefined;
  if (served !== undefined)
    found.push({
      kind: 'tls',
      secret: served,
      field: `spec.expose.tls.${isMade ? 'issuerRef' : 'secretName'}`,
      ...(isMade && { isOptional: true }),
    });
  const mode = mtls?.enabled ? mtls.mode : 'auto';
  const field = 'spec.security.mtls.caSecret';
  if (mode === 'manual' && mtls?.caSecret !== undefined) found.push({ kind: 'client-ca', secret: mtls.caSecret, field, isOptional: true });
  if (mode === 'external') found.push({ kind: 'client-ca', secret: externalSecretName(metadata.name), field, isOptional: true });
  return found;
}

/**
 * What is missing where the watch of labelled Secrets has none of the name: whether it is there unlabelled is not looked at.
 * @param content what it has to have, for the remedy: begins with a space
 */
export function missing({ secret, field }: Pick<Reference, 'secret' | 'field'>, namespace: string, content = ''): Problem {
  const where = `${namespace}/${secret}`;
  const remedy = `create it${content}, or allow its use with: kubectl -n ${namespace} label secret ${secret} ${label.use}=true`;
  return { reason: 'SecretMissing', message: `Secret ${where} (${field}) is not there with the label ${label.use}: "true"; ${remedy}` };
}

export interface Terms {
  /** that the service is reached at, which its certificate must cover */
  hosts: readonly string[];
  /** milliseconds since the epoch */
  now: number;
  /** whether keys of issuers may be fetched by http */
  allowHttp: boolean;
}

export function contentOf(reference: Reference, secret: Secret, { hosts, now, allowHttp }: Terms): Content {
  const name = `Secret ${secret.metadata.namespace}/${secret.metadata.name} (${reference.field})`;
  switch (reference.kind) {
    case 'credentials':
      return credentialsIn(secret, name, reference.type!, allowHttp);
    case 'tls':
      return certificateIn(secret, name, hosts, now);
    case 'client-ca':
      return authoritiesIn(secret, now);
  }
}

const wrong = (reason: SecretReason, message: string): Content => ({ problem: { reason, message } });

const broken = (message: string): Content => ({ ...wrong('CertificateUnusable', message), isBroken: true });

function credentialsIn(secret: Secret, name: string, type: CredentialType, allowHttp: boolean): Content {
  if (type === 'oauth2') return issuerIn(secret, name, allowHttp);
  const keys = type === 'token' ? ['token'] : Object.keys(secret.data ?? {}).sort();
  const what = type === 'basic' ? 'password' : 'API key';
  if (keys.length === 0)
    return wrong(
      'CredentialsMissing',
      `${name} is empty; give it one key for each client: the client's name, and as its value the ${what}`,
    );
  const clients: Record<string, string> = {};
  for (const key of keys) {
    // Editors and `--from-file` end a file with a newline, which no header can carry.
    const value = text(secret, key).replace(/\r?\n$/, '');
    if (value === '')
      return wrong('CredentialsMissing', `${name}: key "${key}" is absent or empty, and an empty credential would let anyone in; set it`);
    if (type === 'basic') {
      // Encoded on the way, so it may be any text; the user's name keeps equal passwords apart.
      if (/[\0-\x1f\x7f]/.test(value))
        return wrong('CredentialsUnusable', `${name}: key "${key}" has control characters, which nobody types into a browser; remove them`);
      clients[digest(`${key}:${value}`)] = key;
      continue;
    }
    if (!/^[!-~]([ -~]*[!-~])?$/.test(value))
      return wrong('CredentialsUnusable', `${name}: key "${key}" has characters that an HTTP header cannot carry; use printable ASCII`);
    clients[digest(value)] = key;
  }
  return { data: { 'clients.json': JSON.stringify(clients) } };
}

const digest = (credential: string): string => createHash('sha256').update(credential).digest('hex');

function issuerIn(secret: Secret, name: string, allowHttp: boolean): Content {
  const value = (key: string) => text(secret, key).trim();
  const data: Record<string, string> = {};
  for (const key of ['issuer', 'jwksURL']) {
    if (value(key) === '' && key === 'jwksURL') continue;
    if (!isWebAddress(value(key)))
      return wrong('CredentialsUnusable', `${name}: key "${key}" must be a URL such as https://login.example.com; set it`);
    data[key] = value(key);
  }
  const [from, fetched] = data.jwksURL === undefined ? ['issuer', data.issuer!] : ['jwksURL', data.jwksURL];
  if (!allowHttp && !/^https:/i.test(fetched))
    return wrong(
      'CredentialsUnusable',
      `${name}: key "${from}" must be an https URL, because the keys that tokens are verified with are fetched there; the installation may allow http (configuration gateway.allowHttpIssuers)`,
    );
  for (const [key, pattern] of Object.entries({ audience: /^[!-~]{1,1024}$/, rolesClaim: /^[A-Za-z0-9_.:/-]{1,253}$/ })) {
    if (value(key) === '' && key === 'rolesClaim') continue;
    if (!pattern.test(value(key)))
      return wrong(
        'CredentialsUnusable',
        `${name}: key "${key}" is absent, or not one word; set it as the issuer writes it into its tokens`,
      );
    data[key] = value(key);
  }
  return { data };
}

function isWebAddress(value: string): boolean {
  const url = URL.parse(value);
  return /^[!-~]{1,1024}$/.test(value) && (url?.protocol === 'https:' || url?.protocol === 'http:') && url.username === '';
}

function certificateIn(secret: Secret, name: string, hosts: readonly string[], now: number): Content {
  const material = { certPem: text(secret, 'tls.crt'), keyPem: text(secret, 'tls.key') };
  let data;
  let facts;
  try {
    // Written anew from what was parsed: nothing else of the text goes on.
    const chain = certificatesIn(material.certPem);
    facts = inspectCertificate(material.certPem);
    data = { 'tls.crt': chain.join(''), 'tls.key': createPrivateKey(material.keyPem).export({ type: 'pkcs8', format: 'pem' }).toString() };
  } catch (error) {
    return broken(`${name}: ${(error as Error).message}; put certificate and key there as PEM, under tls.crt and tls.key`);
  }
  const fault = problemOf(material, { now: Math.max(now, facts.notBefore), usage: 'serverAuth' });
  if (fault !== undefined && facts.notAfter > now) return broken(`${name}: ${fault}; put a certificate for servers and its key there`);
  if (facts.notAfter <= now) return { data, ...wrong('CertificateExpired', `${name}: ${fault}; replace tls.crt and tls.key`) };
  const names = [...facts.dnsNames];
  const uncovered = hosts.filter((host) => !names.some((own) => covers(own, host)));
  if (uncovered.length === 0) return { data, ...expiryOf(name, material.certPem, now) };
  const message = `${name}: the certificate is for ${names.join(', ') || facts.commonName}, and not for ${uncovered.join(', ')}; have one issued for that name`;
  return { data, ...wrong('CertificateHostMismatch', message), until: facts.notAfter };
}

/** RFC 6125 6.4.3: the star of a certificate stands for one label. Of a wildcard host it is enough to cover what is directly below. */
function covers(own: string, host: string): boolean {
  if (!own.startsWith('*.') || host.startsWith('*.')) return own.toLowerCase() === host;
  return coversHost(own.toLowerCase(), host) && host.split('.').length === own.split('.').length;
}

/** Of a bundle those that are authorities now; what is wrong with the rest, CertificatesReady says. */
function authoritiesIn(secret: Secret, now: number): Content {
  const bundle = text(secret, 'ca.crt') || text(secret, 'tls.crt');
  if (boundsProblem(bundle) !== undefined) return {};
  const authorities = splitBundle(bundle).filter((pem) => {
    try {
      const { isAuthority, notAfter } = inspectCertificate(pem);
      return isAuthority && notAfter > now;
    } catch {
      return false;
    }
  });
  if (authorities.length === 0) return {};
  return {
    data: { 'ca.crt': certificatesIn(authorities.join('\n')).join('') },
    until: Math.min(...authorities.map((pem) => inspectCertificate(pem).notAfter)),
  };
}
