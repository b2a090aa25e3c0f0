/**
 * `port: 0` of a service: the controller picks the port, and says it in the status. Whoever keeps services sees them with
 * that port in the spec, and as long as there is none, with an exposure less.
 */
import { isObject } from './json.ts';
import { poolsOf } from './pools.ts';
import type { DistributedService, DistributedServiceSpec, DistributedServiceStatus } from './types.ts';

/** Above the tunnels' ports, and below those that Linux gives to outgoing connections. */
const first = 30_000;
const last = 32_767;
export const randomPorts = { first, last, count: last - first + 1 } as const;

export type AssignedPort = NonNullable<DistributedServiceStatus['ports']>[number];

/** Names of the pools whose port is to be picked. */
export const randomPortNames = (spec: DistributedServiceSpec): (string | undefined)[] =>
  poolsOf(spec).flatMap(({ name, port }) => (port === 0 ? [name] : []));

const originals = new WeakMap<DistributedService, DistributedService>();

/** The service as its user wrote it. */
export const asWritten = (service: DistributedService): DistributedService => originals.get(service) ?? service;

/** @param assigned what stands in the status is believed where it is in the range */
export function withAssignedPorts(
  service: DistributedService,
  assigned: readonly AssignedPort[] | undefined = service.status?.ports,
): DistributedService {
  const { spec } = service;
  if (!isObject(spec) || !isObject(spec.expose) || randomPortNames(spec).length === 0) return service;
  const valid = (assigned ?? []).filter(({ port }) => port >= first && port <= last);
  const portOf = (wanted: string | undefined) => valid.find(({ name }) => name === wanted)?.port ?? 0;
  const { port, ports } = spec.expose;
  const expose = {
    ...spec.expose,
    ...(port === 0 && { port: portOf(undefined) }),
    ...(ports && { ports: ports.map((each) => (each.port === 0 ? { ...each, port: portOf(each.name) } : each)) }),
  };
  const found = { ...service, spec: { ...spec, expose } };
  originals.set(found, asWritten(service));
  return found;
}
