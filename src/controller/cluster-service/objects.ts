/** What `spec.expose.clusterService` comes to: a Service without a selector, and an EndpointSlice for each family of addresses. */
import { isIPv6 } from 'node:net';
import type { ClusterService, EndpointSlice, Metadata } from '../../kube/types.ts';
import type { ServicePort } from '../../model/cluster-service.ts';
import { label, manager } from '../../model/names.ts';
import type { DistributedService } from '../../model/types.ts';
import { ownerReference } from '../ownership.ts';
import type { GatewayPod } from './gateway-pods.ts';

const component = 'cluster-service';
/** Selects these objects of every service. */
export const clusterServiceSelector = `${label.managedBy}=${manager},${label.component}=${component}`;

const metadataOf = (service: DistributedService, name: string, labels: Record<string, string> = {}): Metadata => ({
  name,
  namespace: service.metadata.namespace ?? '',
  labels: {
    [label.managedBy]: manager,
    [label.component]: component,
    ...labels,
  },
  ownerReferences: [ownerReference(service)],
});

export const serviceOf = (service: DistributedService, name: string, port: ServicePort, gatewayPort: number): ClusterService => ({
  metadata: metadataOf(service, name),
  spec: {
    type: 'ClusterIP',
    ipFamilyPolicy: 'PreferDualStack',
    ports: [{ ...port, protocol: 'TCP', targetPort: gatewayPort }],
  },
});

const families = ['IPv4', 'IPv6'] as const;

const sliceName = (name: string, family: string): string => `${name}-frp-${family.toLowerCase()}`;

/** Of the families that the gateway has addresses of. @param isServed the gateway has the service at all */
export function slicesOf(
  service: DistributedService,
  name: string,
  { port, gatewayPort, pods, isServed }: { port: ServicePort; gatewayPort: number; pods: readonly GatewayPod[]; isServed: boolean },
): EndpointSlice[] {
  const { port: _, ...named } = port;
  return families.flatMap((family): EndpointSlice[] => {
    const endpoints = pods.flatMap(({ addresses, nodeName, isReady, isTerminating }) =>
      addresses
        .filter((address) => isIPv6(address) === (family === 'IPv6'))
        .slice(0, 1)
        .map((address) => ({
          addresses: [address],
          conditions: { ready: isServed && isReady && !isTerminating, serving: isServed && isReady, terminating: isTerminating },
          ...(nodeName !== undefined && { nodeName }),
        })),
    );
    if (endpoints.length === 0) return [];
    const labels = { 'kubernetes.io/service-name': name, 'endpointslice.kubernetes.io/managed-by': `${manager}.frp.io` };
    return [
      {
        metadata: metadataOf(service, sliceName(name, family), labels),
        addressType: family,
        endpoints,
        ports: [{ ...named, port: gatewayPort, protocol: 'TCP' }],
      },
    ];
  });
}
