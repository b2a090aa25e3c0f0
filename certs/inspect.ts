/** Facts and faults of certificates in PEM, read with node:crypto alone (node-forge costs start-up time). */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';

export type Usage = 'serverAuth' | 'clientAuth';

/** A certificate (leaf first, then intermediates), its private key and the bundle that verifies the other side, as PEM. */
export interface Material {
  certPem: string;
  keyPem: string;
  caPem?: string;
}

/** What a certificate says. Times are milliseconds since the epoch; fingerprints are lower-case hex without colons. */
export interface CertificateFacts {
  commonName: string;
  notBefore: number;
  notAfter: number;
  dnsNames: string[];
  ipAddresses: string[];
  /** extended key usages; empty: any use */
  usages: Usage[];
  isAuthority: boolean;
  sha1: string;
  sha256: string;
}

export interface Expectation {
  now: number;
  usage?: Usage;
  commonName?: string;
  /** DNS names and IP addresses that the certificate must carry */
  names?: string[];
  /** certificates of which one must have signed it */
  signedBy?: string;
}

const usageByOid: Record<string, Usage> = { '1.3.6.1.5.5.7.3.1': 'serverAuth', '1.3.6.1.5.5.7.3.2': 'clientAuth' };
const [begin, end] = ['-----BEGIN CERTIFICATE-----', '-----END CERTIFICATE-----'];

/** The certificates of a bundle, one PEM block each. */
export function splitBundle(pem: string): string[] {
  const blocks: string[] = [];
  for (let at = pem.indexOf(begin); at >= 0;) {
    const stop = pem.indexOf(end, at + begin.length);
    if (stop < 0) break;
    blocks.push(pem.slice(at, stop + end.length));
    at = pem.indexOf(begin, stop + end.length);
  }
  return blocks;
}

/** The certificates of a bundle, the leaf of a chain first. @throws Error where one cannot be parsed; its text may quote the PEM */
export const certificatesIn = (pem: string): X509Certificate[] => splitBundle(pem).map((each) => new X509Certificate(each));

/** Those of a bundle that can be parsed. */
export const parseable = (pem: string): X509Certificate[] =>
  splitBundle(pem).flatMap((each) => {
    try {
      return [new X509Certificate(each)];
    } catch {
      return [];
    }
  });

/** @throws Error that tells what is wrong with the text */
export function parseCertificate(pem: string): X509Certificate {
  const [first] = splitBundle(pem);
  if (first === undefined) throw new Error('no PEM block "CERTIFICATE" in it');
  try {
    return new X509Certificate(first);
  } catch (error) {
    throw new Error(`the certificate cannot be parsed: ${(error as Error).message}`, { cause: error });
  }
}

/** @throws Error where the PEM holds no certificate that can be parsed */
export function inspectCertificate(pem: string): CertificateFacts {
  const certificate = parseCertificate(pem);
  const names = alternativeNames(certificate);
  return {
    commonName: /^CN=(.*)$/m.exec(certificate.subject ?? '')?.[1] ?? '',
    notBefore: Date.parse(certificate.validFrom),
    notAfter: Date.parse(certificate.validTo),
    dnsNames: names.filter(([type]) => type === 'DNS').map(([, name]) => name),
    ipAddresses: names.filter(([type]) => type === 'IP Address').map(([, name]) => name),
    usages: (certificate.keyUsage ?? []).flatMap((oid) => usageByOid[oid] ?? []),
    isAuthority: certificate.ca,
    sha1: plainHex(certificate.fingerprint),
    sha256: plainHex(certificate.fingerprint256),
  };
}

/** Why a pair must not be used, as the end of a sentence; undefined where nothing is wrong. Never throws. */
export function problemOf(material: Material, expected: Expectation): string | undefined {
  try {
    return (
      keyProblem(material) ??
      useProblem(inspectCertificate(material.certPem), expected) ??
      chainProblem(material.certPem, expected) ??
      nameProblem(material.certPem, expected) ??
      signerProblem(material.certPem, expected)
    );
  } catch (error) {
    return (error as Error).message;
  }
}

/** Whether one of the certificates of `bundlePem` has signed the certificate. */
export function isSignedBy(certPem: string, bundlePem: string): boolean {
  const certificate = parseCertificate(certPem);
  return splitBundle(bundlePem).some((pem) => {
    const authority = parseCertificate(pem);
    return certificate.checkIssued(authority) && certificate.verify(authority.publicKey);
  });
}

/** Intermediates that may follow a certificate; public authorities use one or two. */
const mostIntermediates = 10;

/**
 * Whether a certificate leads to one of the certificates of `bundlePem` by way of the intermediates that follow it, in
 * whatever order. An intermediate counts where it is an authority; whether it has expired, `expiredIn` tells.
 */
export function chainsTo(chainPem: string, bundlePem: string): boolean {
  const [leaf, ...others] = splitBundle(chainPem);
  if (leaf === undefined || others.length > mostIntermediates) return false;
  const unused = new Set(others.filter((pem) => inspectCertificate(pem).isAuthority));
  const reached = [leaf];
  // Each intermediate is reached once: certificates that sign each other would make all orders of them possible ways.
  for (const certPem of reached) {
    if (isSignedBy(certPem, bundlePem)) return true;
    for (const issuer of unused) {
      if (!isSignedBy(certPem, issuer)) continue;
      unused.delete(issuer);
      reached.push(issuer);
    }
  }
  return false;
}

/** The facts of the first certificate of a chain or bundle that has expired. @throws as inspectCertificate */
export const expiredIn = (pem: string, now: number): CertificateFacts | undefined =>
  splitBundle(pem)
    .map(inspectCertificate)
    .find(({ notAfter }) => notAfter <= now);

/** When the first certificate of a chain or bundle ends; milliseconds since the epoch. @throws as inspectCertificate */
export const endOfChain = (pem: string): number => Math.min(...splitBundle(pem).map((each) => inspectCertificate(each).notAfter));

/** Why a key is not that of its certificate, as the end of a sentence. @throws as parseCertificate */
export function keyProblem({ certPem, keyPem }: Material): string | undefined {
  const certificate = parseCertificate(certPem);
  let key;
  try {
    key = createPrivateKey(keyPem);
  } catch (error) {
    return `the private key cannot be parsed: ${(error as Error).message}`;
  }
  return certificate.checkPrivateKey(key) ? undefined : 'the private key does not belong to the certificate';
}

function useProblem(facts: CertificateFacts, { now, usage, commonName }: Expectation): string | undefined {
  if (facts.notAfter <= now) return `the certificate expired at ${iso(facts.notAfter)}`;
  if (facts.notBefore > now) return `the certificate is not valid before ${iso(facts.notBefore)}`;
  if (usage && facts.usages.length > 0 && !facts.usages.includes(usage)) return `the certificate lacks the extended key usage ${usage}`;
  if (commonName !== undefined && facts.commonName !== commonName) return `the certificate is for ${facts.commonName}, not ${commonName}`;
  return undefined;
}

/** The intermediates that are presented with the certificate. */
function chainProblem(certPem: string, { now }: Expectation): string | undefined {
  const expired = expiredIn(certPem, now);
  return expired && `the intermediate ${expired.commonName} expired at ${iso(expired.notAfter)}`;
}

function nameProblem(certPem: string, { names = [] }: Expectation): string | undefined {
  const certificate = parseCertificate(certPem);
  const missing = names.filter((name) => !(isIP(name) ? certificate.checkIP(name) : certificate.checkHost(name, { subject: 'never' })));
  return missing.length === 0 ? undefined : `the certificate does not carry the name ${missing.join(', ')}`;
}

function signerProblem(certPem: string, { signedBy }: Expectation): string | undefined {
  if (signedBy === undefined || isSignedBy(certPem, signedBy)) return undefined;
  return 'the certificate was signed by another authority';
}

/** Entries of a subjectAltName as node:crypto prints it: `DNS:a.example, IP Address:10.0.0.1`, JSON strings where a name is odd. */
function alternativeNames(certificate: X509Certificate): [type: string, name: string][] {
  const entries = certificate.subjectAltName?.matchAll(/([^:,]+):("(?:[^"\\]|\\.)*"|[^,]*)(?:, |$)/gy) ?? [];
  return [...entries].map(([, type = '', name = '']) => [type, name.startsWith('"') ? (JSON.parse(name) as string) : name]);
}

const plainHex = (fingerprint: string) => fingerprint.replaceAll(':', '').toLowerCase();
const iso = (time: number) => new Date(time).toISOString();
