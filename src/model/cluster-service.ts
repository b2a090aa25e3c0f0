/**
 * `spec.expose.clusterService`: the Service by which a cluster reaches one of its DistributedServices. Its traffic goes to a
 * port of the gateway's Pods that is this service's alone, so the Host of a request decides nothing.
 */
import { endsTls } from './users-certificate.ts';
import { exposuresOf } from './exposure.ts';
import type { DistributedService, DistributedServiceSpec } from './types.ts';

/** Ports of the gateway's Pods for it. Linux gives those below 61000 to outgoing connections. */
const first = 61_000;
const last = 65_535;
export const clusterPorts = { first, last, count: last - first + 1 } as const;

export const isClusterPort = (port: number): boolean => port >= first && port <= last;

/** The port of the Service, as Kubernetes has it. */
export interface ServicePort {
  name: string;
  port: number;
  appProtocol?: string;
}

/** Name of the Service; undefined where the service asks for none, or where its own name is none that a Service may have. */
export function clusterServiceName({ metadata, spec }: Pick<DistributedService, 'metadata' | 'spec'>): string | undefined {
  const asked = spec.expose?.clusterService;
  if (asked === undefined) return undefined;
  const name = asked.name ?? metadata.name;
  return isServiceName(name) ? name : undefined;
}

/** RFC 1035, as the API server wants it of Services. */
export const isServiceName = (name: string): boolean => name.length <= 63 && /^[a-z]([-a-z0-9]*[a-z0-9])?$/.test(name);

/**
 * Whether clients speak TLS to the gateway there, with the certificate of `expose.tls`: wherever users cannot do without.
 * An http service without `redirect` is served in clear to users too.
 */
export const clusterPortEndsTls = ({ serviceType, expose }: DistributedServiceSpec): boolean =>
  endsTls({ expose }) && (serviceType !== 'http' || expose?.tls?.redirect === true || expose?.type === 'port');

/** The port that clients of the Service use. Its number is `clusterService.port`, or the port of users, or that of the protocol. */
export function servicePortOf(spec: DistributedServiceSpec, baseDomain: string | undefined): ServicePort {
  const exposures = exposuresOf(spec, baseDomain);
  const protocol = protocolOf(
    spec,
    exposures.some(({ kind }) => kind === 'sni'),
  );
  const own = exposures.find((exposure) => exposure.kind === 'tcp');
  const { port, ...named } = protocol;
  return { ...named, port: spec.expose?.clusterService?.port ?? own?.port ?? port };
}

/** By names and protocols that meshes and Gateway API implementations know. */
function protocolOf(spec: DistributedServiceSpec, isByServerName: boolean): ServicePort {
  if (spec.serviceType === 'tcp') return isByServerName ? { name: 'tls', port: 443 } : { name: 'tcp', port: 80 };
  if (clusterPortEndsTls(spec)) return { name: 'https', appProtocol: 'https', port: 443 };
  if (spec.serviceType === 'http') return { name: 'http', appProtocol: 'http', port: 80 };
  return isByServerName ? { name: 'tls', port: 443 } : { name: 'grpc', appProtocol: 'kubernetes.io/h2c', port: 80 };
}
