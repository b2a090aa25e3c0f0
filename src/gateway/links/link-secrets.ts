/**
 * Secrets of the gateway's namespace in which its replicas share who has joined: known by a watch in an agent, by one list
 * in a command. Whoever writes says which version that was decided from, so of two that decide at once one looks again.
 */
import { pause } from '../../kube/backoff.ts';
import type { KubeClient } from '../../kube/client.ts';
import { ignoreNotFound, isAlreadyExists, isConflict, isNotFound } from '../../kube/errors.ts';
import { fieldManager } from '../../kube/managers.ts';
import { ObjectStore } from '../../kube/object-store.ts';
import { Reflector } from '../../kube/reflector.ts';
import { secrets, type Secret } from '../../kube/types.ts';
import type { Log } from '../../log.ts';
import { label, manager } from '../../model/names.ts';
import { Journal } from '../sources/journal.ts';

export interface LinkSecretsDeps {
  client: KubeClient;
  /** of the gateway */
  namespace: string;
}

/** How long the API server may take before it counts as away. Milliseconds. */
const awayMs = 2000;

export class LinkSecrets {
  readonly #deps: LinkSecretsDeps;
  readonly #listeners = new Set<(secret: Secret) => void>();
  readonly #store = new ObjectStore<Secret>((secret) => {
    for (const listener of this.#listeners) listener(secret);
  });
  readonly #stop = new AbortController();
  #reflector: Reflector<Secret> | undefined;
  #journal: Journal<Secret> | undefined;

  constructor(deps: LinkSecretsDeps) {
    this.#deps = deps;
  }

  /**
   * Watches from now on. @param file where what was last known is kept; absolute
   * @returns resolves once all are listed; where the API server is away, once what was last known has been read
   */
  follow(file: string, log: Log): Promise<void> {
    const onFailure = (error: Error) => log.warn(`what is known of clusters that have joined cannot be kept: ${error.message}`);
    const journal = (this.#journal = new Journal<Secret>(file, this.#store, onFailure));
    const reflector = (this.#reflector = new Reflector({ ...this.#deps, log, resource: secrets, sink: journal, labelSelector }));
    return Promise.race([reflector.synced, this.#recalled(reflector, journal, log)]);
  }

  /** @param changed told of each that came, changed or went */
  subscribe(changed: (secret: Secret) => void): void {
    this.#listeners.add(changed);
  }

  /** As last known. */
  get(name: string): Secret | undefined {
    return this.#store.get(this.#deps.namespace, name);
  }

  /** As last known. @param prefix of their names */
  all(prefix: string): Secret[] {
    return this.#store.all(this.#deps.namespace).filter(({ metadata }) => metadata.name.startsWith(prefix));
  }

  /** Lists all now. @throws KubeError */
  async refresh(): Promise<void> {
    if (this.#reflector) return this.#reflector.refresh();
    const { client, namespace } = this.#deps;
    const { items, resourceVersion } = await client.list(secrets, { namespace, labelSelector });
    this.#store.replace(items, resourceVersion);
  }

  /** Reads one now. @throws KubeError */
  async look(name: string): Promise<Secret | undefined> {
    const { client, namespace } = this.#deps;
    const known = this.get(name);
    const secret = await client.get(secrets, namespace, name).catch(ignoreNotFound);
    if (secret) this.#store.set(secret);
    else if (known) this.#store.delete(known);
    return secret;
  }

  /** @param data in base64, by key @returns whether there was none of that name @throws KubeError */
  async create(name: string, data: Record<string, string>): Promise<boolean> {
    const { client, namespace } = this.#deps;
    const metadata = { name, namespace, labels };
    try {
      this.#store.set(await client.create<Secret>(secrets, { metadata, type: 'Opaque', data }, fieldManager.gateway));
      return true;
    } catch (error) {
      if (isAlreadyExists(error)) return false;
      throw error;
    }
  }

  /**
   * @param data in base64, by key; null takes a key off
   * @returns whether it was still as it was seen @throws KubeError
   */
  async change({ metadata: { resourceVersion, name } }: Secret, data: Record<string, string | null>): Promise<boolean> {
    try {
      await this.put(name, data, resourceVersion);
      return true;
    } catch (error) {
      if (isConflict(error) || isNotFound(error)) return false;
      throw error;
    }
  }

  /** Keys that nobody else writes; or of one version, where that is given. @throws KubeError, also where there is none */
  async put(name: string, data: Record<string, string | null>, resourceVersion?: string): Promise<void> {
    const { client, namespace } = this.#deps;
    const metadata = resourceVersion === undefined ? {} : { resourceVersion };
    this.#store.set(await client.mergePatch<Secret>(secrets, namespace, name, { metadata, data }));
  }

  /** @returns whether there was one @throws KubeError */
  async delete(name: string): Promise<boolean> {
    const { client, namespace } = this.#deps;
    const known = this.get(name);
    const wasThere = await client.delete(secrets, namespace, name).then(
      () => true,
      (error: unknown) => ignoreNotFound(error) ?? false,
    );
    if (known) this.#store.delete(known);
    return wasThere;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#reflector?.close();
    await this.#journal?.close();
  }

  /** Never resolves where there is nothing to recall. */
  async #recalled(reflector: Reflector<Secret>, journal: Journal<Secret>, log: Log): Promise<void> {
    await pause(awayMs, this.#stop.signal);
    if (this.#stop.signal.aborted || reflector.hasSynced || !(await journal.recall().catch(() => false))) return new Promise(() => {});
    log.warn('the API server does not answer: going by the clusters that had joined before');
  }
}

const labels = { [label.managedBy]: manager, [label.component]: 'gateway-link' };
const labelSelector = Object.entries(labels)
  .map((each) => each.join('='))
  .join();
