/**
 * The end of the installation. `kubectl delete -k` and `helm uninstall` take Deployment, rights and services at the same moment, and a
 * service that keeps its finalizer could never go. So the controller's ServiceAccount, ClusterRole and
 * ClusterRoleBinding carry the finalizer too: with a deletionTimestamp they are still good (the ServiceAccount for 60 s),
 * and the controller frees the services first, then those three.
 */
import type { KubeClient } from '../../kube/client.ts';
import { pause } from '../../kube/backoff.ts';
import { ignoreNotFound, isNotFound } from '../../kube/errors.ts';
import {
  clusterRoleBindings,
  clusterRoles,
  customResourceDefinitions,
  deployments,
  distributedServices,
  namespaces,
  serviceAccounts,
  type KubeObject,
  type Resource,
} from '../../kube/types.ts';
import type { Log } from '../../log.ts';
import { controllerAccountName, controllerName, controllerRoleName, group, plural } from '../../model/names.ts';
import { hasFinalizer, removeFinalizer } from './finalizer.ts';

/** Below the Pod's grace period and the 60 s that the token of a deleted ServiceAccount is good for. */
const deadlineMs = 45_000;
const atOnce = 16;

/**
 * Whether the installation is being removed: its namespace or the CRD is being deleted or gone, or its rights are.
 * @param waitMs for the rights, where the Deployment is gone: Helm deletes one kind after the other, leaves namespace and
 *   CRD, and comes to the rights moments later
 */
export async function isBeingRemoved(client: KubeClient, namespace: string, waitMs = 10_000): Promise<boolean> {
  const ends = async (resource: Resource<KubeObject>, scope: string | undefined, name: string) => {
    try {
      return (await client.getMetadata(resource, scope, name)).metadata.deletionTimestamp !== undefined;
    } catch (error) {
      return isNotFound(error);
    }
  };
  const [isDeployed, ...answers] = await Promise.all([
    ends(deployments, namespace, controllerName).then((isEnding) => !isEnding),
    ends(namespaces, undefined, namespace),
    ends(customResourceDefinitions, undefined, `${plural}.${group}`),
  ]);
  if (answers.includes(true)) return true;
  if (isDeployed) return false;
  for (const end = Date.now() + waitMs; Date.now() < end; await pause(250, new AbortController().signal))
    if (await ends(clusterRoles, undefined, controllerRoleName)) return true;
  return false;
}

/** Takes the finalizer off every service, tries again until the deadline, then frees the controller's own rights. */
export async function finishRemoval(client: KubeClient, namespace: string, log: Log): Promise<void> {
  const end = Date.now() + deadlineMs;
  log.info('the installation is being removed: services are freed of their finalizer');
  for (;;) {
    const left = await freeServices(client).catch((error: unknown) => {
      log.warn({ err: error }, 'services could not be freed yet');
      return undefined;
    });
    if (left === 0) break;
    if (Date.now() > end) {
      log.error({ left }, 'services keep their finalizer; free them with: frp-k8s uninstall');
      break;
    }
    await pause(500, new AbortController().signal);
  }
  await freeRights(client, namespace, log);
}

/** @returns how many still have it */
async function freeServices(client: KubeClient): Promise<number> {
  const list = await client.list(distributedServices).catch(ignoreNotFound); // the CRD is gone, and all services with it
  const held = list?.items.filter(hasFinalizer) ?? [];
  const results: boolean[] = [];
  const next = held.values();
  const worker = async () => {
    for (const service of next) {
      results.push(
        await removeFinalizer(client, service).then(
          () => true,
          () => false,
        ),
      );
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return results.filter((isFree) => !isFree).length;
}

/**
 * Takes the finalizer off what the controller acts with, of all three at once: once the first is gone, a request that
 * comes to the API server would be refused. These objects have no finalizer but ours: nobody else would know when they
 * may go.
 */
export async function freeRights(client: KubeClient, namespace: string, log: Log): Promise<void> {
  const patch = { metadata: { finalizers: null } };
  const rights = [
    { resource: serviceAccounts, namespace, name: controllerAccountName, patch },
    { resource: clusterRoleBindings, name: controllerRoleName, patch },
    { resource: clusterRoles, name: controllerRoleName, patch },
  ];
  const errors = await client.mergePatchesAtOnce(rights);
  errors.forEach((error, index) => {
    if (error && !isNotFound(error)) log.warn({ err: error }, `${rights[index]!.resource.kind} ${rights[index]!.name} keeps its finalizer`);
  });
}
