/** `spec.expose.ports`: several ports of one tcp or udp service. Each is a tunnel of every backend, known by the port's name. */
import { isObject } from './json.ts';
import type { DistributedServiceSpec } from './types.ts';

export type NamedPort = NonNullable<NonNullable<DistributedServiceSpec['expose']>['ports']>[number];

/** Of one service. */
export const mostPorts = 32;

/**
 * The ports of a service that has several; undefined for every other one, which has one tunnel of each backend, without a name.
 * A name and a port count once, whatever the webhook may have missed.
 */
export function namedPorts({ serviceType, expose }: DistributedServiceSpec): readonly NamedPort[] | undefined {
  const ports: unknown = serviceType === 'tcp' || serviceType === 'udp' ? expose?.ports : undefined;
  // Rules look at objects of any shape.
  const listed = (Array.isArray(ports) ? ports.slice(0, mostPorts).filter(isObject) : []) as unknown as NamedPort[];
  const isFirst = ({ name, port }: NamedPort, at: number) =>
    listed.findIndex((other) => other.name === name || (port !== 0 && other.port === port)) === at;
  const found = listed.filter(isFirst);
  return found.length > 0 ? found : undefined;
}

/** What a port leads to where every backend has the same: `backendPort`, or the port itself; undefined where it goes by a name. */
export const backendPortOf = ({ port, backendPort, backendPortName }: NamedPort): number | undefined =>
  backendPortName === undefined ? (backendPort ?? port) : undefined;

export const isPortName = (text: unknown): text is string =>
  typeof text === 'string' && text.length <= 15 && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(text);

const key = 'port';

/** `metadatas` of a proxy, so that the gateway knows whose port it is. */
export const portMetadata = (name: string | undefined): Record<string, string> | undefined =>
  name === undefined ? undefined : { [key]: name };

/** The name of the port in a proxy's metadata. It is the client's word: of right form, and no more than that. */
export function portIn(metadata: unknown): string | undefined {
  const name = (metadata as Record<string, unknown> | null | undefined)?.[key];
  return isPortName(name) ? name : undefined;
}

/** Identifies one port of a service among pools of backends. @param service namespace/name */
export const portKey = (service: string, port: string | undefined): string => (port === undefined ? service : `${service}:${port}`);

/** The service of a key, and the name of the port where it has several. */
export function portKeyParts(text: string): [service: string, port: string | undefined] {
  const at = text.indexOf(':');
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}
