/** The end of a service (R5.04, R5.05): its Secrets go, its certificates are revoked, and then it may. */
import type { KubeClient } from '../../kube/client.ts';
import { ignoreGone, ignoreNotFound, isForbidden, isNotFound } from '../../kube/errors.ts';
import { fieldManager } from '../../kube/managers.ts';
import { distributedServices, secrets, type Metadata } from '../../kube/types.ts';
import { cleanupFinalizer, externalSecretName, groupSecretName, tlsSecretName } from '../../model/names.ts';
import type { DistributedService } from '../../model/types.ts';
import type { IdentityDeps } from '../identity/deps.ts';
import { liveCertificates, revoke } from '../identity/revocation.ts';
import { clientRequest } from '../identity/certificate-plan.ts';
import { ownershipOf } from '../ownership.ts';
import { terminatingStatus } from '../status/status.ts';

export const hasFinalizer = ({ metadata }: DistributedService): boolean => metadata.finalizers?.includes(cleanupFinalizer) ?? false;

/** Adds our finalizer and leaves those of others alone. @throws KubeError */
export function addFinalizer(client: KubeClient, service: DistributedService): Promise<DistributedService> {
  return applyFinalizers(client, service, [cleanupFinalizer]);
}

/** Takes our finalizer off; done where the service is gone. @throws KubeError */
export async function removeFinalizer(client: KubeClient, service: DistributedService): Promise<void> {
  try {
    await applyFinalizers(client, service, []);
  } catch (error) {
    // Where it is gone, an apply would make a new one; the uid in it turns that into a Conflict.
    if (!isNotFound(error) && !(await isGone(client, service))) throw error;
  }
}

function applyFinalizers(client: KubeClient, { metadata }: DistributedService, finalizers: string[]): Promise<DistributedService> {
  const { name, namespace, uid } = metadata;
  const object = { metadata: { name, namespace, uid, finalizers } as Metadata };
  return client.apply<DistributedService>(distributedServices, object, { fieldManager: fieldManager.controller, force: true });
}

async function isGone(client: KubeClient, { metadata }: DistributedService): Promise<boolean> {
  const found = await client.getMetadata(distributedServices, metadata.namespace, metadata.name).catch(ignoreNotFound);
  return !found || found.metadata.uid !== metadata.uid;
}

/** Everything that must happen before a service may go. Each step may be repeated. @throws KubeError: try again later */
export async function cleanUp(deps: IdentityDeps, service: DistributedService): Promise<void> {
  const { client, clock } = deps;
  const { name, namespace, uid } = service.metadata;
  const status = terminatingStatus(service, clock.now());
  if (status) {
    const object = { metadata: { name, namespace, uid } as Metadata, status };
    await client
      .apply(distributedServices, object, { fieldManager: fieldManager.controller, force: true, subresource: 'status' })
      .catch(ignoreGone);
  }
  await revokeAll(deps, service);
  for (const secretName of [tlsSecretName(name), groupSecretName(name)]) {
    const secret = deps.secrets.get(namespace, secretName);
    if (!secret || ownershipOf(secret.metadata, service) !== 'ours') continue;
    await client.delete(secrets, namespace, secretName, secret.metadata.uid).catch((error: unknown) => {
      // Who may not delete it leaves it to the garbage collector: it ends with its owner.
      if (!isForbidden(error)) ignoreGone(error);
    });
  }
  await removeFinalizer(client, service);
}

/**
 * A service that is made again under its name finds its Pods with the certificate of before: the kubelet brings them the new
 * one after 90 s at most. Until then the old one connects; what a Pod may do, its token says. Milliseconds.
 */
const redeploymentMs = 150_000;

/** Of the certificates that the installation's authority issued for this service alone; those of mode manual are the user's, and may serve elsewhere. */
async function revokeAll(deps: IdentityDeps, service: DistributedService): Promise<void> {
  const { namespace, name } = service.metadata;
  const now = deps.clock.now();
  const { commonName } = clientRequest(service);
  const { bundlePem } = deps.authority();
  const tls = deps.secrets.get(namespace, tlsSecretName(name));
  const own = tls && ownershipOf(tls.metadata, service) === 'ours' ? tls : undefined;
  const external = deps.userSecrets.get(namespace, externalSecretName(name));
  const live = [
    ...(own ? liveCertificates(own, { commonName, bundlePem, now }) : []),
    ...(external ? liveCertificates(external, { commonName, bundlePem, now }) : []),
  ];
  if (live.length > 0) await revoke(deps, namespace ?? '', live, { now, from: now + redeploymentMs });
}
