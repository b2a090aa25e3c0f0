/** What the controller follows of a gateway in this cluster: its namespace while one may come, its Service for users once it is there. */
import type { Entrance } from './backends/entrance.ts';
import { hasOwnGateway, seeksOwnGateway } from './gateway-place.ts';
import type { GatewayCopiesDeps } from './gateway-secrets/copies.ts';
import { ensureReplicaIdentity } from './gateway-secrets/replica-identity.ts';
import type { SecretWatches } from './secret-watches.ts';

export interface OwnGatewayDeps extends GatewayCopiesDeps {
  secretWatches: SecretWatches;
  entrance: Pick<Entrance, 'followGateway'>;
  /** the gateway has come, or goes no more by this cluster */
  changed: () => void;
}

export class OwnGateway {
  readonly #deps: OwnGatewayDeps;
  #wasHere = false;

  constructor(deps: OwnGatewayDeps) {
    this.#deps = deps;
  }

  /** Whether it is in this cluster. */
  get isHere(): boolean {
    return hasOwnGateway(this.#deps);
  }

  /** Looks for it unless the cluster has joined another one. Resolves once its Secrets are known, or known to be forbidden. */
  async seek(signal: AbortSignal): Promise<void> {
    const { config, secretWatches, services } = this.#deps;
    if (seeksOwnGateway(this.#deps)) await secretWatches.followGateway(signal);
    else secretWatches.leaveGateway(services.names(config.gateway.namespace).length > 0);
  }

  /**
   * Makes what its replicas know each other by, which shows whether it is here.
   * @returns when to look again, milliseconds since the epoch @throws KubeError: try again later
   */
  async ensure(): Promise<number> {
    const { entrance, changed } = this.#deps;
    const again = await ensureReplicaIdentity(this.#deps);
    const { isHere } = this;
    entrance.followGateway(isHere);
    if (isHere !== this.#wasHere) changed();
    this.#wasHere = isHere;
    return again;
  }
}
