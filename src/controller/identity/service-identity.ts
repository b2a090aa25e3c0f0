/** The identity of a service: the Secrets with its group key and its client certificate; and the frp server's certificate. */
import { randomBytes } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { issue } from '../../../certs/authority.ts';
import { base64, text } from '../../kube/authority-secret.ts';
import type { Metadata, Secret } from '../../kube/types.ts';
import { usesGateway } from '../../model/gateway.ts';
import { hasOwnGateway } from '../gateway-place.ts';
import { gatewayTlsSecretName, groupSecretName, label, manager, serverSecretName, tlsSecretName } from '../../model/names.ts';
import type { DistributedService } from '../../model/types.ts';
import { expiryOf } from '../../kube/certificate-expiry.ts';
import { ensureExternal, leaveExternal } from './external-mode.ts';
import { frpsMaterialOf } from './frps-material.ts';
import { checkManual } from './manual-mode.ts';
import { proxyMaterialOf } from './proxy-material.ts';
import { create, metadataOf, nameTaken, refusal, replace, type Refused, type Whose } from './owned-secrets.ts';
import { liveCertificates, replacedKey } from './revocation.ts';
import {
  clientRequest,
  planCertificate,
  isRenewed,
  renewBeforeOf,
  gatewayRequest,
  serverRequest,
  type CertificateNeed,
} from './certificate-plan.ts';
import { ownerReference, ownershipOf } from '../ownership.ts';
import type { CertificatesOutcome } from '../problem.ts';
import type { IdentityDeps } from './deps.ts';

/** The watch sees our own Secrets only: that somebody else's is gone, a look tells. */
const lookAgainMs = 30_000;
const tlsType = 'kubernetes.io/tls';

/**
 * Group first, certificate second: sidecars take `tls.crt` as the sign that everything is there. Our Secret is needed in
 * every mode, because the server is always verified against the installation's authority; whose certificate the
 * sidecars present is the mode's.
 * @returns whether all is there, and when to look again (milliseconds since the epoch)
 */
export async function ensureIdentity(
  deps: IdentityDeps,
  service: DistributedService,
): Promise<{ outcome: CertificatesOutcome; renewAt: number }> {
  const own = await ensureOwn(deps, service);
  const { enabled, mode = 'auto' } = service.spec.security?.mtls ?? {};
  if (!enabled || mode !== 'external') await leaveExternal(deps, service);
  if (!own.outcome.ready || !enabled || mode === 'auto') return own;
  const theirs = await (mode === 'manual' ? checkManual : ensureExternal)(deps, service);
  return { outcome: theirs.outcome, renewAt: Math.min(own.renewAt, theirs.renewAt) };
}

async function ensureOwn(deps: IdentityDeps, service: DistributedService): Promise<{ outcome: CertificatesOutcome; renewAt: number }> {
  const { certificates } = deps.config;
  const whose = (metadata: Metadata) => ownershipOf(metadata, service);
  const refused = (outcome: Refused) => ({ outcome, renewAt: deps.clock.now() + lookAgainMs });
  const material = materialOf(deps, service);
  const data = 'data' in material ? material.data : {};
  const group = await ensureGroupKey(deps, metadataFor(service, groupSecretName(service.metadata.name)), { whose, data });
  if (group.refused) return refused(group.refused);
  if ('refused' in material) return refused(material.refused);
  const tls = await ensureCertificate(deps, {
    metadata: metadataFor(service, tlsSecretName(service.metadata.name)),
    request: clientRequest(service),
    lifetimeMs: certificates.lifetime,
    renewBeforeMs: isRenewed(service) ? renewBeforeOf(service, certificates) : 'never',
    whose,
    isSuspect: wasTaken(service),
    servers: deps.gatewaysElsewhere?.() ?? '',
  });
  if ('refused' in tls) return refused(tls.refused);
  const { namespace, name } = service.metadata;
  const secret = isRenewed(service) ? undefined : deps.secrets.get(namespace, tlsSecretName(name));
  if (!secret) return { outcome: { ready: true }, renewAt: tls.renewAt };
  const where = `Secret ${namespace}/${secret.metadata.name}, which is not renewed (spec.security.mtls.certRotation.enabled: false)`;
  const { expiring, until } = expiryOf(where, text(secret, 'tls.crt'), deps.clock.now());
  return { outcome: { ready: true, ...(expiring && { expiring }) }, renewAt: Math.min(tls.renewAt, until) };
}

/** It restarts for each certificate, within three minutes; so a renewal comes ten before the end, where the life is that long. */
export const serverRenewBefore = (lifetimeMs: number): number => Math.min(lifetimeMs / 3, Math.max(lifetimeMs / 12, 10 * 60_000));

/**
 * The certificates of the plain frp server and of the gateway, in the installation's namespace.
 * @throws KubeError, and Error where a Secret is somebody else's
 */
export async function ensureServerCertificates(deps: IdentityDeps): Promise<{ renewAt: number }> {
  const { config } = deps;
  const server = await ensureServerCertificate(deps, serverSecretName, serverRequest(config));
  if (!hasOwnGateway(deps)) return server;
  const gateway = await ensureServerCertificate(deps, gatewayTlsSecretName, gatewayRequest(config));
  return { renewAt: Math.min(server.renewAt, gateway.renewAt) };
}

async function ensureServerCertificate(
  deps: IdentityDeps,
  name: string,
  request: CertificateNeed['request'],
): Promise<{ renewAt: number }> {
  const { config } = deps;
  const { serverLifetime } = config.certificates;
  const done = await ensureCertificate(deps, {
    metadata: { name, namespace: config.namespace, labels: { [label.managedBy]: manager } },
    request,
    lifetimeMs: serverLifetime,
    renewBeforeMs: serverRenewBefore(serverLifetime),
    whose: ({ labels }) => (labels?.[label.managedBy] === manager ? 'ours' : 'foreign'),
    isSuspect: false,
  });
  if ('refused' in done) throw new Error(done.refused.message);
  return done;
}

/** What a service's members want of its group's Secret besides the key, in base64 by key; or why that is not there. */
const materialOf = (deps: IdentityDeps, service: DistributedService): { data: Record<string, string> } | { refused: Refused } =>
  usesGateway(service.spec, deps.config) ? proxyMaterialOf(deps) : frpsMaterialOf(deps);

/** @param data further entries, in base64 */
async function ensureGroupKey(
  deps: IdentityDeps,
  metadata: Metadata,
  { whose, data }: { whose: Whose; data: Record<string, string> },
): Promise<{ refused?: Refused }> {
  const known = deps.secrets.get(metadata.namespace, metadata.name);
  const refused = refusal(known?.metadata, whose);
  if (refused) return { refused };
  const key = known && text(known, 'key') !== '' ? known.data!.key! : base64(randomBytes(32).toString('base64url'));
  const wanted = { key, ...data };
  if (!known) return create(deps, { metadata, type: 'Opaque', data: wanted }, whose);
  return isDeepStrictEqual(known.data, wanted) ? {} : replace(deps, known, metadata, wanted);
}

interface Wanted {
  metadata: Metadata;
  request: CertificateNeed['request'];
  lifetimeMs: number;
  renewBeforeMs: CertificateNeed['renewBeforeMs'];
  whose: Whose;
  /** whether the name was taken at the last look */
  isSuspect: boolean;
  /** PEM of further authorities of the servers that it is shown to */
  servers?: string;
}

async function ensureCertificate(deps: IdentityDeps, wanted: Wanted): Promise<{ renewAt: number } | { refused: Refused }> {
  const { metadata, request, renewBeforeMs, whose } = wanted;
  const { clock, log } = deps;
  const authority = deps.authority();
  const bundlePem = `${authority.bundlePem}${wanted.servers ?? ''}`;
  const need = { request, authority, bundlePem, renewBeforeMs, now: clock.now() };
  const known = deps.secrets.get(metadata.namespace, metadata.name);
  const refused = refusal(known?.metadata ?? (wanted.isSuspect ? await metadataOf(deps.client, metadata) : undefined), whose);
  if (refused) return { refused };
  const plan = known ? planCertificate(known, need) : { action: 'issue' as const, reason: 'there is none' };
  if (plan.action === 'keep') return { renewAt: plan.renewAt };
  const secret = `${metadata.namespace}/${metadata.name}`;
  if (plan.action === 'expired') return { refused: notRenewed(secret, plan.reason) };
  log.info({ secret, reason: plan.action === 'issue' ? plan.reason : 'the bundle has changed' }, 'writing a certificate');

  const ca = base64(bundlePem);
  if (known && plan.action === 'bundle') {
    const { 'tls.crt': certificate = '', 'tls.key': key = '', [replacedKey]: replaced } = known.data ?? {};
    const data = { 'tls.crt': certificate, 'tls.key': key, 'ca.crt': ca, ...(replaced ? { [replacedKey]: replaced } : {}) };
    await replace(deps, known, metadata, data);
    return { renewAt: plan.renewAt };
  }
  const pair = await issue(need.authority, { ...request, lifetimeMs: wanted.lifetimeMs, now: need.now });
  const data = { 'tls.crt': base64(pair.certPem), 'tls.key': base64(pair.keyPem), 'ca.crt': ca, ...replacedIn(known, need) };
  const written = known ? await replace(deps, known, metadata, data) : await create(deps, { metadata, type: tlsType, data }, whose);
  if (written.refused) return { refused: written.refused };
  const stored = planCertificate({ metadata, data }, need);
  return { renewAt: 'renewAt' in stored ? stored.renewAt : need.now };
}

/** What is replaced may still be presented by whoever has its key, so it is kept until it has ended: revocation.ts needs it. */
function replacedIn(known: Secret | undefined, { request, authority, now }: CertificateNeed): Record<string, string> {
  if (!known || !request.usages.includes('clientAuth')) return {};
  const live = liveCertificates(known, { commonName: request.commonName, bundlePem: authority.bundlePem, now });
  return live.length === 0 ? {} : { [replacedKey]: base64(`${live.join('\n')}\n`) };
}

const notRenewed = (secret: string, reason: string): Refused => ({
  ready: false,
  reason: 'CertificateExpired',
  message: `Secret ${secret}: ${reason}, and spec.security.mtls.certRotation.enabled is false; set it to true, or delete the Secret for one more certificate`,
});

/** Whether the name was taken at the last look: then whose it is comes before the work of making a key. */
const wasTaken = ({ status }: DistributedService) =>
  status?.conditions?.some(({ type, reason }) => type === 'CertificatesReady' && reason === nameTaken) ?? false;

function metadataFor(service: DistributedService, name: string): Metadata {
  return {
    name,
    namespace: service.metadata.namespace ?? '',
    labels: { [label.managedBy]: manager, [label.service]: service.metadata.name },
    ownerReferences: [ownerReference(service)],
  };
}
