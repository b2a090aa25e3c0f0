/**
 * The values that the gateway's agent works with. Data flows one way: watches and frps' plugin calls make a `View`, the
 * view is rendered (haproxy/), what was rendered is applied (apply-loop.ts).
 */
import type { DistributedService } from '../../model/types.ts';
import type { Exposure } from '../../model/exposure.ts';
import type { ProfileName } from '../../model/profiles.ts';
import type { Role } from '../../model/read-write.ts';
import type { JwtKey } from '../oidc/key-source.ts';

export type { JwtKey };

/** Everything that HAProxy is to do for users, as a value. */
export interface View {
  /** in the order of namespace/name; services that lost their claims are not here */
  services: readonly ServedService[];
  /** services (namespace/name) whose intent could not be made out, and why; they are not among the others */
  failed?: ReadonlyMap<string, string>;
}

export interface ServedService {
  /** a pool of it, where its backends have roles (pools.ts) */
  service: DistributedService;
  /** that its servers must have to be used; absent: any */
  role?: Role | undefined;
  /** what it may have (claims.ts); empty for one that is reached by the routes of others only */
  exposures: readonly Exposure[];
  /** who may use it; `unavailable` where a Secret is not there or cannot be read: then nobody may (503, with the reason in the log) */
  access: Access;
  /** PEM of certificate chain and key for its hosts (spec.expose.tls) */
  certificate: string | undefined;
  /** what ACME servers are answered for its hosts: key authorizations by token */
  challenges?: Readonly<Record<string, string>> | undefined;
  backends: readonly BackendServer[];
  /** of its Pods, or those that it had last */
  profile?: ProfileName | undefined;
  /** where its ClusterIP Service leads to (spec.expose.clusterService); absent: nowhere */
  clusterPort?: number | undefined;
}

export type Access =
  | { kind: 'none' }
  | { kind: 'unavailable'; reason: string }
  /** SHA-256, in lower-case hex, of each accepted credential (of basic, user:password) → the client's name ("token" for type token) */
  | { kind: 'keys'; header: 'bearer' | 'apikey' | 'basic'; clients: Readonly<Record<string, string>> }
  | { kind: 'jwt'; issuer: string; audience: string; rolesClaim: string; keys: readonly JwtKey[] };

/** One member of a group, reached through its tunnel at a port of frps on loopback. */
export interface BackendServer {
  /** the same on every replica of the gateway: `s-` and 16 hex digits of SHA-256 of service key and backend id (proxy-names.ts) */
  name: string;
  /** what its place among the others follows from (ip-hash), the same in every pool of a service; default: its name */
  place?: string;
  /** port on 127.0.0.1 */
  port: number;
  /** port on 127.0.0.1 at which it tells its role; absent: it does not */
  rolePort?: number;
  /** as the user gave it: annotation frp.io/weight or the endpoint's; default 1 */
  weight: number;
  /** no new requests: its Pod is being deleted or not ready */
  isDraining: boolean;
  /** address and port of the app, for metrics: 10.0.1.5:11434 */
  address: string;
}
