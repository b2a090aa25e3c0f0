/** The gateway's own cluster: everything that the agent watches, in memory and, for the next agent of this Pod, on its disk. */
import { join } from 'node:path';
import type { Config } from '../../config/schema.ts';
import type { KubeClient } from '../../kube/client.ts';
import { Reflector, type Sink } from '../../kube/reflector.ts';
import {
  configMaps,
  distributedServices,
  pods,
  secrets,
  type ConfigMap,
  type KubeObject,
  type Resource,
  type Secret,
} from '../../kube/types.ts';
import type { Log } from '../../log.ts';
import { gatewayTlsSecretName, label, manager, revokedConfigMapNames, serverApiSecretName } from '../../model/names.ts';
import { ServiceStore } from '../../model/store.ts';
import { servicesSink } from '../../kube/services-sink.ts';
import { pause } from '../../kube/backoff.ts';
import type { KeySource } from '../oidc/key-source.ts';
import { awayMs, clusterKeys } from './cluster-keys.ts';
import { Journal } from './journal.ts';
import { Copies, copyLabel } from './secret-copies.ts';
import { PodIndex } from './pod-index.ts';
import type { HomeSource, SourceEvents, TokenTrust } from './source.ts';

export interface ClusterSourceDeps {
  client: KubeClient;
  config: Config;
  log: Log;
  /** where what was last known is kept; absolute */
  directory: string;
  events: SourceEvents;
}

export class ClusterSource implements HomeSource {
  readonly cluster = '';
  readonly services = new ServiceStore();
  readonly pods: PodIndex;
  readonly copies: Copies;
  /** Secret frp-gateway-tls */
  server: Secret | undefined;
  /** Secret frp-server-api */
  api: Secret | undefined;
  /** ConfigMaps frp-revoked…, as far as they are there; by name */
  readonly revoked = new Map<string, ConfigMap>();
  readonly tokens: TokenTrust;
  readonly #keys: KeySource;
  readonly #reflectors: Pick<Reflector<KubeObject>, 'synced' | 'hasSynced' | 'lastError' | 'close'>[];
  readonly #journals: Journal<never>[] = [];
  readonly #stop = new AbortController();
  #isRecalled = false;
  /** resolves once everything has been listed; where the API server is away, once what was last known has been read */
  readonly synced: Promise<void>;

  constructor({ client, config, log, directory, events: { changed, tunnelChanged } }: ClusterSourceDeps) {
    const { keys, issuer } = clusterKeys(client, { log, file: join(directory, 'keys.json') });
    this.#keys = keys;
    this.tokens = { issuer, keys, trusts: () => true };
    this.services.subscribe(changed);
    this.pods = new PodIndex(changed);
    this.copies = new Copies(() => {
      changed();
      tunnelChanged();
    });
    const onFailure = (error: Error) => log.warn(`what is known of the cluster cannot be kept: ${error.message}`);
    const kept = <T extends KubeObject>(sink: Sink<T>): Sink<T> => {
      const journal = new Journal<T>(join(directory, `${this.#journals.length}.jsonl`), sink, onFailure);
      this.#journals.push(journal as Journal<never>);
      return journal;
    };
    const follow = <T extends KubeObject>(
      resource: Resource<T>,
      sink: Sink<T>,
      where: { namespace?: string; labelSelector?: string } = {},
    ) => new Reflector({ client, log, resource, sink: kept(sink), ...where });
    // The right to one object by name is a right to watch it by that field selector only.
    const followOne = <T extends KubeObject>(resource: Resource<T>, name: string, set: (object: T | undefined) => void) =>
      new Reflector({
        client,
        log,
        resource,
        sink: kept(one(name, set)),
        namespace: config.namespace,
        fieldSelector: `metadata.name=${name}`,
      });
    const connector = `${label.managedBy}=${manager},${label.component}=connector`;
    this.#reflectors = [
      follow(distributedServices, servicesSink(this.services)),
      follow(pods, this.pods.sink(), { labelSelector: `${label.sidecar}=injected` }),
      follow(pods, this.pods.sink(), { labelSelector: connector }),
      follow(secrets, this.copies, { namespace: config.gateway.namespace, labelSelector: `${copyLabel}=true` }),
      followOne(secrets, gatewayTlsSecretName, (secret) => {
        this.server = secret;
        tunnelChanged();
      }),
      followOne(secrets, serverApiSecretName, (secret) => (this.api = secret)),
      ...revokedConfigMapNames.map((name) =>
        followOne(configMaps, name, (map) => {
          if (map) this.revoked.set(name, map);
          else this.revoked.delete(name);
          tunnelChanged();
        }),
      ),
    ];
    const listed = Promise.all(this.#reflectors.map(({ synced }) => synced)).then(() => {});
    this.synced = Promise.race([listed, this.#recalled(log)]);
  }

  isCurrent(): boolean {
    return true;
  }

  /** Only the first lists count: with the API server away, what is in memory is the best there is. */
  problem(): string | undefined {
    if (this.#isRecalled) return undefined;
    const missing = this.#reflectors.find(({ hasSynced }) => !hasSynced);
    return missing && (missing.lastError?.message ?? 'not listed yet');
  }

  /** Never resolves where there is nothing to recall: a Pod that has just been made waits for the API server. */
  async #recalled(log: Log): Promise<void> {
    await pause(awayMs, this.#stop.signal);
    const missing = this.#journals.filter((_, index) => !this.#reflectors[index]!.hasSynced);
    if (this.#stop.signal.aborted || missing.length === 0) return new Promise(() => {});
    const found = await Promise.all(missing.map((journal) => journal.recall().catch(() => false)));
    if (found.includes(false)) return new Promise(() => {});
    this.#isRecalled = true;
    log.warn('the API server does not answer: going by what was last known');
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#reflectors.map((reflector) => reflector.close()));
    await Promise.all([...this.#journals.map((journal) => journal.close()), this.#keys.close()]);
  }
}

/** A sink for one object of a collection. */
function one<T extends KubeObject>(name: string, set: (object: T | undefined) => void): Sink<T> {
  const isIt = ({ metadata }: T) => metadata.name === name;
  return {
    replace: (objects) => set(objects.find(isIt)),
    set: (object) => isIt(object) && set(object),
    delete: (object) => isIt(object) && set(undefined),
  };
}
