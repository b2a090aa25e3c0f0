/** Everything that the agent watches, in memory. It writes nothing. */
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
import { label, manager, revokedConfigMapNames, serverApiSecretName, serverSecretName } from '../../model/names.ts';
import { ServiceStore } from '../../model/store.ts';
import { servicesSink } from '../../kube/services-sink.ts';
import { Copies, copyLabel } from './secret-copies.ts';
import { PodIndex } from './pod-index.ts';

export interface WatchDeps {
  client: KubeClient;
  config: Config;
  log: Log;
  /** something that traffic depends on */
  changed: () => void;
  /** something that the tunnel depends on */
  tunnelChanged: () => void;
}

export class Watches {
  readonly services = new ServiceStore();
  readonly pods: PodIndex;
  readonly copies: Copies;
  /** Secret frp-server-tls */
  server: Secret | undefined;
  /** Secret frp-server-api */
  api: Secret | undefined;
  /** ConfigMaps frp-revoked…, as far as they are there; by name */
  readonly revoked = new Map<string, ConfigMap>();
  readonly #reflectors: Pick<Reflector<KubeObject>, 'synced' | 'hasSynced' | 'lastError' | 'close'>[];
  /** resolves once everything has been listed */
  readonly synced: Promise<void>;

  constructor({ client, config, log, changed, tunnelChanged }: WatchDeps) {
    this.services.subscribe(changed);
    this.pods = new PodIndex(changed);
    this.copies = new Copies(() => {
      changed();
      tunnelChanged();
    });
    const follow = <T extends KubeObject>(
      resource: Resource<T>,
      sink: Sink<T>,
      where: { namespace?: string; labelSelector?: string } = {},
    ) => new Reflector({ client, log, resource, sink, ...where });
    // The right to one object by name is a right to watch it by that field selector only.
    const followOne = <T extends KubeObject>(resource: Resource<T>, name: string, set: (object: T | undefined) => void) =>
      new Reflector({
        client,
        log,
        resource,
        sink: one(name, set),
        namespace: config.namespace,
        fieldSelector: `metadata.name=${name}`,
      });
    const connector = `${label.managedBy}=${manager},${label.component}=connector`;
    this.#reflectors = [
      follow(distributedServices, servicesSink(this.services)),
      follow(pods, this.pods.sink(), { labelSelector: `${label.sidecar}=injected` }),
      follow(pods, this.pods.sink(), { labelSelector: connector }),
      follow(secrets, this.copies, { namespace: config.gateway.namespace, labelSelector: `${copyLabel}=true` }),
      followOne(secrets, serverSecretName, (secret) => {
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
    this.synced = Promise.all(this.#reflectors.map(({ synced }) => synced)).then(() => {});
  }

  /** Only the first lists count: with the API server away, what is in memory is the best there is. */
  problem(): string | undefined {
    const missing = this.#reflectors.find(({ hasSynced }) => !hasSynced);
    return missing && (missing.lastError?.message ?? 'not listed yet');
  }

  async close(): Promise<void> {
    await Promise.all(this.#reflectors.map((reflector) => reflector.close()));
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
