/** Containers and ports that service meshes and other injectors add to a Pod. */
import type { CheckedPod, Container, ContainerPort } from './pod.ts';

/** By the names that their injectors give: Istio, Linkerd, Dapr, Consul, Kuma and Kong Mesh, Open Service Mesh, NGINX, App Mesh, Knative. */
const proxies = new Set([
  'istio-proxy',
  'linkerd-proxy',
  'daprd',
  'consul-dataplane',
  'envoy-sidecar',
  'kuma-sidecar',
  'osm-envoy',
  'nginx-mesh-sidecar',
  'aws-appmesh-envoy',
  'queue-proxy',
]);

/** Istio's injector gives it to the proxy also where that is the app, a gateway: it has metrics, and no traffic. */
const metricsPort = 'http-envoy-prom';

const isProxy = ({ name }: Container): boolean => proxies.has(name) || name.startsWith('consul-dataplane-');

/**
 * The ordinary containers without those of a mesh. A Pod that has nothing but a mesh's container, such as a gateway of
 * Istio's, has that as its app.
 */
export function mainContainers({ spec }: CheckedPod): Container[] {
  const own = spec.containers.filter((container) => !isProxy(container));
  return own.length > 0 ? own : spec.containers;
}

/** Ports of all containers that serve, native sidecars of the user's included, without what a mesh adds. */
export const appPorts = (pod: CheckedPod): ContainerPort[] =>
  [
    ...mainContainers(pod),
    ...(pod.spec.initContainers ?? []).filter((container) => container.restartPolicy === 'Always' && !isProxy(container)),
  ]
    .flatMap(({ ports }) => ports ?? [])
    .filter(({ name }) => name !== metricsPort);
