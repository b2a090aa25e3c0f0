/** The certificate for users that cert-manager makes (`expose.tls.issuerRef`): its Certificate, and what is waited for. */
import { ignoreGone, isAlreadyExists, isForbidden } from '../../kube/errors.ts';
import { fieldManager } from '../../kube/managers.ts';
import { certificateRequests, certificates, type Certificate } from '../../kube/types.ts';
import { exposuresOf } from '../../model/exposure.ts';
import { usesGateway } from '../../model/gateway.ts';
import { label, manager, usersCertificateName } from '../../model/names.ts';
import type { DistributedService } from '../../model/types.ts';
import { describeIssuer, issuerOf, issuerProblem, type IssuerRef } from '../../model/users-certificate.ts';
import type { CertManager } from './cert-manager.ts';
import { ownerReference, ownershipOf } from '../ownership.ts';
import { applyCertificate, secretOfOthers } from '../identity/certificates.ts';
import { not, type Checked } from '../identity/client-certificate.ts';
import type { IdentityDeps } from '../identity/deps.ts';
import { nameTaken } from '../identity/owned-secrets.ts';
import type { StatusReason } from '../../model/reasons/status.ts';

export interface UsersCertificateDeps extends Omit<IdentityDeps, 'authority'> {
  certManager: Pick<CertManager, 'certificates' | 'challengesOf'>;
}

const lookAgainMs = 30_000;
/** Characters of what others say that go into a status. */
const longestWord = 400;

/** The Certificate of a service for its hosts: for servers alone, so that it opens no tunnel whoever has issued it. */
function usersCertificateFor(service: DistributedService, reference: IssuerRef, hosts: readonly string[]): Certificate {
  const { name, namespace = '' } = service.metadata;
  const own = usersCertificateName(name);
  const labels = { [label.managedBy]: manager, [label.service]: name };
  return {
    metadata: { name: own, namespace, labels, ownerReferences: [ownerReference(service)] },
    spec: {
      secretName: own,
      // With it the Secret is one that the controller may read and follow.
      secretTemplate: { labels: { [label.use]: 'true' } },
      dnsNames: [...hosts],
      privateKey: { algorithm: 'ECDSA', size: 256, rotationPolicy: 'Always' },
      usages: ['digital signature', 'key encipherment', 'server auth'],
      issuerRef: issuerOf(reference),
    },
  };
}

/**
 * Keeps the Certificate as it should be, or takes it away where the service is not to have one.
 * @param isRefused the service may not be exposed as it is written, for instance because the host is another's
 * @returns what became of it; undefined where none is wanted
 * @throws KubeError
 */
export async function ensureUsersCertificate(
  deps: UsersCertificateDeps,
  service: DistributedService,
  isRefused: boolean,
): Promise<Checked | undefined> {
  const { config } = deps;
  const { name, namespace = '' } = service.metadata;
  const reference = service.spec.expose?.tls?.issuerRef;
  const hosts = exposuresOf(service.spec, config.baseDomain).flatMap((exposure) => ('host' in exposure ? [exposure.host] : []));
  const isWanted = reference && usesGateway(service.spec, config) && !isRefused && hosts.length > 0;
  const problem = reference && issuerProblem(reference, namespace, config);
  if (!isWanted || problem !== undefined) {
    await leave(deps, service);
    if (!isWanted) return undefined;
    return { outcome: not('IssuerNotAllowed', `spec.expose.tls.issuerRef: ${problem}`), renewAt: Infinity };
  }
  const wanted = usersCertificateFor(service, reference, hosts);
  const waiting = (reason: StatusReason, message: string): Checked => ({
    outcome: not(reason, `waiting for cert-manager: ${message}`),
    renewAt: deps.clock.now() + lookAgainMs,
  });
  const { isServed, problem: unknown } = deps.certManager.certificates;
  if (isServed === undefined) return waiting('Issuing', `what it has is not known yet${unknown === undefined ? '' : `: ${word(unknown)}`}`);
  if (!isServed)
    return waiting(
      'CertManagerMissing',
      'the cluster does not serve cert-manager.io/v1, so nobody issues the certificate; install cert-manager, or set spec.expose.tls.secretName to a Secret with a certificate of yours',
    );
  const taken = await secretOfOthers(deps, wanted, wanted.metadata.name);
  const found = taken === undefined ? await ensure(deps, service, wanted) : { taken };
  if ('taken' in found) return { outcome: not(nameTaken, found.taken), renewAt: deps.clock.now() + lookAgainMs };
  if ('forbidden' in found) return waiting('CertificateForbidden', found.forbidden);
  // Whether it is good for users, secret-references.ts tells.
  if (deps.userSecrets.get(namespace, wanted.metadata.name)) return { outcome: { ready: true }, renewAt: Infinity };
  const said = await whatIsWaitedFor(deps, service, found.certificate);
  return waiting(
    'Issuing',
    `${describeIssuer(issuerOf(reference))} has not issued the certificate for ${hosts.join(', ')} yet: ${said}; see: kubectl -n ${namespace} describe certificate ${usersCertificateName(name)}`,
  );
}

type Ensured = { certificate: Certificate } | { taken: string } | { forbidden: string };

async function ensure(deps: UsersCertificateDeps, service: DistributedService, wanted: Certificate): Promise<Ensured> {
  const { client, certManager } = deps;
  const { namespace, name } = wanted.metadata;
  try {
    const known = certManager.certificates.objects.get(namespace, name);
    const certificate = known ?? (await client.create(certificates, wanted, fieldManager.controller).catch(existing(deps, wanted)));
    if (ownershipOf(certificate.metadata, service) !== 'ours')
      return {
        taken: `Certificate ${namespace}/${name} exists and was not made by frp-k8s for this service, so it is left alone; rename or delete it, or give the DistributedService another name`,
      };
    const applied = await applyCertificate(deps, certificate, wanted);
    certManager.certificates.objects.set(applied);
    return { certificate: applied };
  } catch (error) {
    if (!isForbidden(error)) throw error;
    return { forbidden: word((error as Error).message) };
  }
}

/** Somebody else's is not in the store. */
const existing =
  ({ client }: UsersCertificateDeps, { metadata: { namespace, name } }: Certificate) =>
  (error: unknown): Promise<Certificate> => {
    if (!isAlreadyExists(error)) throw error;
    return client.get(certificates, namespace, name);
  };

/** Deletes the Certificate of a service that is not to have one, where it is ours. The Secret stays, as cert-manager leaves it. */
async function leave({ client, log, certManager }: UsersCertificateDeps, service: DistributedService): Promise<void> {
  const { namespace, name } = service.metadata;
  const found = certManager.certificates.objects.get(namespace, usersCertificateName(name));
  if (!found || ownershipOf(found.metadata, service) !== 'ours') return;
  log.info(
    { certificate: `${namespace}/${found.metadata.name}` },
    'deleting a Certificate of cert-manager that its service is not to have',
  );
  await client.delete(certificates, namespace, found.metadata.name, found.metadata.uid).catch(ignoreGone);
  certManager.certificates.objects.delete(found);
}

/** In cert-manager's own words, from where most is known to where least is. */
async function whatIsWaitedFor(
  { client, certManager }: UsersCertificateDeps,
  service: DistributedService,
  { metadata, status }: Certificate,
): Promise<string> {
  const challenge = certManager.challengesOf(service).find((each) => each.status?.reason);
  if (challenge) return word(`Challenge ${challenge.metadata.name}: ${challenge.status?.reason}`);
  const { items } = await client.list(certificateRequests, { namespace: metadata.namespace ?? '' }).catch((error: unknown) => {
    if (!isForbidden(error)) throw error;
    return { items: [] };
  });
  const revision = (annotations: Record<string, string> = {}) => Number(annotations['cert-manager.io/certificate-revision'] ?? 0);
  const [request] = items
    .filter(({ metadata: { ownerReferences = [] } }) => ownerReferences.some(({ uid }) => uid === metadata.uid))
    .sort((a, b) => revision(b.metadata.annotations) - revision(a.metadata.annotations));
  const pending = request?.status?.conditions?.find(({ type }) => type === 'Ready');
  if (pending?.message !== undefined) return word(`CertificateRequest ${request!.metadata.name}: ${pending.reason}: ${pending.message}`);
  const conditions = ['Issuing', 'Ready'].flatMap((type) => status?.conditions?.find((each) => each.type === type) ?? []);
  const told = conditions.find(({ message }) => message);
  return told ? word(`Certificate ${metadata.name}: ${told.reason}: ${told.message}`) : 'it has not looked at the Certificate yet';
}

const word = (text: string): string => {
  const plain = text.replace(/[\x00-\x1f\x7f]+/g, ' ').trim();
  return plain.length > longestWord ? `${plain.slice(0, longestWord)}…` : plain;
};
