/** Which ports of the gateway lead to one service alone: what the controller has put into the status of this cluster's services. */
import { isClusterPort } from '../../model/cluster-service.ts';
import { serviceKey } from '../../model/store.ts';
import type { DistributedService } from '../../model/types.ts';

/**
 * By service (namespace/name). A port that several of them have is nobody's, until the controller has given all but one
 * another: none of them may be taken for another.
 * @param services of the gateway's own cluster
 */
export function clusterPortsOf(services: Iterable<DistributedService>): Map<string, number> {
  const holders = new Map<number, string[]>();
  for (const service of services) {
    const port = service.status?.clusterService?.gatewayPort;
    if (service.spec.expose?.clusterService === undefined || port === undefined || !isClusterPort(port)) continue;
    holders.set(port, [...(holders.get(port) ?? []), serviceKey(service)]);
  }
  return new Map([...holders].flatMap(([port, keys]) => (keys.length === 1 ? [[keys[0]!, port]] : [])));
}
