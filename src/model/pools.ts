/**
 * The pools of a service. Users come to each at a port of its own, and its backends are checked, balanced and failed over by
 * themselves: at HAProxy a pool is a service. Most services have one. `expose.ports` makes one for each port, and each leads to
 * another port of the backends; `backends.readWrite` makes one for each role, and both lead to the same port.
 */
import { backendPortOf, namedPorts, rolePortName } from './ports.ts';
import { roleCheckOf, rolePortOf, type Role } from './read-write.ts';
import type { DistributedServiceSpec } from './types.ts';

export interface Pool {
  /** among those of the service; the pool that has none goes by the service's name */
  name: string | undefined;
  /** at which users come; 0: not picked yet; undefined: they come by a host name, or by the routes of other services */
  port: number | undefined;
  /** name of the port of the backends that it leads to (backendPortsOf) */
  backendPort: string | undefined;
  /** that a backend must have to be used; absent: any */
  role?: Role;
}

/** A port of every backend to which the gateway has a tunnel, a proxy of frpc's. */
export interface BackendPort {
  /** undefined: the only one that takes users */
  name: string | undefined;
  /** where every backend has the same */
  port?: number | undefined;
}

/** One at least. */
export function poolsOf(spec: DistributedServiceSpec): readonly Pool[] {
  if (roleCheckOf(spec))
    return [
      { name: undefined, port: rolePortOf(spec, 'primary'), backendPort: undefined, role: 'primary' },
      { name: 'read', port: rolePortOf(spec, 'replica'), backendPort: undefined, role: 'replica' },
    ];
  const ports = namedPorts(spec);
  if (ports) return ports.map(({ name, port }) => ({ name, port, backendPort: name }));
  return [{ name: undefined, port: spec.expose?.port, backendPort: undefined }];
}

/** One at least. The port at which a backend tells its role is among them. */
export function backendPortsOf(spec: DistributedServiceSpec): readonly BackendPort[] {
  const check = roleCheckOf(spec);
  if (check) return [{ name: undefined }, { name: rolePortName, port: check.port }];
  return namedPorts(spec)?.map((port) => ({ name: port.name, port: backendPortOf(port) })) ?? [{ name: undefined }];
}

/** Number of ports of a backend that take users. */
export const servingPorts = (spec: DistributedServiceSpec): number => new Set(poolsOf(spec).map(({ backendPort }) => backendPort)).size;

/** The field that says at which ports users come. */
export const portField = (spec: DistributedServiceSpec): 'spec.expose.port' | 'spec.expose.ports' | 'spec.backends.readWrite' =>
  roleCheckOf(spec) ? 'spec.backends.readWrite' : namedPorts(spec) ? 'spec.expose.ports' : 'spec.expose.port';

/**
 * Identifies one pool of a service, or one port of its backends. It has a colon, so it is no other service's.
 * @param service name, or namespace/name
 */
export const partKey = (service: string, part: string | undefined): string => (part === undefined ? service : `${service}:${part}`);

/** The service of such a key, and the name of the part; undefined where it has the service's own. */
export function splitPartKey(key: string): [service: string, part: string | undefined] {
  const at = key.indexOf(':');
  return at < 0 ? [key, undefined] : [key.slice(0, at), key.slice(at + 1)];
}
