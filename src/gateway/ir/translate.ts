/** The view: what HAProxy is to do for users, from all that the agent knows. Pure. */
import { isDeepStrictEqual } from 'node:util';
import type { Config } from '../../config/schema.ts';
import type { Conflict } from '../../model/claims.ts';
import { isClusterPort } from '../../model/cluster-service.ts';
import { exposuresOf, portField, type Exposure } from '../../model/exposure.ts';
import { gatewayReservedPorts, usesGateway } from '../../model/gateway.ts';
import { portKey } from '../../model/ports.ts';
import type { ProfileName } from '../../model/profiles.ts';
import type { DistributedService } from '../../model/types.ts';
import { usersSecretOf } from '../../model/users-certificate.ts';
import { endpointParts, type Part } from './endpoint-weights.ts';
import { portServicesOf, type PortService } from './port-services.ts';
import { keyOf } from './service-key.ts';
import { serverName } from './server-name.ts';
import type { Member } from '../members/members.ts';
import type { Access, BackendServer, ServedService, View } from './ir.ts';
import type { Identity } from '../pod-identity.ts';
import type { PodFacts } from '../sources/pod-index.ts';

export interface ViewInput {
  services: Iterable<DistributedService>;
  conflictsOf: (service: DistributedService) => readonly Conflict[];
  members: Iterable<Member>;
  /** undefined where the Pod is gone, 'unknown' where nothing is known of the Pods of its cluster */
  podOf: (identity: Identity) => PodFacts | 'unknown' | undefined;
  accessOf: (service: DistributedService) => Access;
  /** PEM of chain and key. @param secret namespace/name */
  certificateOf: (service: DistributedService, secret: string) => string | undefined;
  /** key authorizations by token; absent: there are none */
  challengesOf?: (service: DistributedService) => Readonly<Record<string, string>> | undefined;
  /** ports for ClusterIP Services, by service (cluster-ports.ts) */
  clusterPorts?: ReadonlyMap<string, number>;
  config: Config;
}

/**
 * A service that throws on the way is in `failed`, and the others are there.
 * @param before the last one: what has not changed since is the same value, so whoever remembers by value need not look into it
 */
export function viewOf(input: ViewInput, before?: View): View {
  const all = [...input.members];
  const members = Map.groupBy(all, ({ service, portName }) => portKey(service, portName));
  const joined = new Set(all.map(({ service }) => service));
  // HAProxy could not open these.
  const taken = new Set(all.map(({ port }) => port));
  const known = new Map(before?.services.map((one) => [keyOf(one.service), one]));
  const failed = new Map<string, string>();
  const services = servedOnes(input, (key) => joined.has(key))
    .flatMap(portServicesOf)
    .map((given): [string, PortService] => [keyOf(given.service), given])
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([key, given]): ServedService[] => {
      try {
        return [servedService(given, members.get(key) ?? [], taken, { input, last: known.get(key) })];
      } catch (error) {
        failed.set(key, (error as Error).message);
        return [];
      }
    });
  return { services, failed };
}

/**
 * Services that users are to reach through the gateway: those that have what they claim.
 * @param hasMembers whether a service (namespace/name) has members here
 */
export const servedOnes = (
  { services, conflictsOf, config }: Pick<ViewInput, 'services' | 'conflictsOf' | 'config'>,
  hasMembers: (key: string) => boolean,
): DistributedService[] =>
  [...services].filter((service) => isServed(service, config, hasMembers(keyOf(service))) && conflictsOf(service).length === 0);

/** What is the same value is the same object. */
const kept = <T>(last: T | undefined, next: T): T => (last === next || isDeepStrictEqual(last, next) ? last! : next);

/**
 * One that is being deleted is out of the traffic at once. One that has left the gateway for a plain frp server is served
 * as long as it has members here: its Pods go there when they restart.
 */
export const isServed = ({ spec, metadata }: DistributedService, config: Config, hasMembers: boolean): boolean =>
  (usesGateway(spec, config) || hasMembers) && spec.serviceType !== 'udp' && metadata.deletionTimestamp === undefined;

/** Ports that belong to the gateway's own parts, whatever a service says. */
export const isReserved = (port: number, config: Config): boolean => gatewayReservedPorts(config).includes(port) || isClusterPort(port);

/** Ports that services are exposed at, or may be. */
export function claimedPorts(services: Iterable<DistributedService>, config: Config): Set<number> {
  const exposures = [...services].flatMap((service) =>
    isServed(service, config, true) ? exposuresOf(service.spec, config.baseDomain) : [],
  );
  return new Set(exposures.flatMap((exposure) => ('port' in exposure ? [exposure.port] : [])));
}

/** The service as it was served last: as long as its spec says the same, whatever its status. */
function servedService(
  { whole, service: given }: PortService,
  members: readonly Member[],
  taken: ReadonlySet<number>,
  { input, last }: { input: ViewInput; last: ServedService | undefined },
): ServedService {
  const same = last && isSameIntent(last.service, given) ? last : undefined;
  const service = same?.service ?? given;
  const exposures = same?.exposures ?? exposuresAt(given, input.config);
  refuseTaken(exposures, taken);
  const secret = usersSecretOf(whole.metadata.name, whole.spec);
  const certificate = secret === undefined ? undefined : input.certificateOf(whole, `${whole.metadata.namespace}/${secret}`);
  const access = kept(last?.access, input.accessOf(whole));
  const challenges = kept(last?.challenges, input.challengesOf?.(whole));
  const backends = same ? backendsAgain({ whole, service }, same.backends, members, input) : backendsOf({ whole, service }, members, input);
  // It takes a reload, so it stays while there is nobody to ask.
  const profile = members.length === 0 ? last?.profile : profileOf(members, input);
  const clusterPort = input.clusterPorts?.get(keyOf(service));
  const next = { service, exposures, clusterPort, access, certificate, challenges, backends, profile };
  return same && isSame(same, next) ? same : next;
}

/** @throws Error for a port that HAProxy could not open */
function refuseTaken(exposures: readonly Exposure[], taken: ReadonlySet<number>): void {
  const found = exposures.find((exposure) => 'port' in exposure && taken.has(exposure.port));
  if (found === undefined || !('port' in found)) return;
  throw new Error(
    `${portField(found)}: the tunnel of a backend has port ${found.port}; choose another (the gateway gives tunnels 29999 and the ports below, down to 10005)`,
  );
}

const isSame = (a: ServedService, b: ServedService): boolean =>
  a.access === b.access &&
  a.certificate === b.certificate &&
  a.challenges === b.challenges &&
  a.clusterPort === b.clusterPort &&
  a.backends === b.backends &&
  a.profile === b.profile;

const profileOf = (members: readonly Member[], { podOf }: ViewInput): ProfileName | undefined =>
  members
    .flatMap(({ identity }) => {
      const pod = podOf(identity);
      return pod === 'unknown' ? [] : (pod?.profile ?? []);
    })
    .at(0);

const isSameIntent = (a: DistributedService, b: DistributedService): boolean => a === b || isDeepStrictEqual(a.spec, b.spec);

const exposuresAt = ({ spec }: DistributedService, config: Config): Exposure[] =>
  exposuresOf(spec, config.baseDomain).filter((exposure) => 'host' in exposure || !isReserved(exposure.port, config));

/** What backends of a view were made from, beside their service: members, and what is known of the Pod of each. */
const madeFrom = new WeakMap<ServedService['backends'], readonly unknown[]>();

/** The backends of a service that is what it was. */
function backendsAgain(
  given: PortService,
  backends: ServedService['backends'],
  members: readonly Member[],
  input: ViewInput,
): ServedService['backends'] {
  const before = madeFrom.get(backends);
  const isSame =
    before?.length === 2 * members.length &&
    members.every((member, at) => before[2 * at] === member && before[2 * at + 1] === input.podOf(member.identity));
  if (isSame) return backends;
  const next = backendsOf(given, members, input);
  if (!isDeepStrictEqual(backends, next)) return next;
  madeFrom.set(backends, madeFrom.get(next)!);
  return backends;
}

function backendsOf({ whole, service }: PortService, members: readonly Member[], input: ViewInput): BackendServer[] {
  const isDraining = ({ identity }: Member) => {
    const pod = input.podOf(identity);
    return pod !== 'unknown' && !pod?.isReady;
  };
  const parts = endpointParts(whole, members, isDraining);
  const backends = members
    .map((member): BackendServer => {
      const nameAt = (of: DistributedService) => serverName(keyOf(of), member.backendId);
      const place = keyOf(service) === keyOf(whole) ? {} : { place: nameAt(whole) };
      return {
        name: nameAt(service),
        ...place,
        port: member.port,
        isDraining: isDraining(member),
        ...partOf(service, member, parts.get(member), input),
      };
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  madeFrom.set(
    backends,
    members.flatMap((member) => [member, input.podOf(member.identity)]),
  );
  return backends;
}

function partOf(
  { metadata }: DistributedService,
  { name, backendId, identity }: Member,
  endpoint: Part | undefined,
  { podOf }: ViewInput,
): Part {
  const { cluster, uid, pod: podName } = identity;
  const part = (weight: number, address: string) => ({ weight, address: cluster === '' ? address : `${cluster}/${address}` });
  if (backendId !== uid) return part(endpoint?.weight ?? 1, endpoint?.address ?? backendId);
  const pod = podOf(identity);
  if (pod === 'unknown') return part(1, name);
  const port = pod?.ports[metadata.name];
  return part(pod?.weight ?? 1, port === undefined ? podName : `${pod?.ip ?? podName}:${port}`);
}
