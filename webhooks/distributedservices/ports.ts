/** Rules of `spec.expose.ports`: several ports of one tcp or udp service, each known by its name. */
import { usesGateway } from '../../src/model/gateway.ts';
import { isObject, listOf } from '../../src/model/json.ts';
import { usesPorts, type NamedPort } from '../../src/model/ports.ts';
import { randomPortNames } from '../../src/model/random-ports.ts';
import type { Rule } from './rule.ts';
import type { Subject } from './subject.ts';

/** Proxies that a Pod may have at the gateway (src/gateway/admission/plugin-protocol.ts). */
const mostProxies = 512;

const path = 'spec.expose.ports';

export const portsRules: readonly Rule[] = [
  {
    id: 'design',
    path,
    states: 'for tcp and udp services',
    broken: (s) => hasPorts(s) && (s.serviceType === 'http' || s.serviceType === 'grpc'),
    message: ({ serviceType }) =>
      `is for tcp and udp services; ${serviceType === 'http' ? 'set spec.expose.domain' : 'set spec.expose.port or spec.expose.domain'} for a service of type ${serviceType}, or make a service for each port`,
  },
  {
    id: 'design',
    path,
    states: 'not beside `port`',
    broken: (s) => hasPorts(s) && s.expose.port !== undefined,
    message: 'cannot be used with spec.expose.port; list that port here too, and remove the other field',
  },
  {
    id: 'design',
    path,
    states: 'no name and no port twice',
    broken: (s) => repeated(s) !== undefined,
    message: (s) => repeated(s)!,
  },
  {
    id: 'design',
    path,
    states: 'of `backendPort` and `backendPortName` one at most',
    broken: (s) => both(s) !== undefined,
    message: (s) => `port "${both(s)!.name}" has backendPort and backendPortName; remove one of them`,
  },
  {
    id: 'design',
    path,
    states: '`backendPortName` for annotated Pods only',
    broken: (s) => byName(s) !== undefined && !hasOnlyPods(s),
    message: (s) => `port "${byName(s)!.name}" has a backendPortName, which annotated Pods alone have; set backendPort, a number`,
  },
  {
    id: 'design',
    path,
    states: `at most ${mostProxies} tunnels of a connector: endpoints times ports`,
    broken: (s) => hasPorts(s) && tunnels(s) > mostProxies,
    message: (s) =>
      `${portsOf(s).length} ports of ${s.endpoints?.length} endpoints are ${tunnels(s)} tunnels, and ${mostProxies} is the limit; make two services of them`,
  },
  {
    id: 'design',
    path,
    states: 'a port that is 0 says where it leads to',
    broken: (s) => aimless(s) !== undefined,
    message: (s) => `port "${aimless(s)!.name}" is 0, so it needs the port of the backends; set its backendPort`,
  },
  {
    id: 'design',
    path: 'spec.expose.port',
    states: '0 (in `ports` too) only through the gateway',
    broken: (s) => isPicked(s) && !usesGateway(s.spec, s.config),
    message:
      '0 is for the gateway: a plain frp server gives a group another port whenever its last backend has left, and every backend of udp one of its own. Set a port',
  },
  {
    id: 'design',
    path: 'spec.expose.clusterService',
    states: 'of a service with one port',
    broken: (s) => hasPorts(s) && s.expose.clusterService !== undefined,
    message: 'leads to one port; make a service with spec.expose.port for each port that needs a name in the cluster, or remove it',
  },
];

export const portsWarnings: readonly Rule[] = [
  {
    id: 'design',
    path,
    states: 'ports that `type` does not use',
    broken: (s) => s.serviceType === 'tcp' && hasPorts(s) && !usesPorts(s.spec),
    message: (s) => `is not used, because spec.expose.type is "${s.expose.type ?? 'domain'}"; set type: port to expose the ports`,
  },
  {
    id: 'design',
    path: 'spec.backends.discovery.port',
    states: 'not used by a service with several ports',
    broken: (s) => hasPorts(s) && s.discovery?.port !== undefined,
    message: 'is not used: spec.expose.ports says which port of the backends each one leads to (backendPort)',
  },
];

/** Whether a list is there, of whatever it may be. */
export const hasPorts = ({ expose }: Subject): boolean => listOf(expose.ports).length > 0;

/** Of right form, with others left out. */
const portsOf = ({ expose }: Subject): readonly Partial<NamedPort>[] => listOf(expose.ports).filter(isObject);

function repeated(subject: Subject): string | undefined {
  const names = new Set<unknown>();
  const ports = new Map<unknown, unknown>();
  for (const { name, port } of portsOf(subject)) {
    if (names.has(name)) return `two ports have the name "${name}"; give each a name of its own`;
    if (port !== 0 && ports.has(port))
      return `"${String(ports.get(port))}" and "${name}" have the same port ${port}; remove one, or change its port`;
    names.add(name);
    ports.set(port, name);
  }
  return undefined;
}

const aimless = (subject: Subject): Partial<NamedPort> | undefined =>
  portsOf(subject).find(
    ({ port, backendPort, backendPortName }) => port === 0 && backendPort === undefined && backendPortName === undefined,
  );

/** A host name that is used makes the port one that is not, of http as of tcp. */
const isPicked = ({ serviceType, expose, spec }: Subject): boolean =>
  serviceType !== undefined &&
  (expose.type === 'port' || (expose.domain ?? expose.subdomain) === undefined) &&
  randomPortNames(spec).length > 0;

const both = (subject: Subject): Partial<NamedPort> | undefined =>
  portsOf(subject).find(({ backendPort, backendPortName }) => backendPort !== undefined && backendPortName !== undefined);

const byName = (subject: Subject): Partial<NamedPort> | undefined =>
  portsOf(subject).find(({ backendPortName }) => backendPortName !== undefined);

const hasOnlyPods = ({ discovery, endpoints }: Subject): boolean => endpoints === undefined && (discovery?.mode ?? 'auto') === 'auto';

const tunnels = (subject: Subject): number => portsOf(subject).length * (subject.endpoints?.length ?? 0);
