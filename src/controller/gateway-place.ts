/** Where the gateway of the services is: one that the cluster has joined, or its own, which the controller looks after. */
import type { Config } from '../config/schema.ts';
import type { ObjectStore } from '../kube/object-store.ts';
import type { Secret } from '../kube/types.ts';
import { hasGateway } from '../model/gateway.ts';
import { linkSecretName, replicaSecretName } from '../model/names.ts';

export interface PlaceDeps {
  config: Config;
  /** those that this program made */
  secrets: ObjectStore<Secret>;
}

/** Whether the cluster has joined a gateway elsewhere. */
export const hasJoined = ({ config, secrets }: PlaceDeps): boolean =>
  Object.keys(secrets.get(config.namespace, linkSecretName)?.data ?? {}).length > 0;

/** Whether a namespace for a gateway of its own is to be looked for: it may come at any time. */
export const seeksOwnGateway = (deps: PlaceDeps): boolean => hasGateway(deps.config) && !hasJoined(deps);

/** Whether the gateway is in this cluster: its namespace was there for the first Secret that it needs. */
export const hasOwnGateway = (deps: PlaceDeps): boolean =>
  seeksOwnGateway(deps) && deps.secrets.get(deps.config.gateway.namespace, replicaSecretName) !== undefined;
