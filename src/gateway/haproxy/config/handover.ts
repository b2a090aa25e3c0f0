/**
 * How replicas hand over to each other: at one port, which takes only who shows their certificate. An address proves
 * nothing: it may be somebody else's soon, or be shared. So what is said of a user goes inside TLS, where nobody on the way,
 * such as who has the address of a replica that is gone, can change it: of a request in a header, of a connection (told
 * apart by ALPN) in a PROXY protocol header, whose unique id names the port of users that it came to.
 */
import { endpoint, everyAddress, sourceFor } from './addresses.ts';
import { others, ownIp, replicasBackend, type Replica } from './other-replicas.ts';
import { replicaTlsOptions } from './replica-tls.ts';
import { countedUsers } from './user-connections.ts';
import type { UsersSettings } from './rendered.ts';

export const failoverPort = 10_001;
/** By ALPN: a connection of a user's follows, and no HTTP. */
export const streamsProtocol = 'frp-streams';
/** Leads connections to another replica. */
export const overBackend = 'frp-over';

const streamsSocket = 'handed-streams.sock';
/** A unique id, of what comes from another replica. */
const handed = 'handed';
const proxied = 'proxied';
const decrypted = 'decrypted';

/** Where a connection that somebody else has accepted at a port of users is brought, after a PROXY protocol header. */
export const fallbackSocket = (directory: string, port: number): string => `${directory}/fallback-${port}.sock`;

/** Where what another replica has decrypted comes to a port whose TLS ends here, after a PROXY protocol header. */
export const decryptedSocket = ({ directory }: UsersSettings, port: number): string => `${directory}/decrypted-${port}.sock`;

/** Where the requests of other replicas arrive. */
export const handedSocket = ({ directory }: UsersSettings): string => `${directory}/handed.sock`;

/** The unique id of a connection that is handed over. @param hasHeader whether a PROXY protocol header of a trusted proxy follows, to be believed in its place */
export const streamId = (port: number, hasHeader = false): string => (hasHeader ? `${port}-${proxied}` : `${port}`);

/** The same of one whose TLS has ended. */
export const decryptedId = (port: number): string => `${port}-${decrypted}`;

/**
 * Of a port of users in mode tcp: what another replica sends here is not handed on. Where the port is one of requests, such a
 * connection is a user's, brought while the HAProxy there is away: nobody but the user reads the answers, so what replicas
 * say to each other has no place in them.
 */
export const fromReplicas = (settings: UsersSettings): string[] =>
  others(settings).length === 0 ? [] : [`tcp-request session set-var(sess.handed) bool(true) if { fc_pp_unique_id -m str ${handed} }`];

/** The section that leads connections of other replicas to a port of users. @param endsTls whether some of them have been decrypted */
export function intoPort(port: number, settings: UsersSettings, endsTls = false): string[][] {
  if (others(settings).length === 0) return [];
  const { directory, trustedProxies, proxyProtocol } = settings;
  const socket = fallbackSocket(directory, port);
  const sendHeader = 'send-proxy-v2 proxy-v2-options unique-id';
  const only = (kind: string, server: string) => [
    `use-server ${kind} if { fc_pp_unique_id -m end -- -${kind} }`,
    `server ${kind} ${server} weight 0`,
  ];
  return [
    section(`backend frp-into-${port}`, [
      `server here ${socket} ${sendHeader}`,
      ...(proxyProtocol && trustedProxies.length > 0 ? only(proxied, socket) : []),
      ...(endsTls ? only(decrypted, `${decryptedSocket(settings, port)} ${sendHeader}`) : []),
    ]),
  ];
}

/** The port for replicas, and the ways to it. */
export function handoverSections(settings: UsersSettings): string[][] {
  const { directory, hasIpv6 = true, addresses, failoverPort: port = failoverPort } = settings;
  const replicas = others(settings);
  if (replicas.length === 0) return [];
  const binds = addresses === undefined ? everyAddress(port, hasIpv6) : addresses.map((address) => endpoint(address, port)).join(',');
  return [
    section('frontend frp-handover', [
      `bind ${binds} ${replicaTlsOptions} alpn ${streamsProtocol}`,
      // Of the TLS handshake; what follows has `timeout tunnel`.
      'timeout client 10s',
      ...countedUsers(settings),
      `use_backend frp-handed-streams if { ssl_fc_alpn -m str ${streamsProtocol} }`,
      'default_backend frp-handed-requests',
    ]),
    section('backend frp-handed-requests', [`server here ${handedSocket(settings)}`]),
    section('backend frp-handed-streams', [`server here ${directory}/${streamsSocket}`]),
    section('frontend frp-handed-streams', [
      `bind ${directory}/${streamsSocket} mode 600 accept-proxy`,
      `unique-id-format ${handed}`,
      'use_backend frp-into-%[fc_pp_unique_id,field(1,-)]',
    ]),
    // An answer is wanted, not a connection alone: one that hangs is none to hand over to.
    section(
      `backend ${replicasBackend}`,
      replicas.map(({ name, ip }) => `server ${name} ${endpoint(ip, port)} check inter 1s rise 1 fall 2 ${replicaTlsOptions}`),
    ),
    // HAProxy sends its own header before the handshake: here it is a part of what is sent.
    section(
      `backend ${overBackend}`,
      replicas.map(
        (replica) => `server ${replica.name} ${socketTo(replica, settings)} send-proxy-v2 proxy-v2-options unique-id${tracking(replica)}`,
      ),
    ),
    ...replicas.map((replica) =>
      section(`listen frp-to-${replica.name}`, [
        `bind ${socketTo(replica, settings)} mode 600`,
        `server ${replica.name} ${wayTo(replica, settings)} alpn ${streamsProtocol}${tracking(replica)}`,
      ]),
    ),
  ];
}

/** Address and options of a server that leads to its port. */
export function wayTo({ ip }: Replica, settings: UsersSettings): string {
  const own = ownIp(settings);
  const source = own === undefined ? undefined : sourceFor(ip, [own]);
  return `${endpoint(ip, settings.failoverPort ?? failoverPort)} ${replicaTlsOptions}${source === undefined ? '' : ` source ${source}`}`;
}

const socketTo = ({ name }: Replica, { directory }: UsersSettings): string => `${directory}/to-${name}.sock`;

/** Option of a server: it is there as long as the checks of the replica succeed. */
export const tracking = ({ name }: Replica): string => ` track ${replicasBackend}/${name}`;

const section = (head: string, lines: readonly string[]): string[] => [head, '  mode tcp', ...lines.map((line) => `  ${line}`)];
