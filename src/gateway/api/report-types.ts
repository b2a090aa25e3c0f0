/** What a replica tells people, as JSON: GET /api/summary, /api/services/NAMESPACE/NAME, /api/routes and /api/installation. */
import type { Expiry } from '../../../certs/expiries.ts';

/** Of the requests (http, grpc) or connections (tcp) that users make. */
export interface Traffic {
  /** under way */
  current: number;
  /** of the last 10 to 20 seconds */
  perSecond: number;
  /** seconds, of the last one to two minutes, from a sample; absent where there was no request of late */
  p50?: number;
  p99?: number;
}

export interface ServiceSummary extends Traffic {
  /** namespace/name */
  service: string;
  /** backends that get requests, of those that are registered here */
  up: number;
  /** those of them that do not at each of their ports; absent: none */
  partial?: number;
  registered: number;
  /** backends of the groups of its routes that get requests; absent: it has no routes, or there are none */
  routed?: number;
  /** why users do not get it from this replica */
  unserved?: Unserved;
  /** why users get nobody at one of its ports or routes, though backends are up */
  closed?: Unserved;
}

export interface Unserved {
  reason: string;
  message: string;
}

export interface Summary {
  replica: string;
  services: ServiceSummary[];
  /** how many more there are */
  more?: number;
}

export interface BackendReport extends Traffic {
  /** name of the proxy */
  proxy: string;
  pod: string;
  /** of the Pod, where it is another than the gateway's */
  cluster?: string;
  /** that its tunnel is for, where the service has several */
  port?: string;
  /** of the app: 10.0.1.5:11434 */
  address: string;
  /** of the replica's loopback, where its tunnel ends; absent of an older gateway */
  tunnelPort?: number;
  /** RFC 3339; absent where it was there before the agent of this replica */
  since?: string;
  weight: number;
  /** `starting`: HAProxy does not have it yet */
  state: 'up' | 'down' | 'drain' | 'maint' | 'starting';
  /** HAProxy's word of the last check with the status of its answer: `L7STS 404` */
  check?: string;
  /** why it gets no requests: `GET /health answered 404` */
  reason?: string;
}

/** Who may use a service. */
export type AccessReport =
  | { kind: 'anybody' }
  /** nobody at present */
  | { kind: 'unavailable'; reason: string }
  /** @property clients how many have a credential */
  | { kind: 'bearer' | 'apikey' | 'basic'; clients: number }
  /** @property keys how many public keys of the issuer are known */
  | { kind: 'jwt'; issuer: string; audience: string; rolesClaim: string; keys: number };

export interface RuleReport {
  path: string;
  /** absent: all */
  methods?: string[];
  /** one of these; absent: everybody who may use the service */
  roles?: string[];
}

/** One way by which requests come to a service. */
export interface RouteReport {
  /** host and path (`shop.example.com/v1`), a port (`:5432`), or the server name of TLS (`db.example.com (TLS)`) */
  at: string;
  /** service that has the address, whose access rules hold too */
  entry: string;
  /** its place among the choices at that address, from 1; the last is for all other requests */
  order: number;
  /** headers that a request must have, exactly */
  headers: Record<string, string>;
  /** part of the requests, 0 to 1 */
  share: number;
}

export interface RefusalReport {
  pod: string;
  cluster?: string;
  reason: string;
  message: string;
  /** RFC 3339 */
  at: string;
}

export interface ServiceReport extends ServiceSummary {
  replica: string;
  /** what it is reached at: `llm.example.com/v1`, `tcp port 5432` */
  exposures: string[];
  access: AccessReport;
  rules: RuleReport[];
  limits: { requestsPerSecond?: number; connections?: number };
  algorithm: string;
  backends: BackendReport[];
  /** how many more backends there are */
  more?: number;
  routes: RouteReport[];
  refusals: RefusalReport[];
}

/** One thing that decides about a request. */
export interface TraceStep {
  at: 'frontend' | 'host' | 'path' | 'route' | 'access' | 'rule' | 'limit' | 'pool' | 'backend';
  /** whether the request goes on */
  passes: boolean;
  /** it depends on what cannot be looked at here, such as whether a credential is a good one; it was taken to pass */
  isUnknown?: true;
  text: string;
}

/** Where a request ends. */
export interface TraceEnd {
  /** of the answer; absent: a connection without HTTP, or the app answers */
  status?: number;
  /** namespace/name of the service whose pool it comes to, or that refuses it */
  service?: string;
  text: string;
}

export interface Trace {
  replica: string;
  steps: TraceStep[];
  /** one for each service that the request may be sent to */
  ends: { share: number; steps: TraceStep[]; end: TraceEnd }[];
}

/** Backends of one cluster that this replica has. */
export interface ClusterShare {
  /** absent: the gateway's own, or clients outside any cluster */
  cluster?: string;
  up: number;
  partial?: number;
  registered: number;
}

/** A cluster that has joined this gateway. */
export interface JoinedCluster {
  cluster: string;
  isLinked: boolean;
  /** RFC 3339, when it was last seen; absent: never */
  seen?: string;
  services: number;
  backends: number;
}

/** GET /api/installation: what is not of one service alone. */
export interface InstallationReport {
  replica: string;
  clusters: ClusterShare[];
  /** soonest end first */
  certificates: Expiry[];
  joined: JoinedCluster[];
  /** the last ones, with the service (namespace/name) that they are of */
  refusals: (RefusalReport & { service: string })[];
}

/** Text of haproxy.cfg as each HAProxy of the replica has it; absent: there is none yet. */
export type HaproxyConfigurations = Partial<Record<'users' | 'tunnel', string>>;
