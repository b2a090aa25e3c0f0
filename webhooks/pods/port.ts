/** Which port of the Pod a group's traffic goes to: annotation, then the service, then the Pod's only port. */
import { annotation as names } from '../../src/model/names.ts';
import type { DistributedService } from '../../src/model/types.ts';
import type { PodAnnotations } from './annotations.ts';
import type { CheckedPod, ContainerPort } from './pod.ts';
import { Denial } from './reasons.ts';

/** @throws Denial MissingPort or InvalidAnnotation, with what to add */
export function portOf(pod: CheckedPod, service: DistributedService, annotations: PodAnnotations): number {
  const group = service.metadata.name;
  const own = annotations.ports[group];
  const wanted = own ?? annotations[names.port];
  const ports = containerPorts(pod);
  if (wanted !== undefined) return resolve(own === undefined ? names.port : names.portOf + group, wanted, ports, protocolOf(service));
  const discovered = service.spec.backends.discovery?.port;
  if (discovered !== undefined) return discovered;
  const candidates = new Set(
    ports.filter(({ protocol }) => (protocol ?? 'TCP') === protocolOf(service)).map(({ containerPort }) => containerPort),
  );
  const [only, ...others] = candidates;
  if (only !== undefined && others.length === 0) return only;
  throw new Denial(
    'MissingPort',
    `group "${group}": cannot tell which port of the Pod to use: ${candidates.size === 0 ? 'its containers declare none' : `its containers declare ${describe(ports)}`}; ` +
      `add the annotation ${names.port} (a number or the name of a container port), or set spec.backends.discovery.port of DistributedService "${group}"`,
  );
}

function resolve(key: string, wanted: string, ports: readonly ContainerPort[], protocol: string): number {
  if (/^[0-9]+$/.test(wanted)) return Number(wanted);
  const named = ports.filter(({ name }) => name === wanted);
  const port = named.find((candidate) => (candidate.protocol ?? 'TCP') === protocol) ?? named[0];
  if (port?.containerPort !== undefined) return port.containerPort;
  throw new Denial(
    'InvalidAnnotation',
    `annotation ${key}: invalid value ${JSON.stringify(wanted)}: no container of the Pod has a port of that name ` +
      `(${ports.length === 0 ? 'no port is declared' : `declared: ${describe(ports)}`})`,
  );
}

const protocolOf = ({ spec }: DistributedService): string => (spec.serviceType === 'udp' ? 'UDP' : 'TCP');

/** Ports of the containers, native sidecars of the user's included. */
function containerPorts({ spec }: CheckedPod): ContainerPort[] {
  const sidecars = (spec.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always');
  return [...spec.containers, ...sidecars].flatMap(({ ports }) => ports ?? []);
}

const describe = (ports: readonly ContainerPort[]): string =>
  ports.map(({ name, containerPort }) => (name === undefined ? String(containerPort) : `${name} (${containerPort})`)).join(', ');
