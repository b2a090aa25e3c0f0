/**
 * Certificates: an authority of our own, what is wrong with a certificate, and the sources that servers take theirs
 * from. It knows nothing of the cluster or the server (R1.38, R4.16).
 */
import { createPrivateKey, randomBytes, type KeyObject } from 'node:crypto';
import { isIP } from 'node:net';
import type { pki } from 'node-forge';
import { newKey } from './keys.ts';
import { inspectCertificate, parseCertificate, splitBundle, type Usage } from './inspect.ts';
import { signerWith } from './signer.ts';

export interface Authority {
  /** every certificate that verifiers trust: the issuing one, and during a rotation the ones before and after it */
  bundlePem: string;
  /** the certificate that belongs to the key */
  certPem: string;
  keyPem: string;
}

export interface CertificateRequest {
  /** at most 64 characters (RFC 5280, ub-common-name) */
  commonName: string;
  dnsNames?: string[];
  ipAddresses?: string[];
  usages: Usage[];
}

export interface Validity {
  lifetimeMs: number;
  /** milliseconds since the epoch */
  now: number;
}

/** Clocks of other machines may be this far behind. */
export const backdate = 5 * 60_000;
const organization = 'frp-k8s';

// node-forge costs 40 ms at start: only who issues pays.
const loadForge = async () => (await import('node-forge')).default;

/** A new self-signed authority: RSA-2048, CA:TRUE, good for signing certificates only. */
export async function createAuthority({ lifetimeMs, now }: Validity): Promise<Authority> {
  const forge = await loadForge();
  const { publicKey, privateKey } = await newKey.forAuthority();
  const certificate = forge.pki.createCertificate();
  const name = subject(`frp-k8s CA ${randomBytes(4).toString('hex')}`);
  certificate.publicKey = forge.pki.publicKeyFromPem(publicKey);
  certificate.serialNumber = serialNumber();
  certificate.validity = { notBefore: new Date(now - backdate), notAfter: new Date(now + lifetimeMs) };
  certificate.setSubject(name);
  certificate.setIssuer(name);
  certificate.setExtensions([
    { name: 'basicConstraints', cA: true, critical: true },
    { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    { name: 'subjectKeyIdentifier' },
  ]);
  const certPem = signed(forge, certificate, createPrivateKey(privateKey));
  return { bundlePem: certPem, certPem, keyPem: privateKey };
}

/**
 * The authority in a stored bundle and key.
 * @throws Error that tells what is wrong: no certificate, another key, not an authority
 */
export function parseAuthority(bundlePem: string, keyPem: string): Authority {
  const key = createPrivateKey(keyPem);
  const certPem = splitBundle(bundlePem).find((pem) => parseCertificate(pem).checkPrivateKey(key));
  if (certPem === undefined) throw new Error('no certificate of the bundle belongs to the private key');
  if (!inspectCertificate(certPem).isAuthority) throw new Error('the certificate is not an authority (CA:FALSE)');
  return { bundlePem, certPem: `${certPem}\n`, keyPem };
}

/**
 * A certificate with a new RSA-2048 key. It ends with its authority at the latest, and begins 5 minutes ago.
 * @throws Error where the authority has expired
 */
export async function issue(authority: Authority, request: CertificateRequest & Validity): Promise<{ certPem: string; keyPem: string }> {
  const { publicKey, privateKey } = await newKey.forLeaf();
  return { certPem: await certify(authority, publicKey, request), keyPem: privateKey };
}

/** A certificate for a key that somebody else has. @param publicKey PEM (SPKI), RSA @throws as issue() */
export async function certify(authority: Authority, publicKey: string, request: CertificateRequest & Validity): Promise<string> {
  const { now, lifetimeMs, commonName } = request;
  const issuer = inspectCertificate(authority.certPem);
  if (issuer.notAfter <= now) throw new Error(`the authority ${issuer.commonName} expired at ${new Date(issuer.notAfter).toISOString()}`);
  if (commonName.length > 64) throw new Error(`the common name ${commonName} is longer than 64 characters`);
  const forge = await loadForge();
  const parent = forge.pki.certificateFromPem(authority.certPem);
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = forge.pki.publicKeyFromPem(publicKey);
  certificate.serialNumber = serialNumber();
  certificate.validity = {
    notBefore: new Date(Math.max(now - backdate, issuer.notBefore)),
    notAfter: new Date(Math.min(now + lifetimeMs, issuer.notAfter)),
  };
  certificate.setSubject(subject(commonName));
  certificate.setIssuer(parent.subject.attributes);
  certificate.setExtensions([
    { name: 'basicConstraints', cA: false, critical: true },
    { name: 'keyUsage', digitalSignature: true, keyEncipherment: true, critical: true },
    { name: 'extKeyUsage', ...Object.fromEntries(request.usages.map((usage) => [usage, true])) },
    ...subjectAltName(request),
    { name: 'subjectKeyIdentifier' },
    { name: 'authorityKeyIdentifier', keyIdentifier: parent.generateSubjectKeyIdentifier().getBytes() },
  ]);
  return signed(forge, certificate, createPrivateKey(authority.keyPem));
}

/** 16 random bytes; the first is neither 0 nor negative, so that the number is positive and of one length (RFC 5280 4.1.2.2). */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = (bytes[0]! & 0x7f) | 0x40;
  return bytes.toString('hex');
}

const subject = (commonName: string) => [
  { name: 'organizationName', value: organization },
  { name: 'commonName', value: commonName },
];

function subjectAltName({ dnsNames = [], ipAddresses = [] }: CertificateRequest): object[] {
  const bad = ipAddresses.find((ip) => isIP(ip) === 0);
  if (bad !== undefined) throw new Error(`${bad} is not an IP address`);
  const altNames = [...dnsNames.map((value) => ({ type: 2, value })), ...ipAddresses.map((ip) => ({ type: 7, ip }))];
  return altNames.length === 0 ? [] : [{ name: 'subjectAltName', altNames }];
}

function signed(forge: Awaited<ReturnType<typeof loadForge>>, certificate: pki.Certificate, key: KeyObject): string {
  certificate.sign(
    signerWith(forge, key, () => certificate.tbsCertificate),
    forge.md.sha256.create(),
  );
  return forge.pki.certificateToPem(certificate).replaceAll('\r\n', '\n');
}
