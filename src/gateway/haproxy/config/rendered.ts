/** What is rendered for HAProxy, and the settings of the installation that it depends on. */

/** A configuration as a value: `apply` brings a running HAProxy to it. */
export interface Rendered {
  /** haproxy.cfg, with the servers */
  readonly config: string;
  /** other files by their path from where the configuration is; maps/ and certs/ can be changed in a running HAProxy, the others need a reload */
  files: ReadonlyMap<string, string>;
  /** hash of all that needs a reload when it changes; HAProxy tells it as `description` */
  skeleton: string;
  /** by name of the backend */
  servers: ReadonlyMap<string, readonly Server[]>;
  /** where users come in */
  ports: readonly number[];
  /** why parts of the view are not served or not served as they say, for the log: never with secrets */
  problems: readonly string[];
  /** services (namespace/name) that are left out, and why: HAProxy could not take what they ask for */
  failed: ReadonlyMap<string, string>;
}

/** A server of a backend. */
export interface Server {
  name: string;
  /** on 127.0.0.1 */
  port: number;
  /** where it tells its role, on 127.0.0.1 */
  rolePort?: number | undefined;
  /** 1 to 256 */
  weight: number;
  isDraining: boolean;
  /** how it drains: `maint` where clients that are bound to it must go elsewhere too */
  drainState: 'drain' | 'maint';
  isChecked: boolean;
  /** arguments that cannot change at run time: the same for the `server` line and for `add server` */
  options: string;
}

export interface Peer {
  /** name of the replica */
  name: string;
  /** IP address and port */
  address: string;
}

export interface ReplicaState {
  /** whether users may be sent here: what it needs for them has been there once */
  isReady: boolean;
  /** the way to the backends does not answer: another replica is the better one */
  isStuck: boolean;
}

export interface UsersSettings {
  /** absolute path of the sockets, as HAProxy sees them; files are named from where the configuration is */
  directory: string;
  /** IP addresses that ports are bound to; absent: every one, IPv4 and IPv6 */
  addresses?: readonly string[] | undefined;
  /** whether HAProxy can have IPv6 sockets (addresses.ts); default true */
  hasIpv6?: boolean | undefined;
  httpPort: number;
  httpsPort: number;
  /** whether somebody else has the https port, and brings its connections (SharedPort); default false */
  isHttpsBrought?: boolean | undefined;
  /** port that users are redirected to; default 443 */
  publicHttpsPort?: number | undefined;
  /** IP addresses and CIDRs whose X-Forwarded-* and PROXY protocol headers are believed */
  trustedProxies: readonly string[];
  /** whether connections from trustedProxies begin with a PROXY protocol header */
  proxyProtocol: boolean;
  /** every replica, this one among them; addresses are IP addresses. Empty: no replication */
  peers: readonly Peer[];
  localPeer: string;
  /** certificate, with its key, that replicas show each other, and the authority that issued it; without it this replica knows no others */
  replicaTls?: { identityPem: string; authorityPem: string } | undefined;
  /** where replicas hand requests over to each other; default 10001 */
  failoverPort?: number | undefined;
  /** what the agent tells of this replica, changed without a reload; default: ready, and not stuck */
  state?: ReplicaState | undefined;
  /** where the kubelet asks this process whether it serves; absent: nowhere */
  healthPort?: number | undefined;
  /** of users, of this process; absent: what the file limit allows */
  maxConnections?: number | undefined;
  /** seconds that an old process may go on with its connections after a reload; default 86,400 */
  lingerSeconds?: number | undefined;
  /** address and port (UDP) that is told how long requests take (request-log.ts). Absent: nobody */
  requestLog?: string | undefined;
  /** what it is told of each request of users (request-lines.ts); absent: nothing */
  requestLines?:
    | {
        /** every request, or else those alone that are sampled for a trace */
        all: boolean;
        /** with the query string */
        query: boolean;
        /** part of the requests without a traceparent of their own that are sampled, 0 to 1; absent: there are no traces */
        sampled?: number | undefined;
      }
    | undefined;
}
