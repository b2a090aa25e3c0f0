/** Lets a Reflector fill a ServiceStore. */
import type { ServiceStore } from '../model/store.ts';
import type { DistributedService } from '../model/types.ts';

export const servicesSink = (store: ServiceStore) => ({
  replace: (services: DistributedService[]) => store.replace(services),
  set: (service: DistributedService) => store.set(service),
  delete: ({ metadata }: DistributedService) => store.delete(metadata.namespace ?? '', metadata.name),
});
