/**
 * One port for tunnels, links and users' https, for networks that let out nothing but 443. The tunnels' HAProxy has it: it is
 * hardly ever reloaded, and a tunnel lives for days. The ClientHello says who comes, and nothing is decrypted on the way;
 * users are handed on to their HAProxy by a socket, with their address.
 */
import { isCidr } from '../../../net/addresses.ts';
import { alpn } from '../../../link/protocol.ts';
import { sourceKey } from './addresses.ts';

export interface SharedPort {
  /** what the `bind` line says */
  bind: string;
  /** server names of tunnels: those by which sidecars dial the gateway; none where they dial IP addresses */
  names: readonly string[];
  /** path of the socket where the users' HAProxy takes connections of its https port, after a PROXY protocol header */
  users: string;
  /** path of the socket where somebody else takes them while it is away */
  standIn: string;
  /** IP addresses and CIDRs whose connections begin with a PROXY protocol header */
  proxies: readonly string[];
}

/** Where the fallback listener takes users of a shared port, after a PROXY protocol header. */
export const standInSocket = (directory: string, port: number): string => `${directory}/stand-in-${port}.sock`;

interface Limits {
  maxConnections?: number | undefined;
  /** of one address: that have not shown yet what they are, and tunnels */
  maxHandshakes: number;
  maxTunnels: number;
}

/**
 * frpc names the server and no protocol (ALPN), and no server where it dials an IP address; browsers and other clients of
 * https name both. So a user's host may have the name of the gateway, but for a user who names no protocol. Who names no
 * server is no user: their HAProxy refuses them (`strict-sni`).
 * @param links whether there are links
 */
export function sharedPort({ bind, names, users, standIn, proxies }: SharedPort, links: boolean, limits: Limits): string {
  const { maxConnections: most, maxHandshakes, maxTunnels } = limits;
  const networks = proxies.filter(isCidr);
  const own = names.map((name) => name.toLowerCase()).filter((name) => /^[a-z0-9.-]+$/.test(name));
  return `frontend shared
${most === undefined ? '' : `  maxconn ${2 * most}\n`}  bind ${bind}
  timeout client 86400s
${networks.length === 0 ? '' : `  tcp-request connection expect-proxy layer4 if { src ${networks.join(' ')} }\n`}  acl tls req.ssl_hello_type 1
  acl protocol req.ssl_alpn -m found
  acl named req.ssl_sni -m found
${own.length === 0 ? '' : `  acl own req.ssl_sni -i ${own.join(' ')}\n`}  acl link req.ssl_alpn ${alpn}
  acl user var(sess.user) -m found
  tcp-request session set-var(sess.joined) ${sourceKey},table_conn_cur(joined)
  tcp-request session set-var(sess.known) ${sourceKey},table_conn_cur(users)
  tcp-request session track-sc1 ${sourceKey} table sources
  tcp-request session reject if { ${sourceKey},table_conn_cur(sources),sub(sess.joined),sub(sess.known) gt ${maxHandshakes} }
  tcp-request inspect-delay 5s
  tcp-request content reject if !tls WAIT_END
  tcp-request content set-var(sess.user) bool(true) if !link protocol or !link named${own.length === 0 ? '' : ' !own'}
  tcp-request content reject if !user { var(sess.joined) -m int ge ${maxTunnels} }
  tcp-request content track-sc2 ${sourceKey} table users if user
${most === undefined ? '' : `  tcp-request content track-sc0 int(0) table all-users if user\n  tcp-request content reject if user { sc0_conn_cur gt ${most} }\n`}  use_backend users if user
${links ? '  use_backend link if link\n' : '  tcp-request content reject if link\n'}  default_backend tunnels

backend users
  timeout server 86400s
  # The first attempt is bound to the one without weight, and a second one goes to the other.
  retries 3
  option redispatch 1
  use-server here if TRUE
  server here unix@${users} send-proxy-v2 weight 0
  server stand-in unix@${standIn} send-proxy-v2
  stick-table type ipv6 size 100k expire 1s store conn_cur
${most === undefined ? '' : '\nbackend all-users\n  stick-table type integer size 10 expire 1m store conn_cur\n'}
`;
}
