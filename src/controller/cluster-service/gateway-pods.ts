/** The Pods of the gateway in this cluster, as endpoints. */
import { ObjectStore } from '../../kube/object-store.ts';
import { Reflector } from '../../kube/reflector.ts';
import type { KubeClient } from '../../kube/client.ts';
import { pods, type KubeObject, type Resource } from '../../kube/types.ts';
import type { Log } from '../../log.ts';
import { gatewayName } from '../../model/names.ts';

interface Pod extends KubeObject {
  spec?: { nodeName?: string };
  status?: { podIPs?: { ip: string }[]; conditions?: { type: string; status: string }[] };
}

export interface GatewayPod {
  name: string;
  addresses: string[];
  nodeName: string | undefined;
  isReady: boolean;
  isTerminating: boolean;
}

export interface GatewayPodsDeps {
  client: KubeClient;
  log: Log;
  namespace: string;
  /** one of them is another now */
  changed: () => void;
}

export class GatewayPods {
  readonly #store: ObjectStore<Pod>;
  readonly #reflector: Reflector<Pod>;
  readonly #changed: () => void;
  #told = '';

  constructor({ client, log, namespace, changed }: GatewayPodsDeps) {
    this.#changed = changed;
    this.#store = new ObjectStore<Pod>(() => this.#tell());
    const resource = pods as Resource<Pod>;
    this.#reflector = new Reflector<Pod>({
      client,
      log,
      resource,
      namespace,
      labelSelector: `app=${gatewayName}`,
      sink: this.#store,
      onHealth: () => this.#tell(),
    });
  }

  get reflector(): Pick<Reflector<KubeObject>, 'hasSynced' | 'lastError' | 'refresh' | 'close'> {
    return this.#reflector;
  }

  /** Those that have an address, by name. */
  all(): GatewayPod[] {
    return this.#store
      .all()
      .flatMap((pod): GatewayPod[] => {
        const { metadata, spec, status } = pod;
        const addresses = (status?.podIPs ?? []).map(({ ip }) => ip);
        if (addresses.length === 0 || !isReplica(metadata.name)) return [];
        const isReady = status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True') ?? false;
        const isTerminating = metadata.deletionTimestamp !== undefined;
        return [{ name: metadata.name, addresses, nodeName: spec?.nodeName, isReady, isTerminating }];
      })
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** The kubelet writes a Pod's status for much that is nothing here. */
  #tell(): void {
    if (!this.#reflector.hasSynced) return;
    const now = JSON.stringify(this.all());
    if (now === this.#told) return;
    this.#told = now;
    this.#changed();
  }
}

/** Of the StatefulSet: its name and an ordinal. */
const isReplica = (name: string): boolean => name.startsWith(`${gatewayName}-`) && /^[0-9]+$/.test(name.slice(gatewayName.length + 1));
