/** `frp-k8s uninstall`: services first, then the webhooks, then everything else of the installation. */
import { loadAccess } from '../kube/access.ts';
import { KubeClient } from '../kube/client.ts';
import { ignoreNotFound } from '../kube/errors.ts';
import {
  clusterRoleBindings,
  clusterRoles,
  customResourceDefinitions,
  describe,
  distributedServices,
  namespaces,
  serviceAccounts,
  type KubeObject,
  type Resource,
} from '../kube/types.ts';
import { cleanupFinalizer, controllerAccountName, controllerRoleName, group, manager, plural } from '../model/names.ts';
import { defaultConfig, milliseconds } from '../config/schema.ts';
import { UserError } from '../errors.ts';
import { parseOptions } from './options.ts';

export const help = `frp-k8s uninstall: remove frp-k8s from a cluster, services first

usage: frp-k8s uninstall [--namespace NS] [--timeout DURATION] [--dry-run]

Deletes every DistributedService and waits until they are gone, then the webhook configurations, the namespaces of the
installation and of its gateway, the roles and policies, and the CRD last. Running Pods keep their sidecars until they are restarted; new
Pods get none. A service that does not go within the timeout loses its finalizer frp.io/cleanup, and that is said.

  -n, --namespace NS       namespace of the installation (default: frp-system)
      --timeout DURATION   how long to wait for services and for the namespace, each (default: 2m)
      --dry-run            say what would be deleted, and delete nothing

It uses KUBECONFIG, else ~/.kube/config.

examples:
  frp-k8s uninstall --dry-run
  frp-k8s uninstall
`;

const clusterScoped = (apiVersion: string, kind: string, plural: string): Resource<KubeObject> => ({
  apiVersion,
  kind,
  plural,
  namespaced: false,
});
const admission = 'admissionregistration.k8s.io/v1';

/** While these are there, an API request may need the webhooks. */
const webhooks = [
  clusterScoped(admission, 'MutatingWebhookConfiguration', 'mutatingwebhookconfigurations'),
  clusterScoped(admission, 'ValidatingWebhookConfiguration', 'validatingwebhookconfigurations'),
];
const others = [
  clusterScoped(admission, 'ValidatingAdmissionPolicyBinding', 'validatingadmissionpolicybindings'),
  clusterScoped(admission, 'ValidatingAdmissionPolicy', 'validatingadmissionpolicies'),
  clusterRoleBindings,
  clusterRoles,
  clusterScoped('scheduling.k8s.io/v1', 'PriorityClass', 'priorityclasses'),
];

const gatewayNamespace = defaultConfig.gateway.namespace;

const say = (text: string) => process.stdout.write(`${text}\n`);

export async function run(args: string[]): Promise<number> {
  const options = parseOptions('uninstall', args, {
    namespace: { type: 'string', short: 'n', default: 'frp-system' },
    timeout: { type: 'string', default: '2m' },
    'dry-run': { type: 'boolean', default: false },
  });
  if (!/^[0-9]+(s|m|h)$/.test(options.timeout))
    throw new UserError(`uninstall: --timeout ${options.timeout}: must be a duration such as 90s or 2m`);
  const removal = new Removal(new KubeClient(loadAccess()), milliseconds(options.timeout), options['dry-run']);
  await removal.services();
  for (const resource of webhooks) await removal.labelled(resource);
  await removal.rights(options.namespace);
  // The gateway has a namespace of its own; it ends while the other one does.
  await removal.labelled(namespaces);
  for (const name of [options.namespace, gatewayNamespace]) await removal.one(namespaces, name);
  for (const resource of others) await removal.labelled(resource);
  await removal.one(customResourceDefinitions, `${plural}.${group}`);
  removal.client.close();
  say(options['dry-run'] ? 'nothing was deleted (--dry-run)' : 'done: frp-k8s is uninstalled');
  return 0;
}

class Removal {
  readonly client: KubeClient;
  readonly #timeoutMs: number;
  readonly #dryRun: boolean;

  constructor(client: KubeClient, timeoutMs: number, dryRun: boolean) {
    this.client = client;
    this.#timeoutMs = timeoutMs;
    this.#dryRun = dryRun;
  }

  /** Deletes every service, and frees those that nobody cleans up any more. */
  async services(): Promise<void> {
    for (const service of await this.#services())
      await this.#delete(distributedServices, service.metadata.namespace, service.metadata.name);
    if (this.#dryRun || (await this.#gone(async () => (await this.#services()).length === 0))) return;
    for (const { metadata } of await this.#services()) {
      const left = (metadata.finalizers ?? []).filter((name) => name !== cleanupFinalizer);
      say(
        `${describe(distributedServices, metadata.namespace, metadata.name)} is not gone after the timeout: removing its finalizer ${cleanupFinalizer}`,
      );
      await this.client.mergePatch(distributedServices, metadata.namespace, metadata.name, { metadata: { finalizers: left } });
      if (left.length > 0)
        throw new UserError(
          `uninstall: it still has finalizers of others (${left.join(', ')}); their owners must remove them, then run this again`,
        );
    }
  }

  /** Frees what the controller acts with: no service needs it any more, and there may be no controller that would. */
  async rights(namespace: string): Promise<void> {
    if (this.#dryRun) return;
    const free = (resource: Resource<KubeObject>, scope: string | undefined, name: string) =>
      this.client.mergePatch(resource, scope, name, { metadata: { finalizers: null } }).catch(ignoreNotFound);
    await free(serviceAccounts, namespace, controllerAccountName);
    await free(clusterRoleBindings, undefined, controllerRoleName);
    await free(clusterRoles, undefined, controllerRoleName);
  }

  /** Deletes the objects that carry the installation's label. */
  async labelled(resource: Resource<KubeObject>): Promise<void> {
    const { items } = await this.client.list(resource, { labelSelector: `app.kubernetes.io/part-of=${manager}` });
    for (const { metadata } of items) await this.#delete(resource, undefined, metadata.name);
  }

  /** Deletes an object, and waits until it is gone. */
  async one(resource: Resource<KubeObject>, name: string): Promise<void> {
    const gone = async () => (await this.client.getMetadata(resource, undefined, name).catch(ignoreNotFound)) === undefined;
    if (await gone()) return;
    await this.#delete(resource, undefined, name);
    if (this.#dryRun || (await this.#gone(gone))) return;
    throw new UserError(
      `uninstall: ${describe(resource, undefined, name)} is still being deleted after the timeout; see: kubectl get ${resource.plural} ${name} -o yaml`,
    );
  }

  async #services() {
    return (await this.client.list(distributedServices).catch(ignoreNotFound))?.items ?? [];
  }

  async #delete(resource: Resource<KubeObject>, namespace: string | undefined, name: string): Promise<void> {
    say(`${this.#dryRun ? 'would delete' : 'deleting'} ${describe(resource, namespace, name)}`);
    if (!this.#dryRun) await this.client.delete(resource, namespace, name).catch(ignoreNotFound);
  }

  async #gone(check: () => Promise<boolean>): Promise<boolean> {
    const end = Date.now() + this.#timeoutMs;
    while (!(await check())) {
      if (Date.now() > end) return false;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    return true;
  }
}
