/** The view: what HAProxy is to do for users, from all that the agent knows. Pure. */
import { isDeepStrictEqual } from 'node:util';
import type { Config } from '../../config/schema.ts';
import type { Conflict } from '../../model/claims.ts';
import { isClusterPort } from '../../model/cluster-service.ts';
import { exposuresOf, type Exposure } from '../../model/exposure.ts';
import { gatewayReservedPorts, usesGateway } from '../../model/gateway.ts';
import { partKey, portField } from '../../model/pools.ts';
import { rolePortName } from '../../model/ports.ts';
import type { ProfileName } from '../../model/profiles.ts';
import type { DistributedService } from '../../model/types.ts';
import { usersSecretOf } from '../../model/users-certificate.ts';
import { endpointParts, type Part } from './endpoint-weights.ts';
import { exposuresOfPool, servicePoolsOf, type ServicePool } from './pools.ts';
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
  const byPort = Map.groupBy(all, ({ service, portName }) => partKey(service, portName));
  const joined = new Set(all.map(({ service }) => service));
  // HAProxy could not open these.
  const taken = new Set(all.map(({ port }) => port));
  const known = new Map(before?.services.map((one) => [keyOf(one.service), one]));
  const failed = new Map<string, string>();
  const services = servedOnes(input, (key) => joined.has(key))
    .flatMap(servicePoolsOf)
    .map((pool): [string, ServicePool] => [keyOf(pool.service), pool])
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([key, pool]): ServedService[] => {
      try {
        return [servedService(pool, tunnelsOf(pool, byPort), taken, { input, last: known.get(key) })];
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
  pool: ServicePool,
  tunnels: Tunnels,
  taken: ReadonlySet<number>,
  { input, last }: { input: ViewInput; last: ServedService | undefined },
): ServedService {
  const { owner, role } = pool;
  const same = last && isSameIntent(last.service, pool.service) ? last : undefined;
  const service = same?.service ?? pool.service;
  const exposures = same?.exposures ?? exposuresAt(pool, input.config);
  refuseTaken(exposures, taken, owner);
  const secret = usersSecretOf(owner.metadata.name, owner.spec);
  const certificate = secret === undefined ? undefined : input.certificateOf(owner, `${owner.metadata.namespace}/${secret}`);
  const access = kept(last?.access, input.accessOf(owner));
  const challenges = kept(last?.challenges, input.challengesOf?.(owner));
  const backends = same ? backendsAgain(pool, same.backends, tunnels, input) : backendsOf(pool, tunnels, input);
  // It takes a reload, so it stays while there is nobody to ask.
  const profile = tunnels.users.length === 0 ? last?.profile : profileOf(tunnels.users, input);
  const clusterPort = input.clusterPorts?.get(keyOf(service));
  const next = { service, role, exposures, clusterPort, access, certificate, challenges, backends, profile };
  return same && isSame(same, next) ? same : next;
}

/** @throws Error for a port that HAProxy could not open */
function refuseTaken(exposures: readonly Exposure[], taken: ReadonlySet<number>, { spec }: DistributedService): void {
  const found = exposures.find((exposure) => 'port' in exposure && taken.has(exposure.port));
  if (found === undefined || !('port' in found)) return;
  throw new Error(
    `${portField(spec)}: the tunnel of a backend has port ${found.port}; choose another (the gateway gives tunnels 29999 and the ports below, down to 10005)`,
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

const exposuresAt = (pool: ServicePool, config: Config): Exposure[] =>
  exposuresOfPool(pool, config.baseDomain).filter((exposure) => 'host' in exposure || !isReserved(exposure.port, config));

/** Of the backends of a pool. */
interface Tunnels {
  /** to the port that users are sent to: a member of the pool each */
  users: readonly Member[];
  /** to where they tell their role, of a pool with a role */
  roles: readonly Member[];
}

/** @param byPort tunnels by service and port of the backends (partKey) */
function tunnelsOf({ owner, backendPort, role }: ServicePool, byPort: ReadonlyMap<string, readonly Member[]>): Tunnels {
  const to = (name: string | undefined) => byPort.get(partKey(keyOf(owner), name)) ?? [];
  return { users: to(backendPort), roles: role === undefined ? [] : to(rolePortName) };
}

/** What backends of a view were made from, beside their service: tunnels, and what is known of the Pod of each. */
const madeFrom = new WeakMap<ServedService['backends'], readonly unknown[]>();

/** The backends of a pool that is what it was. */
function backendsAgain(
  pool: ServicePool,
  backends: ServedService['backends'],
  tunnels: Tunnels,
  input: ViewInput,
): ServedService['backends'] {
  const before = madeFrom.get(backends);
  const members = [...tunnels.users, ...tunnels.roles];
  const isSame =
    before?.length === 2 * members.length &&
    members.every((member, at) => before[2 * at] === member && before[2 * at + 1] === input.podOf(member.identity));
  if (isSame) return backends;
  const next = backendsOf(pool, tunnels, input);
  if (!isDeepStrictEqual(backends, next)) return next;
  madeFrom.set(backends, madeFrom.get(next)!);
  return backends;
}

function backendsOf(pool: ServicePool, { users, roles }: Tunnels, input: ViewInput): BackendServer[] {
  const isDraining = ({ identity }: Member) => {
    const pod = input.podOf(identity);
    return pod !== 'unknown' && !pod?.isReady;
  };
  const parts = endpointParts(pool.owner, users, isDraining);
  const rolePorts = new Map(roles.map(({ backendId, port }) => [backendId, port]));
  const backends = users
    .map((member): BackendServer => {
      const nameIn = (of: DistributedService) => serverName(keyOf(of), member.backendId);
      const rolePort = rolePorts.get(member.backendId);
      return {
        name: nameIn(pool.service),
        ...(pool.name !== undefined && { place: nameIn(pool.owner) }),
        port: member.port,
        ...(rolePort !== undefined && { rolePort }),
        isDraining: isDraining(member),
        ...partOf(pool, member, parts.get(member), input),
      };
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  madeFrom.set(
    backends,
    [...users, ...roles].flatMap((member) => [member, input.podOf(member.identity)]),
  );
  return backends;
}

function partOf(
  { owner, backendPort }: ServicePool,
  { name, backendId, identity }: Member,
  endpoint: Part | undefined,
  { podOf }: ViewInput,
): Part {
  const { cluster, uid, pod: podName } = identity;
  const part = (weight: number, address: string) => ({ weight, address: cluster === '' ? address : `${cluster}/${address}` });
  if (backendId !== uid) return part(endpoint?.weight ?? 1, endpoint?.address ?? backendId);
  const pod = podOf(identity);
  if (pod === 'unknown') return part(1, name);
  const port = pod?.ports[partKey(owner.metadata.name, backendPort)];
  return part(pod?.weight ?? 1, port === undefined ? podName : `${pod?.ip ?? podName}:${port}`);
}
