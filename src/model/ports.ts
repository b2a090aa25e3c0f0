/** Ports of a service's backends, each known by a name: those of `spec.expose.ports`, and that at which a backend tells its role. */
import { isObject } from './json.ts';
import { roleCheckOf } from './read-write.ts';
import type { DistributedServiceSpec } from './types.ts';

export type NamedPort = NonNullable<NonNullable<DistributedServiceSpec['expose']>['ports']>[number];

/** Of one service. */
export const mostPorts = 32;

/**
 * The ports of a service that has several; undefined for every other one, which has one tunnel of each backend, without a name.
 * A name and a port count once, whatever the webhook may have missed.
 */
export function namedPorts(spec: DistributedServiceSpec): readonly NamedPort[] | undefined {
  const ports: unknown = usesPorts(spec) && !roleCheckOf(spec) ? spec.expose?.ports : undefined;
  // Rules look at objects of any shape.
  const listed = (Array.isArray(ports) ? ports.slice(0, mostPorts).filter(isObject) : []) as unknown as NamedPort[];
  const isFirst = ({ name, port }: NamedPort, at: number) =>
    listed.findIndex((other) => other.name === name || (port !== 0 && other.port === port)) === at;
  const found = listed.filter(isFirst);
  return found.length > 0 ? found : undefined;
}

/** Whether users come to a tcp or udp service by ports: `expose.type` may say so, and where it says nothing a host name does not. */
export const usesPorts = ({ serviceType, expose }: Pick<DistributedServiceSpec, 'serviceType' | 'expose'>): boolean =>
  serviceType === 'udp' || (serviceType === 'tcp' && (expose?.type === 'port' || (expose?.domain ?? expose?.subdomain) === undefined));

/** What a port leads to where every backend has the same: `backendPort`, or the port itself; undefined where it goes by a name. */
export const backendPortOf = ({ port, backendPort, backendPortName }: NamedPort): number | undefined =>
  backendPortName === undefined ? (backendPort ?? port) : undefined;

/** Of several, for people: `port 143 (imap)`. */
export const describePort = ({ port, name }: { port: number; name: string }): string => `port ${port} (${name})`;

export const isPortName = (text: unknown): text is string =>
  typeof text === 'string' && text.length <= 15 && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(text);

/** Of the port at which a backend tells its role (read-write.ts). No port of a user's has such a name. */
export const rolePortName = '~role';

const key = 'port';

/** `metadatas` of a proxy, so that the gateway knows to which port of the backend it leads. */
export const portMetadata = (name: string | undefined): Record<string, string> | undefined =>
  name === undefined ? undefined : { [key]: name };

/** The name of the port in a proxy's metadata. It is the client's word: of right form, and no more than that. */
export function portIn(metadata: unknown): string | undefined {
  const name = (metadata as Record<string, unknown> | null | undefined)?.[key];
  return isPortName(name) || name === rolePortName ? name : undefined;
}
