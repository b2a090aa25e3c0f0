/** Lets a Reflector fill a ServiceStore. */
import type { ServiceStore } from '../model/store.ts';
import type { DistributedService } from '../model/types.ts';

export const servicesSink = (store: ServiceStore) => ({
  replace: (services: DistributedService[], version?: string) => store.replace(services, version),
  set: (service: DistributedService) => store.set(service),
  delete: ({ metadata: { namespace = '', name, resourceVersion } }: DistributedService) => store.delete(namespace, name, resourceVersion),
});
