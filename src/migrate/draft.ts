/** What a proxy becomes before its backends are known: a service without its place in a group. */
import type { DistributedServiceSpec } from '../model/types.ts';
import type { Notes } from './findings.ts';

/** What a migration is asked to assume. */
export interface Assumptions {
  /** namespace of the services; undefined: none is written */
  namespace: string | undefined;
  /** frps' subDomainHost */
  baseDomain: string | undefined;
  /** where Pods reach the machine that frpc ran on, so that what it serves itself becomes endpoints */
  localHost: string | undefined;
}

export interface Address {
  host: string;
  port: number;
}

export type Spec = Omit<DistributedServiceSpec, 'backends'>;

export interface ClientPart {
  file: string;
  /** the server, as text: groups are of one server */
  server: string;
  /** of every service of the file; a proxy's own goes before it */
  advanced: NonNullable<Spec['advanced']>;
}

export interface Draft {
  /** the proxy's name, for people */
  proxy: string;
  /** of several that are one service (several-ports.ts): all of their names, and the port of the app for each */
  proxies?: readonly string[];
  appPorts?: readonly number[];
  /** what the service is called, if the name is free */
  name: string;
  /** of frp: members of one group are backends of one service */
  group: string | undefined;
  /** one for each host and path, or port */
  specs: Spec[];
  target: Address;
  /** where and how its file says to reach the server */
  client: ClientPart;
  notes: Notes;
}

/** A proxy that becomes no service, and why. */
export interface Unserved {
  proxy: string;
  notes: Notes;
}
