/** Which port of the Pod a group's traffic goes to: annotation, then the service, then the Pod's only port. */
import type { LocalMember } from '../../src/frp/client-config.ts';
import { annotation as names } from '../../src/model/names.ts';
import { backendPortOf, namedPorts, type NamedPort } from '../../src/model/ports.ts';
import type { DistributedService } from '../../src/model/types.ts';
import type { PodAnnotations } from './annotations.ts';
import { appPorts } from './meshes.ts';
import type { CheckedPod, ContainerPort } from './pod.ts';
import { Denial } from './reasons.ts';
import { groupsIn } from './sidecar.ts';

/** @throws Denial MissingPort or InvalidAnnotation, with what to add */
export function memberOf(pod: CheckedPod, service: DistributedService, annotations: PodAnnotations): LocalMember {
  const ports = namedPorts(service.spec);
  if (ports === undefined) return { service, localPort: portOf(pod, service, annotations) };
  const group = service.metadata.name;
  if (annotations.ports.has(group))
    throw new Denial(
      'InvalidAnnotation',
      `annotation ${names.portOf}${group}: is not used, because DistributedService "${group}" has several ports, and says of each which port of the Pod it leads to; remove it, and set backendPort in spec.expose.ports`,
    );
  const local = ports.map((port): [string, number] => [port.name, backendPortOf(port) ?? containerPort(pod, service, port)]);
  return { service, localPort: local[0]![1], localPorts: Object.fromEntries(local) };
}

function containerPort(pod: CheckedPod, service: DistributedService, { name, backendPortName = '' }: NamedPort): number {
  const ports = appPorts(pod);
  const named = ports.filter((port) => port.name === backendPortName);
  const found = named.find(({ protocol }) => (protocol ?? 'TCP') === protocolOf(service))?.containerPort;
  if (found !== undefined) return found;
  throw new Denial(
    'MissingPort',
    `group "${service.metadata.name}": port "${name}" leads to ${backendPortName}, and ${missing(named[0], ports, service)}; ` +
      'name the port of a container so, or set backendPort, which is a number, in spec.expose.ports of the DistributedService',
  );
}

/** @throws Denial MissingPort or InvalidAnnotation, with what to add */
export function portOf(pod: CheckedPod, service: DistributedService, annotations: PodAnnotations): number {
  const group = service.metadata.name;
  const own = annotations.ports.get(group);
  const wanted = own ?? annotations[names.port];
  const ports = appPorts(pod);
  if (wanted !== undefined) return resolve(own === undefined ? names.port : names.portOf + group, wanted, ports, service);
  const discovered = service.spec.backends.discovery?.port;
  if (discovered !== undefined) return discovered;
  const candidates = new Set(
    ports.filter(({ protocol }) => (protocol ?? 'TCP') === protocolOf(service)).map(({ containerPort }) => containerPort),
  );
  const found = portFound(pod, group);
  if (found !== undefined && candidates.has(found)) return found;
  const [only, ...others] = candidates;
  if (only !== undefined && others.length === 0) return only;
  throw new Denial(
    'MissingPort',
    `group "${group}": cannot tell which port of the Pod to use: ${candidates.size === 0 ? 'its containers declare none' : `its containers declare ${describe(ports)}`}; ` +
      `add the annotation ${names.port} (a number or the name of a container port), or set spec.backends.discovery.port of DistributedService "${group}"`,
  );
}

/**
 * The port that an earlier call found, from the sidecar that it added. Another injector may have added containers with
 * ports since then, and the API server calls again (reinvocationPolicy).
 */
function portFound({ spec }: CheckedPod, group: string): number | undefined {
  const found = (spec.initContainers ?? []).map((container) => groupsIn(container).get(group)).find((port) => port !== undefined);
  return Number.isInteger(found) ? found : undefined;
}

function resolve(key: string, wanted: string, ports: readonly ContainerPort[], service: DistributedService): number {
  if (/^[0-9]+$/.test(wanted)) return Number(wanted);
  const named = ports.filter(({ name }) => name === wanted);
  const port = named.find(({ protocol }) => (protocol ?? 'TCP') === protocolOf(service));
  if (port?.containerPort !== undefined) return port.containerPort;
  throw new Denial('InvalidAnnotation', `annotation ${key}: invalid value ${JSON.stringify(wanted)}: ${missing(named[0], ports, service)}`);
}

/** @param other a port of the name that was looked for, for another protocol */
const missing = (other: ContainerPort | undefined, ports: readonly ContainerPort[], service: DistributedService): string =>
  other
    ? `it is a port for ${other.protocol ?? 'TCP'}, and DistributedService "${service.metadata.name}" (${service.spec.serviceType}) needs one for ${protocolOf(service)}`
    : `no container of the Pod has a port of that name (${ports.length === 0 ? 'no port is declared' : `declared: ${describe(ports)}`})`;

const protocolOf = ({ spec }: DistributedService): string => (spec.serviceType === 'udp' ? 'UDP' : 'TCP');

const describe = (ports: readonly ContainerPort[]): string =>
  ports
    .slice(0, 20)
    .map(({ name, containerPort }) => (name === undefined ? String(containerPort) : `${name} (${containerPort})`))
    .join(', ') + (ports.length > 20 ? `, and ${ports.length - 20} more` : '');
