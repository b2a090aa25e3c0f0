/** The view: what HAProxy is to do for users, from all that the agent knows. Pure. */
import { isIP } from 'node:net';
import type { Config } from '../config/schema.ts';
import { endpointId } from '../frp/connector-config.ts';
import type { Conflict } from '../model/claims.ts';
import { exposuresOf, type Exposure } from '../model/exposure.ts';
import { usesGateway } from '../model/gateway.ts';
import { serviceKey } from '../model/store.ts';
import type { DistributedService } from '../model/types.ts';
import { serverName } from './haproxy/names.ts';
import type { Member } from './members.ts';
import type { Access, BackendServer, ServedService, View } from './model.ts';
import type { PodFacts } from './pods.ts';

export interface ViewInput {
  services: Iterable<DistributedService>;
  conflictsOf: (service: DistributedService) => readonly Conflict[];
  members: Iterable<Member>;
  /** @param uid undefined where the Pod is gone */
  podOf: (uid: string) => PodFacts | undefined;
  accessOf: (service: DistributedService) => Access;
  /** PEM of chain and key. @param secret namespace/name */
  certificateOf: (secret: string) => string | undefined;
  config: Config;
}

export function viewOf(input: ViewInput): View {
  const { services, conflictsOf, config } = input;
  const all = [...input.members];
  const members = Map.groupBy(all, ({ service }) => service);
  // HAProxy could not open these.
  const taken = new Set(all.map(({ port }) => port));
  const served = [...services].filter((service) => isServed(service, config) && conflictsOf(service).length === 0);
  return {
    services: served
      .map((service): [string, DistributedService] => [serviceKey(service), service])
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, service]) => servedService(service, members.get(key) ?? [], taken, input)),
  };
}

/** One that is being deleted is out of the traffic at once. */
export const isServed = ({ spec, metadata }: DistributedService, config: Config): boolean =>
  usesGateway(spec, config) && spec.serviceType !== 'udp' && metadata.deletionTimestamp === undefined;

/** Ports that belong to the gateway's own parts, whatever a service says. */
export function isReserved(port: number, { gateway: { reservedPorts, httpPort, httpsPort } }: Config): boolean {
  return reservedPorts.includes(port) || port === httpPort || port === httpsPort;
}

/** Ports that services are exposed at. */
export function claimedPorts(services: Iterable<DistributedService>, config: Config): Set<number> {
  const exposures = [...services].flatMap((service) => (isServed(service, config) ? exposuresOf(service.spec, config.baseDomain) : []));
  return new Set(exposures.flatMap((exposure) => ('port' in exposure ? [exposure.port] : [])));
}

function servedService(
  service: DistributedService,
  members: readonly Member[],
  taken: ReadonlySet<number>,
  input: ViewInput,
): ServedService {
  const { config } = input;
  const isOpen = (exposure: Exposure) => 'host' in exposure || !(isReserved(exposure.port, config) || taken.has(exposure.port));
  const secret = service.spec.expose?.tls?.secretName;
  return {
    service,
    exposures: exposuresOf(service.spec, config.baseDomain).filter(isOpen),
    access: input.accessOf(service),
    certificate: secret === undefined ? undefined : input.certificateOf(`${service.metadata.namespace}/${secret}`),
    backends: members.map((member) => backendOf(service, member, input)).sort((a, b) => (a.name < b.name ? -1 : 1)),
  };
}

function backendOf(service: DistributedService, { name, backendId, port, identity }: Member, { podOf }: ViewInput): BackendServer {
  const server = { name: serverName(serviceKey(service), backendId), port };
  // The Pods of other clusters are not watched.
  if (identity.cluster !== '') return { ...server, weight: 1, isDraining: false, address: `${identity.cluster}/${name}` };
  const pod = podOf(identity.uid);
  const isDraining = !pod?.isReady;
  if (backendId !== identity.uid) {
    const endpoint = endpointOf(service, backendId.slice(0, 12));
    return { ...server, weight: endpoint?.weight ?? 1, isDraining, address: endpoint ? `${endpoint.host}:${endpoint.port}` : backendId };
  }
  const appPort = pod?.ports[service.metadata.name];
  return {
    ...server,
    weight: pod?.weight ?? 1,
    isDraining,
    address: appPort === undefined ? identity.pod : `${pod?.ip ?? identity.pod}:${appPort}`,
  };
}

/**
 * The endpoint of a connector's member. Its id is of an address, so one that is given by name is found only where it is
 * the only one by name: which address a name has, the controller knows.
 */
function endpointOf(service: DistributedService, id: string) {
  const { endpoints = [] } = service.spec.backends;
  const byAddress = endpoints.find(({ host, port }) => isIP(host) !== 0 && endpointId(service, { address: host, port }) === id);
  const named = endpoints.filter(({ host }) => isIP(host) === 0);
  return byAddress ?? (named.length === 1 ? named[0] : undefined);
}
