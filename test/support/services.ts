/** DistributedServices for tests. */
import type { DistributedService, DistributedServiceSpec } from '../../src/model/types.ts';
import { ServiceStore } from '../../src/model/store.ts';

export function service(name: string, spec: Partial<DistributedServiceSpec> = {}, namespace = 'shop'): DistributedService {
  return {
    apiVersion: 'frp.io/v1beta1',
    kind: 'DistributedService',
    metadata: { name, namespace },
    spec: {
      serviceType: 'http',
      backends: { discovery: { mode: 'auto' } },
      expose: { type: 'domain', domain: `${name}.example.com` },
      ...spec,
    },
  };
}

export function storeOf(...services: DistributedService[]): ServiceStore {
  const store = new ServiceStore();
  store.replace(services);
  return store;
}
