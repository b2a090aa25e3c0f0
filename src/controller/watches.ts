/** What the controller follows from the beginning. */
import { Reflector, type Sink } from '../kube/reflector.ts';
import { servicesSink } from '../kube/services-sink.ts';
import { distributedServices, pods, type KubeObject } from '../kube/types.ts';
import { label } from '../model/names.ts';
import type { ServiceStore } from '../model/store.ts';
import type { ControllerDeps } from './controller-deps.ts';
import type { SecretWatches } from './secret-watches.ts';

export type Watch = Pick<Reflector<KubeObject>, 'synced' | 'lastError' | 'refresh' | 'close'>;

/** The last one is that of Pods with a sidecar. */
export function openWatches(
  { client, log, config, ownNamespaceOnly }: ControllerDeps,
  given: { services: ServiceStore; secrets: SecretWatches; pods: Sink<KubeObject> },
): Watch[] {
  const only = ownNamespaceOnly ? { namespace: config.namespace } : {};
  const common = { client, log, ...only };
  return [
    new Reflector({ ...common, resource: distributedServices, sink: servicesSink(given.services) }),
    ...given.secrets.open(only.namespace),
    new Reflector({ ...common, resource: pods, labelSelector: `${label.sidecar}=injected`, sink: given.pods }),
  ];
}
