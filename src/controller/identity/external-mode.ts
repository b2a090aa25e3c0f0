/** Mode external: a Certificate of cert-manager for each service (R4.15), and the Secret that cert-manager writes for it. */
import type { Config } from '../../config/schema.ts';
import { ignoreNotFound } from '../../kube/errors.ts';
import { certificates, type Certificate } from '../../kube/types.ts';
import { certificateName, externalSecretName, label, manager } from '../../model/names.ts';
import type { DistributedService } from '../../model/types.ts';
import type { IdentityDeps } from './deps.ts';
import { clientProblem, not, type Checked } from './client-certificate.ts';
import { ensureCertificate, secretOfOthers } from './certificates.ts';
import { nameTaken } from './owned-secrets.ts';
import { clientRequest, renewBeforeOf } from './certificate-plan.ts';
import { ownerReference, ownershipOf } from '../ownership.ts';
import { endOfChain } from '../../../certs/inspect.ts';
import { expiryOf } from '../../kube/certificate-expiry.ts';
import { text } from '../../kube/authority-secret.ts';
import type { StatusReason } from '../../model/reasons/status.ts';

const lookAgainMs = 30_000;
const hour = 3_600_000;

/** The Certificate that a service in mode external gets; cert-manager allows no duration below 1h and no renewBefore below 5m. */
export function certificateFor(service: DistributedService, settings: Config['certificates']): Certificate {
  const { name, namespace = '' } = service.metadata;
  const duration = Math.max(settings.lifetime, hour);
  const renewBefore = Math.min(Math.max(renewBeforeOf(service, settings), 5 * 60_000), duration / 2);
  const labels = { [label.managedBy]: manager, [label.service]: name };
  return {
    metadata: { name: certificateName(name), namespace, labels, ownerReferences: [ownerReference(service)] },
    spec: {
      secretName: externalSecretName(name),
      // With it the Secret is one that the controller may read and follow.
      secretTemplate: { labels: { [label.use]: 'true' } },
      commonName: clientRequest(service).commonName,
      duration: goDuration(duration),
      renewBefore: goDuration(renewBefore),
      privateKey: { rotationPolicy: 'Always' },
      usages: ['client auth'],
      issuerRef: settings.issuer,
    },
  };
}

/** As cert-manager writes it back, so that what was applied and what is there compare equal: 720h0m0s. */
const goDuration = (ms: number): string =>
  `${Math.floor(ms / hour)}h${Math.floor((ms % hour) / 60_000)}m${Math.floor((ms % 60_000) / 1000)}s`;

/** Keeps the Certificate as it should be, and tells what became of it. @throws KubeError */
export async function ensureExternal(deps: IdentityDeps, service: DistributedService): Promise<Checked> {
  const now = deps.clock.now();
  const wanted = certificateFor(service, deps.config.certificates);
  const { namespace } = wanted.metadata;
  const secretName = externalSecretName(service.metadata.name);
  const later = (reason: StatusReason, message: string): Checked => ({ outcome: not(reason, message), renewAt: now + lookAgainMs });
  const where = `Certificate ${namespace}/${wanted.metadata.name}`;

  const taken = await secretOfOthers(deps, wanted, secretName);
  if (taken) return later(nameTaken, taken);
  const found = await ensureCertificate(deps, wanted);
  if (found === undefined)
    return later(
      'CertManagerMissing',
      'mode external needs cert-manager, and the cluster does not serve cert-manager.io/v1; install cert-manager, or set spec.security.mtls.mode to auto',
    );
  if (ownershipOf(found.metadata, service) !== 'ours')
    return later(
      nameTaken,
      `${where} exists and was not made by frp-k8s for this service, so it is left alone; rename or delete it, or give the DistributedService another name`,
    );

  const secret = deps.userSecrets.get(namespace, secretName);
  if (!secret) {
    const { name, kind } = deps.config.certificates.issuer;
    const ready = found.status?.conditions?.find(({ type }) => type === 'Ready');
    const said = ready?.message === undefined ? '' : `: ${ready.message}`;
    return later(
      'Issuing',
      `${where} has not been issued yet by ${kind} ${name}${said}; see: kubectl -n ${namespace} describe certificate ${wanted.metadata.name}`,
    );
  }
  const refused = clientProblem(secret, now);
  if (refused) return { outcome: refused, renewAt: now + lookAgainMs };
  const chain = text(secret, 'tls.crt');
  const { expiring, until } = expiryOf(`Secret ${namespace}/${secretName}, which cert-manager renews`, chain, now);
  return { outcome: { ready: true, ...(expiring && { expiring }) }, renewAt: Math.min(endOfChain(chain), until) };
}

/**
 * Deletes the Certificate of a service that has left mode external, where it is ours. A service can only have left it by
 * a change of its spec, so one is looked for at such a change alone, until a status tells that it was followed.
 * @throws KubeError: then the status does not tell so, and the next try looks again
 */
export async function leaveExternal({ client, log }: IdentityDeps, service: DistributedService): Promise<void> {
  const { namespace, name, generation } = service.metadata;
  const followed = service.status?.observedGeneration;
  if (followed === undefined || followed === generation) return;
  const found = await client.get(certificates, namespace, certificateName(name)).catch(ignoreNotFound);
  if (!found || ownershipOf(found.metadata, service) !== 'ours') return;
  log.info(
    { certificate: `${namespace}/${found.metadata.name}` },
    'deleting a Certificate of cert-manager: its service has left mode external',
  );
  await client.delete(certificates, namespace, found.metadata.name, found.metadata.uid).catch(ignoreNotFound);
}
