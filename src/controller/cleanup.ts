/** The end of a service (R5.04, R5.05): its Secrets go, its certificate is revoked, and then it may. */
import { inspectCertificate } from '../../certs/inspect.ts';
import { text } from '../kube/authority-secret.ts';
import type { KubeClient } from '../kube/client.ts';
import { isAlreadyExists, isNotFound, KubeError } from '../kube/errors.ts';
import { fieldManager } from '../kube/managers.ts';
import { configMaps, distributedServices, secrets, type ConfigMap, type Metadata, type Secret } from '../kube/types.ts';
import { cleanupFinalizer, groupSecretName, label, manager, revokedConfigMapName, tlsSecretName } from '../model/names.ts';
import type { DistributedService } from '../model/types.ts';
import type { ReconcileDeps } from './reconcile.ts';
import { ownershipOf } from './secrets.ts';
import { terminatingStatus } from './status.ts';

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
  try {
    return (await client.getMetadata(distributedServices, metadata.namespace, metadata.name)).metadata.uid !== metadata.uid;
  } catch (error) {
    if (isNotFound(error)) return true;
    throw error;
  }
}

/** Everything that must happen before a service may go. Each step may be repeated. @throws KubeError: try again later */
export async function cleanUp(deps: ReconcileDeps, service: DistributedService): Promise<void> {
  const { client, clock } = deps;
  const { name, namespace, uid } = service.metadata;
  const status = terminatingStatus(service, clock.now());
  if (status) {
    const object = { metadata: { name, namespace, uid } as Metadata, status };
    await client
      .apply(distributedServices, object, { fieldManager: fieldManager.controller, force: true, subresource: 'status' })
      .catch(unlessGone);
  }
  const tls = deps.secrets.get(namespace, tlsSecretName(name));
  if (tls && ownershipOf(tls.metadata, service) === 'ours') await revoke(deps, tls);
  for (const secretName of [tlsSecretName(name), groupSecretName(name)]) {
    const secret = deps.secrets.get(namespace, secretName);
    if (!secret || ownershipOf(secret.metadata, service) !== 'ours') continue;
    await client.delete(secrets, namespace, secretName, secret.metadata.uid).catch(unlessGone);
  }
  await removeFinalizer(client, service);
}

/** Puts the certificate's fingerprint on the list of revoked ones, and takes off it those that have expired anyway. */
async function revoke({ client, config, clock, log }: ReconcileDeps, secret: Secret): Promise<void> {
  let facts;
  try {
    facts = inspectCertificate(text(secret, 'tls.crt'));
  } catch {
    return; // no certificate, nothing to revoke
  }
  const metadata = { name: revokedConfigMapName, namespace: config.namespace, labels: { [label.managedBy]: manager } };
  const entry = { [facts.sha256]: new Date(facts.notAfter).toISOString() };
  try {
    const list = await client.get(configMaps, config.namespace, revokedConfigMapName).catch(unlessGone);
    if (!list) await client.create<ConfigMap>(configMaps, { metadata, data: entry }, fieldManager.controller);
    else if (list.data?.[facts.sha256] === undefined)
      await client.mergePatch(configMaps, config.namespace, revokedConfigMapName, { data: { ...expired(list, clock.now()), ...entry } });
  } catch (error) {
    if (isAlreadyExists(error) || !isEnding(error)) throw error;
    log.info('the namespace of the installation is being deleted: nothing is left to revoke a certificate for');
  }
}

/** As a merge patch: null takes an entry off. */
const expired = ({ data = {} }: ConfigMap, now: number): Record<string, null> =>
  Object.fromEntries(Object.entries(data).flatMap(([key, expiry]) => (Date.parse(expiry) < now ? [[key, null]] : [])));

/** Nothing can be created in a namespace that is being deleted (apiserver, NamespaceLifecycle). */
const isEnding = (error: unknown): boolean =>
  isNotFound(error) || (error instanceof KubeError && error.code === 403 && /is being terminated/.test(error.message));

function unlessGone(error: unknown): undefined {
  // A Conflict: another object of the name, since the uid is in the request.
  if (isNotFound(error) || (error instanceof KubeError && error.reason === 'Conflict')) return undefined;
  throw error;
}
