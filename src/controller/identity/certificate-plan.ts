/** Which Secrets a service needs, and what is wrong with those that are there. Decisions only: reconcile.ts acts on them. */
import { isIP } from 'node:net';
import type { Authority, CertificateRequest } from '../../../certs/authority.ts';
import { inspectCertificate, isSignedBy, problemOf, splitBundle, type Expectation, type Material } from '../../../certs/inspect.ts';
import { renewalTime } from '../../../certs/managed.ts';
import { milliseconds, type Config } from '../../config/schema.ts';
import { text } from '../../kube/authority-secret.ts';
import type { Metadata, Secret } from '../../kube/types.ts';
import { gatewayAddresses } from '../../model/gateway.ts';
import { gatewayPodHost } from '../../model/names.ts';
import type { DistributedService } from '../../model/types.ts';

/** What to do about a certificate: leave it, replace the bundle beside it, or issue one (and why). */
export type CertificatePlan = { action: 'keep' | 'bundle'; renewAt: number } | { action: 'issue' | 'expired'; reason: string };

export interface CertificateNeed {
  request: CertificateRequest;
  authority: Authority;
  /** what is to be in ca.crt; default: the authority's bundle */
  bundlePem?: string;
  /** never: it is left to expire, and `expired` says so (certRotation.enabled: false) */
  renewBeforeMs: number | 'never';
  now: number;
}

/** @param secret what is there */
export function planCertificate(secret: Secret, need: CertificateNeed): CertificatePlan {
  const { request, authority, bundlePem = authority.bundlePem, renewBeforeMs, now } = need;
  if (renewBeforeMs === 'never') return planUnrenewed(secret, { request, authority, bundlePem, now });
  const material = materialOf(secret);
  const problem = problemOf(material, expectationOf(request, now));
  if (problem !== undefined) return { action: 'issue', reason: problem };
  if (!isSignedBy(material.certPem, authority.certPem)) return { action: 'issue', reason: 'the authority has changed' };
  // No chance here: with it, the time of renewal would move with every look at the same certificate.
  const renewAt = renewalTime(material, renewBeforeMs, spread(secret.metadata));
  if (renewAt <= now)
    return { action: 'issue', reason: `it expires at ${new Date(inspectCertificate(material.certPem).notAfter).toISOString()}` };
  return { action: text(secret, 'ca.crt') === bundlePem ? 'keep' : 'bundle', renewAt };
}

/** What the owner does not want renewed is replaced only where it never could be used: another name, another key, a lost authority. */
function planUnrenewed(secret: Secret, { request, authority, bundlePem, now }: Omit<CertificateNeed, 'renewBeforeMs'>): CertificatePlan {
  const material = materialOf(secret);
  const problem = problemOf(material, { ...expectationOf(request, now), signedBy: authority.bundlePem });
  if (problem === undefined) {
    const { notAfter } = inspectCertificate(material.certPem);
    return { action: text(secret, 'ca.crt') === bundlePem ? 'keep' : 'bundle', renewAt: notAfter };
  }
  const hasExpired = splitBundle(material.certPem).length > 0 && inspectCertificate(material.certPem).notAfter <= now;
  return { action: hasExpired ? 'expired' : 'issue', reason: problem };
}

const materialOf = (secret: Secret): Material => ({ certPem: text(secret, 'tls.crt'), keyPem: text(secret, 'tls.key') });

function expectationOf(request: CertificateRequest, now: number): Expectation {
  const [usage] = request.usages;
  const names = [...(request.dnsNames ?? []), ...(request.ipAddresses ?? [])];
  return { now, commonName: request.commonName, names, ...(usage ? { usage } : {}) };
}

/** Client certificate of a service's sidecars (R4.16). */
export function clientRequest({ metadata }: DistributedService): CertificateRequest {
  return { commonName: `frpc-${metadata.namespace}-${metadata.name}`.slice(0, 64), usages: ['clientAuth'] };
}

/** Server certificate of the plain frp server: the address that sidecars dial, and the names of its Service in the cluster. */
export const serverRequest = ({ frps, namespace }: Config): CertificateRequest =>
  requestFor('frp-server', [frps.serverName ?? frps.address, frps.address, ...inCluster('frp-server', namespace)]);

/** The same of the gateway: of each replica its address, and the names of its Pod in the cluster. */
export const gatewayRequest = (config: Config): CertificateRequest =>
  requestFor(
    'frp-gateway',
    gatewayAddresses(config).flatMap(({ host }, ordinal) => [host, ...inCluster(gatewayPodHost(ordinal), config.gateway.namespace)]),
  );

const inCluster = (name: string, namespace: string): string[] => [
  name,
  ...['', '.svc', '.svc.cluster.local'].map((suffix) => `${name}.${namespace}${suffix}`),
];

function requestFor(commonName: string, all: readonly string[]): CertificateRequest {
  const names = [...new Set(all)];
  const isIp = (address: string) => isIP(address) !== 0;
  return {
    commonName,
    dnsNames: names.filter((name) => !isIp(name)),
    ipAddresses: names.filter(isIp),
    usages: ['serverAuth'],
  };
}

/**
 * How long before its end a service's certificate is renewed: `certRotation.beforeExpiry` where that leaves it a life,
 * otherwise the installation's setting (R2.16, G-13). In mode manual it says nothing: that certificate is the user's.
 */
export function renewBeforeOf({ spec }: DistributedService, { lifetime, renewBefore }: Lives): number {
  const { enabled, mode = 'auto', certRotation } = spec.security?.mtls ?? {};
  if (!enabled || mode === 'manual' || certRotation?.beforeExpiry === undefined) return renewBefore;
  const wanted = milliseconds(certRotation.beforeExpiry);
  return wanted < lifetime ? wanted : renewBefore;
}

type Lives = Pick<Config['certificates'], 'lifetime' | 'renewBefore'>;

/** Whether the service's own certificate is renewed (R2.16). */
export function isRenewed({ spec }: DistributedService): boolean {
  const { enabled, mode = 'auto', certRotation } = spec.security?.mtls ?? {};
  return !enabled || mode !== 'auto' || certRotation?.enabled !== false;
}

/** A number from 0 to 1 that is always the same for an object, so that services renew spread out. */
function spread({ uid = '' }: Metadata): number {
  const hash = [...uid].reduce((sum, character) => (sum * 31 + character.charCodeAt(0)) >>> 0, 7);
  return hash / 2 ** 32;
}
