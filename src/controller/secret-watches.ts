/**
 * The watches of Secrets: of the cluster, or of each namespace that has services. There an administrator says which of them
 * may be read, and one that may not be holds up no other.
 */
import type { Config } from '../config/schema.ts';
import { pause } from '../kube/backoff.ts';
import type { KubeClient } from '../kube/client.ts';
import { isForbidden } from '../kube/errors.ts';
import type { ObjectStore } from '../kube/object-store.ts';
import { Reflector, type Sink } from '../kube/reflector.ts';
import { secrets, type Secret } from '../kube/types.ts';
import type { Log } from '../log.ts';
import { controllerAccountName, label, manager, secretsRoleName } from '../model/names.ts';
import type { Refused } from './identity/owned-secrets.ts';

export interface SecretWatchesDeps {
  client: KubeClient;
  config: Config;
  log: Log;
  /** those that this program made */
  own: ObjectStore<Secret>;
  /** those of users with the label frp.io/use: "true" */
  users: ObjectStore<Secret>;
  /** told of a namespace of which `of` says something else than before */
  changed: (namespace: string) => void;
}

/** Of a namespace's Secrets: the first lists are under way, they are followed, or they may not be read. */
export type SecretsKnown = 'pending' | 'known' | 'forbidden';

/** How often it is looked whether the first lists are there. Milliseconds. */
const lookMs = 50;

interface Followed {
  watches: Reflector<Secret>[];
  told: SecretsKnown;
}

export class SecretWatches {
  readonly #deps: SecretWatchesDeps;
  /** namespaces of services; empty where the cluster's Secrets are followed */
  readonly #followed = new Map<string, Followed>();
  readonly #closing = new Set<Promise<unknown>>();
  readonly #byNamespace: boolean;
  /** the gateway's, while it is or may come to be in this cluster */
  #gateway: string | undefined;

  constructor(deps: SecretWatchesDeps) {
    this.#deps = deps;
    this.#byNamespace = deps.config.controller.secrets === 'namespaces';
  }

  /**
   * Starts the watches that nothing can be done without, which are then the caller's to close: of the cluster, or of the
   * namespace of the installation. @param only the namespace to follow in place of the cluster
   */
  open(only?: string): Reflector<Secret>[] {
    const { own, users, config } = this.#deps;
    if (this.#byNamespace) return this.#watch(config.namespace);
    return this.#pair(only, own, users);
  }

  of(namespace: string): SecretsKnown {
    if (!this.#byNamespace || namespace === this.#deps.config.namespace) return 'known';
    const { watches } = this.#followed.get(namespace) ?? { watches: [] };
    if (watches.some(({ lastError }) => isForbidden(lastError?.cause))) return 'forbidden';
    return watches.length > 0 && watches.every(({ hasSynced }) => hasSynced) ? 'known' : 'pending';
  }

  /** Why the certificates of a namespace's services are not looked after, with the remedy. */
  problemOf(namespace: string): Refused | undefined {
    if (this.of(namespace) !== 'forbidden') return undefined;
    const account = `${this.#deps.config.namespace}:${controllerAccountName}`;
    const command = `kubectl -n ${namespace} create rolebinding ${secretsRoleName} --clusterrole=${secretsRoleName} --serviceaccount=${account}`;
    return {
      ready: false,
      reason: 'SecretsForbidden',
      message: `frp-k8s may not read the Secrets of namespace ${namespace}, so certificates are neither made nor renewed; an administrator allows it with: ${command}`,
    };
  }

  /** The namespace has services. */
  follow(namespace: string): void {
    if (!this.#byNamespace || namespace === this.#deps.config.namespace || this.#followed.has(namespace)) return;
    const onHealth = () => {
      const known = this.of(namespace);
      const followed = this.#followed.get(namespace);
      if (!followed || followed.told === known) return;
      followed.told = known;
      this.#deps.changed(namespace);
    };
    this.#followed.set(namespace, { watches: this.#watch(namespace, onHealth), told: 'pending' });
  }

  /** There may be a gateway in this cluster. Resolves once its Secrets are known, or known to be forbidden. */
  async followGateway(signal: AbortSignal): Promise<void> {
    const { namespace } = this.#deps.config.gateway;
    this.#gateway = namespace;
    this.follow(namespace);
    while (this.of(namespace) === 'pending' && !signal.aborted) await pause(lookMs, signal);
  }

  /** There is none. @param hasServices whether its namespace has services all the same */
  leaveGateway(hasServices: boolean): void {
    this.#gateway = undefined;
    if (!hasServices) this.leave(this.#deps.config.gateway.namespace);
  }

  /** The namespace has no services any more. */
  leave(namespace: string): void {
    if (namespace === this.#gateway) return;
    const followed = this.#followed.get(namespace);
    if (!followed) return;
    this.#followed.delete(namespace);
    const closing = Promise.all(followed.watches.map((watch) => watch.close())).finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
    const { own, users } = this.#deps;
    for (const store of [own, users]) store.replace([], undefined, namespace);
  }

  /** Lists all namespaces of services that may be read. @throws KubeError where one of them could not be listed */
  async refresh(): Promise<void> {
    const unlessForbidden = (error: unknown) => {
      // Its own watch finds that out too, and says so.
      if (!isForbidden(error)) throw error;
    };
    const watches = [...this.#followed.values()].flatMap((followed) => followed.watches);
    await Promise.all(watches.map((watch) => watch.refresh().catch(unlessForbidden)));
  }

  async close(): Promise<void> {
    const watches = [...this.#followed.values()].flatMap((followed) => followed.watches);
    await Promise.all([...watches.map((watch) => watch.close()), ...this.#closing]);
  }

  #watch(namespace: string, onHealth?: () => void): Reflector<Secret>[] {
    const { own, users } = this.#deps;
    return this.#pair(namespace, own.in(namespace), users.in(namespace), onHealth);
  }

  #pair(namespace: string | undefined, own: Sink<Secret>, users: Sink<Secret>, onHealth?: () => void): Reflector<Secret>[] {
    const { client, log } = this.#deps;
    const common = { client, log, resource: secrets, ...(namespace !== undefined && { namespace }), ...(onHealth && { onHealth }) };
    return [
      new Reflector({ ...common, labelSelector: `${label.managedBy}=${manager}`, sink: own }),
      new Reflector({ ...common, labelSelector: `${label.use}=true`, sink: users }),
    ];
  }
}
