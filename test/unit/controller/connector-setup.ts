/** What tests of connectors begin with. */
import { setTimeout as wait } from 'node:timers/promises';
import type { Connectors } from '../../../src/controller/connectors/connectors.ts';
import type { KubeObject } from '../../../src/kube/types.ts';
import type { DistributedService } from '../../../src/model/types.ts';
import { ApiServer } from '../kube/api-server.ts';

/** An API server that knows its own addresses, which connectors are kept from: 10.96.0.1 and 192.0.2.7. */
export async function startApiServer(): Promise<ApiServer> {
  const api = await ApiServer.start();
  const metadata = { name: 'kubernetes', namespace: 'default' };
  api.put('/api/v1/namespaces/default/services/kubernetes', { metadata, spec: { clusterIPs: ['10.96.0.1'] } } as KubeObject);
  api.put('/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes', {
    metadata: { ...metadata },
    endpoints: [{ addresses: ['192.0.2.7'] }],
  } as KubeObject);
  return api;
}

/** As the controller's queue does: tried again until the watches have their lists. */
export async function reconciled(
  connectors: Connectors,
  service: DistributedService,
  isRefused = false,
): ReturnType<Connectors['reconcile']> {
  for (;;) {
    try {
      return await connectors.reconcile(service, isRefused);
    } catch (error) {
      if (!/not known yet/.test((error as Error).message)) throw error;
      await wait(5);
    }
  }
}
