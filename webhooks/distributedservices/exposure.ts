/** Rules of `spec.expose`: every service has an address of its kind (G-1, G-2), and none of the frp server's own ports. */
import { clusterPorts, isClusterPort } from '../../src/model/cluster-service.ts';
import { exposuresOf, isRoutedOnly } from '../../src/model/exposure.ts';
import { gatewayReservedPorts, usesGateway } from '../../src/model/gateway.ts';
import { portField } from '../../src/model/pools.ts';
import { unexposable } from './paths.ts';
import { hasPorts } from './ports.ts';
import type { Rule } from './rule.ts';
import type { Subject } from './subject.ts';

const isHttp = ({ serviceType }: Subject): boolean => serviceType === 'http';
const hasServerName = ({ serviceType }: Subject): boolean => serviceType === 'tcp' || serviceType === 'grpc';
const hasHost = ({ expose }: Subject): boolean => expose.domain !== undefined || expose.subdomain !== undefined;
/** The routes of other services may lead to it, so it needs no address of its own. */
const isRouted = ({ spec, config }: Subject): boolean => usesGateway(spec, config) && isRoutedOnly(spec);
/** A port for each of several pools, or one. */
const hasPort = (s: Subject): boolean =>
  s.expose.port !== undefined || hasPorts(s) || (s.serviceType === 'tcp' && Boolean(s.backends.readWrite));

export const exposureRules: readonly Rule[] = [
  {
    id: 'G-1',
    path: 'spec.expose.port',
    states: '`type: port` needs a port',
    broken: (s) => s.expose.type === 'port' && s.serviceType !== 'udp' && !hasPort(s),
    message: 'is required by spec.expose.type "port"; set it to the port on the frp server',
  },
  {
    id: 'G-1',
    path: 'spec.expose.port',
    states: 'a tcp or grpc service has a port or a domain (grpc through the gateway may have neither, for routes of others)',
    broken: (s) => hasServerName(s) && s.expose.type !== 'port' && !hasPort(s) && !hasHost(s) && !isRouted(s),
    message: ({ serviceType }) =>
      `is required: a ${serviceType} service is reached by port, or over TLS by host name; set spec.expose.port, or spec.expose.domain`,
  },
  {
    id: 'G-1',
    path: 'spec.expose.port',
    states: 'a udp service has a port',
    broken: (s) => s.serviceType === 'udp' && !hasPort(s),
    message: 'is required: a udp service is reached by port only; set it to the port on the frp server',
  },
  {
    id: 'G-2',
    path: 'spec.expose.domain',
    states: '`type: domain` needs a domain (http; a subdomain satisfies it too, and the gateway does without, for routes of others)',
    broken: (s) => isHttp(s) && (s.expose.type ?? 'domain') === 'domain' && !hasHost(s) && !isRouted(s),
    message: 'is required by spec.expose.type "domain"; set it to the host name that users ask for, or set spec.expose.subdomain',
  },
  {
    id: 'G-2',
    path: 'spec.expose.subdomain',
    states: '`type: subdomain` needs a subdomain',
    broken: ({ expose }) => expose.type === 'subdomain' && expose.subdomain === undefined,
    message: 'is required by spec.expose.type "subdomain"; set it to a name below the base domain',
  },
  {
    id: 'G-2',
    path: 'spec.expose.domain',
    states: '`type: path` needs a domain or a subdomain (http; the gateway does without, for routes of others)',
    broken: (s) => isHttp(s) && s.expose.type === 'path' && !hasHost(s) && !isRouted(s),
    message: 'is required by spec.expose.type "path": frp routes a path below a host name; set spec.expose.domain or spec.expose.subdomain',
  },
  {
    id: 'G-2',
    path: 'spec.expose.type',
    states: '`type: path` is for http services',
    broken: (s) => !isHttp(s) && s.serviceType !== undefined && s.expose.type === 'path',
    message: ({ serviceType }) => `"path" is for http services; use "port" for a ${serviceType} service`,
  },
  {
    id: 'design',
    path: 'spec.expose.path',
    states: 'one that a request can have',
    broken: ({ expose: { path } }) => typeof path === 'string' && unexposable(path) !== undefined,
    message: ({ expose: { path } }) =>
      `${JSON.stringify(String(path).slice(0, 80))}: no request has such a path: ${unexposable(String(path))}`,
  },
  {
    id: 'R2.12',
    path: 'spec.expose.subdomain',
    states: 'a subdomain needs `baseDomain` in the configuration of the installation',
    broken: ({ expose, config }) => expose.subdomain !== undefined && config.baseDomain === undefined,
    message:
      'needs a base domain to be below: set baseDomain in the frp-k8s configuration, or use spec.expose.domain with the full host name',
  },
  ...(['spec.expose.port', 'spec.expose.ports', 'spec.backends.readWrite'] as const).map((path): Rule => ({
    id: 'design',
    path,
    states: "the server's own ports (configuration `frps.reservedPorts`, `gateway.reservedPorts`) cannot be claimed",
    broken: (s) => reservedPort(s) !== undefined && portField(s.spec) === path,
    message: (s) => reservedMessage(s, reservedPort(s)!),
  })),
];

export const exposureWarnings: readonly Rule[] = [
  {
    id: 'design',
    path: 'spec.expose.port',
    states: 'a port that `type` does not use',
    broken: (s) => s.expose.port !== undefined && !isUsed(s, 'port'),
    message: (s) => `is not used, because spec.expose.type is "${s.expose.type ?? 'domain'}"; set type: port to expose the port`,
  },
  {
    id: 'design',
    path: 'spec.expose.domain',
    states: 'a host name that is not used',
    // An http service must name one even where type is port (R2.31), so it is not warned of.
    broken: (s) => hasHost(s) && !isHttp(s) && !isUsed(s, 'host'),
    message: (s) => (s.serviceType === 'udp' ? 'is not used: udp has no host names' : 'is not used, because spec.expose.type is "port"'),
  },
  {
    id: 'design',
    path: 'spec.expose.domain',
    states: 'a host name of tcp, which only TLS tells',
    broken: (s) => s.serviceType === 'tcp' && exposures(s).some(({ kind }) => kind === 'sni'),
    message:
      'is found by TLS alone: of clients that begin with TLS and name the host. SSH, MySQL and PostgreSQL do not, and are not let through; for them set spec.expose.type: port, and port',
  },
  {
    id: 'design',
    path: 'spec.expose.path',
    states: 'a path of a service that is not http',
    broken: (s) => s.expose.path !== undefined && s.serviceType !== undefined && !isHttp(s) && s.expose.type !== 'path',
    message: ({ serviceType }) => `is not used: a ${serviceType} service has no paths`,
  },
  {
    id: 'design',
    path: 'spec.expose.path',
    states: 'a path that frp matches as a prefix, not by segments',
    broken: (s) => isHttp(s) && s.expose.type !== 'port' && isLoosePrefix(s.expose.path) && !usesGateway(s.spec, s.config),
    message: ({ expose: { path } }) => `frp matches prefixes: "${path}" also matches "${path}foo"; a path that ends in "/" does not`,
  },
];

const isLoosePrefix = (path: unknown): boolean => typeof path === 'string' && path !== '/' && !path.endsWith('/');

const exposures = ({ spec, config, serviceType }: Subject) =>
  serviceType === undefined ? [] : (exposuresOf(spec, config.baseDomain) ?? []);

function isUsed(subject: Subject, what: 'host' | 'port'): boolean {
  const used = exposures(subject);
  // Nothing is used where another rule refuses the exposure; that is no reason to warn.
  return used.length === 0 || used.some((exposure) => what in exposure);
}

function reservedPort(subject: Subject): number | undefined {
  const claimed = exposures(subject).flatMap((exposure) => ('port' in exposure ? [exposure.port] : []));
  const isGateway = usesGateway(subject.spec, subject.config);
  return claimed.find((port) => reservedPorts(subject).includes(port) || (isGateway && isClusterPort(port)));
}

/** Where users of all hosts come in. */
const sharedPorts = ({ spec, config }: Subject): number[] =>
  usesGateway(spec, config) ? [80, 443, config.gateway.httpPort, config.gateway.httpsPort] : [80, 443];

function reservedMessage(subject: Subject, port: number): string {
  const server = usesGateway(subject.spec, subject.config) ? 'gateway' : 'frp server';
  const forCluster = server === 'gateway' ? [`${clusterPorts.first} to ${clusterPorts.last}`] : [];
  const another = `another port (reserved: ${[...reservedPorts(subject), ...forCluster].join(', ')})`;
  if (!sharedPorts(subject).includes(port)) return `${port} is a port of the ${server} itself; choose ${another}`;
  if (portField(subject.spec) === 'spec.backends.readWrite')
    return `${port} is where the ${server} serves all hosts by name; choose ${another}`;
  const byName = subject.serviceType === 'http' ? '' : ', if its clients begin with TLS';
  return `${port} is where the ${server} serves all hosts by name; set spec.expose.domain in place of the port${byName}, or choose ${another}`;
}

const reservedPorts = ({ spec, config }: Subject): number[] =>
  usesGateway(spec, config) ? gatewayReservedPorts(config) : config.frps.reservedPorts;
