/** Objects that the controller makes beside a service and owns: nobody else's is ever changed, taken over or deleted. */
import type { KubeClient } from '../kube/client.ts';
import { ignoreGone, isAlreadyExists } from '../kube/errors.ts';
import { fieldManager } from '../kube/managers.ts';
import type { ObjectStore } from '../kube/object-store.ts';
import type { KubeObject, Metadata, Resource } from '../kube/types.ts';
import type { DistributedService } from '../model/types.ts';
import { ownershipOf } from './ownership.ts';
import type { Problem } from './problem.ts';

/** A kind of object that is made, and those that are there. */
export interface Kind<T extends KubeObject> {
  resource: Resource<T>;
  store: ObjectStore<T>;
  /**
   * How what differs is written. `apply` gives back the fields that were wanted once. `merge` replaces lists as a whole, as
   * those must be whose entries the API server tells apart by a value that changes, such as a port.
   */
  change: 'apply' | 'merge';
}

/** What follows for the service where an object of that name is somebody else's: the rest of a sentence, with the remedy. */
export type Consequence = string;

/** Creates by POST and changes what has our label and owner only. @returns what stands in the way @throws KubeError */
export async function ensureOwned<T extends KubeObject>(
  client: KubeClient,
  service: DistributedService,
  { resource, store, change }: Kind<T>,
  wanted: T,
  consequence: Consequence,
): Promise<Problem | undefined> {
  const { namespace = '', name } = wanted.metadata;
  const known = store.get(namespace, name);
  if (!known) {
    try {
      store.set(await client.create(resource, wanted, fieldManager.controller));
      return undefined;
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
      const { metadata } = await client.getMetadata(resource, namespace, name);
      const taken = refusal(resource, metadata, service, consequence);
      if (taken) return taken;
      throw error; // ours: the watch has not told of it yet
    }
  }
  const taken = refusal(resource, known.metadata, service, consequence);
  if (taken || hasAll(known, wanted)) return taken;
  const { uid } = known.metadata;
  const exact = { ...wanted, metadata: { ...wanted.metadata, ...(uid !== undefined && { uid }) } };
  store.set(
    await (change === 'merge'
      ? client.mergePatch<T>(resource, namespace, name, exact)
      : client.apply<T>(resource, exact, { fieldManager: fieldManager.controller, force: true })),
  );
  return undefined;
}

/** @throws KubeError */
export async function deleteOwned<T extends KubeObject>(
  client: KubeClient,
  service: DistributedService,
  { resource, store }: Kind<T>,
  name: string,
): Promise<void> {
  const { namespace = '' } = service.metadata;
  const known = store.get(namespace, name);
  if (!known || ownershipOf(known.metadata, service) !== 'ours') return;
  await client.delete(resource, namespace, name, known.metadata.uid).catch(ignoreGone);
  store.delete(known);
}

function refusal(
  { kind }: Resource<KubeObject>,
  metadata: Metadata,
  service: DistributedService,
  consequence: Consequence,
): Problem | undefined {
  const whose = ownershipOf(metadata, service);
  if (whose === 'ours') return undefined;
  const name = `${kind} ${metadata.namespace}/${metadata.name}`;
  if (whose === 'previous')
    return { reason: 'Replacing', message: `${name} belongs to an earlier DistributedService of this name and is being removed` };
  const message = `${name} exists and was not made by frp-k8s for this service, so it is left alone and ${consequence}`;
  return { reason: 'NameTaken', message };
}

/** Whether everything that is wanted is there; what the API server has added does not count. */
function hasAll(actual: unknown, wanted: unknown): boolean {
  if (Array.isArray(wanted))
    return Array.isArray(actual) && actual.length === wanted.length && wanted.every((item, i) => hasAll(actual[i], item));
  if (typeof wanted !== 'object' || wanted === null) return actual === wanted;
  if (typeof actual !== 'object' || actual === null) return false;
  return Object.entries(wanted).every(([key, value]) => hasAll((actual as Record<string, unknown>)[key], value));
}
