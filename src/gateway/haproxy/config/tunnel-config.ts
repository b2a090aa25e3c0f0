/** The configuration of the tunnels' HAProxy, which never changes: it ends their mTLS in front of frps. */
import { workerSocket } from './global.ts';
import { reserved, startsAnyway } from './user-connections.ts';
import { everyAddress, sourceKey } from './addresses.ts';
import { sharedPort, type SharedPort } from './shared-port.ts';
import { paceFile } from './tunnel-pace.ts';
import { alpn } from '../../../link/protocol.ts';

export interface TunnelSettings {
  /** absolute path of the sockets, as HAProxy sees them; files are named from where the configuration is */
  directory: string;
  /** where sidecars connect; default every address, port 7000 */
  bind?: string | undefined;
  /** whether HAProxy can have IPv6 sockets (addresses.ts); default true */
  hasIpv6?: boolean | undefined;
  /** address and port where the kubelet asks whether it works; absent: nowhere */
  health?: string | undefined;
  /** frps; default 127.0.0.1:7001 */
  server?: string | undefined;
  /**
   * the agent's port for links of clusters that join (src/link), address and port: connections whose ClientHello says so are
   * handed on as they are; absent: there are no links, and one hop less for every tunnel
   */
  link?: string | undefined;
  /** a further port, of tunnels, links and users together; absent: there is none */
  shared?: SharedPort | undefined;
  maxConnections?: number | undefined;
}

/** Its files, beside the configuration. */
export const serverPemFile = 'server.pem';
export const clientsFile = 'clients.pem';
export const revokedFile = 'revoked.acl';

/** Of one client address. */
const maxHandshakes = 1000;
export const maxTunnels = 8192;

/**
 * Every CA is in `ca-verify-file`: none is announced to clients, because a list above 64 KB breaks every handshake, and a
 * client of Go sends no certificate where its issuer is not on a list. Tunnels live for days, and a reload leaves a process
 * for each generation: so what changes often is changed at run time (TunnelProxy).
 */
export function renderTunnel(settings: TunnelSettings): string {
  const { directory, hasIpv6 = true, bind = everyAddress(7000, hasIpv6), server = '127.0.0.1:7001' } = settings;
  const { maxConnections, health } = settings;
  const isDivided = settings.link !== undefined || settings.shared !== undefined;
  // Tunnels at the entrance and behind it; at a shared port as many again come, and as many users.
  const hops = (isDivided ? 2 : 1) + (settings.shared === undefined ? 0 : 2);
  return `global
  default-path config
  stats socket ${directory}/${workerSocket} mode 600 level admin expose-fd listeners
  stats timeout 1h
  ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets
  # A resumed session would keep the rights of a certificate that is revoked or of another CA.
  tune.ssl.cachesize 0
  # What is on its way to frps when a tunnel is ended is still worked off: some thousand frames, not half a million.
  tune.sndbuf.server 262144
  # Not lua-load-per-thread: a worker loads that where default-path does not hold any more.
  lua-load ${paceFile}
${startsAnyway}
${maxConnections === undefined ? '' : `  maxconn ${hops * maxConnections + reserved}\n`}
defaults
  mode tcp
  timeout connect 5s
  # Of the handshake; a tunnel that is silent is ended sooner (${paceFile}).
  timeout client 30s
  timeout server 30s
  option clitcpka

${isDivided ? dividedEntrance(settings, bind) : oneEntrance(settings, bind)}  # Who is connected with which certificate, so that a revocation finds its tunnels.
  tcp-request session set-var(sess.certificate) ssl_c_der,sha2(256),hex,lower
  tcp-request session set-var(sess.address) src
  tcp-request session set-var(sess.port) src_port
  tcp-request session track-sc0 var(sess.certificate),concat(/,sess.address),concat(:,sess.port) table ${sessionsTable}
  tcp-request session reject if { var(sess.certificate) -m str -f ${revokedFile} }
  tcp-request session track-sc2 ${sourceKey} table joined
  # frps waits for the first byte of a connection before it takes the next one.
  tcp-request inspect-delay 5s
  tcp-request content accept if { req.len gt 0 }
  tcp-request content reject if WAIT_END
  filter lua.frp-pace
  default_backend frps

backend ${sessionsTable}
  stick-table type string len 120 size 100k expire 1s store conn_cur,gpc0,gpt0
backend sources
  stick-table type ipv6 size 100k expire 1s store conn_cur
backend joined
  stick-table type ipv6 size 100k expire 1s store conn_cur

${health === undefined ? '' : `frontend health\n  mode http\n  maxconn ${reserved}\n  bind ${health}\n  http-request return status 200\n\n`}backend frps
  # From which port this tunnel is handed on: by that the agent knows whose it is.
  tcp-response content sc-set-gpt0(0) bc_src_port
  server frps ${server}
`;
}

/** Of the sessions that are under way, by certificate and client (below). */
export const sessionsTable = 'sessions';

const ofTunnels = `ssl crt ${serverPemFile} ca-verify-file ${clientsFile} verify required`;
const unseen = "  # A sidecar that nothing reaches any more has its tunnel ended, and what waits in it, sooner than by frp's heartbeats.\n";

/** What is asked of each connection before its TLS. */
const beforeTls = `  # Of one address: connections whose handshake is under way, and those that have shown a certificate. Many sidecars may be behind one.
  tcp-request connection set-var(sess.joined) ${sourceKey},table_conn_cur(joined)
  tcp-request connection track-sc1 ${sourceKey} table sources
  tcp-request connection reject if { ${sourceKey},table_conn_cur(sources),sub(sess.joined) gt ${maxHandshakes} }
  tcp-request connection reject if { var(sess.joined) -m int ge ${maxTunnels} }
`;

const limitOf = ({ maxConnections }: TunnelSettings): string => (maxConnections === undefined ? '' : `  maxconn ${maxConnections}\n`);

/** Tunnels, and nothing else. */
const oneEntrance = (settings: TunnelSettings, bind: string): string =>
  `frontend tunnel
${limitOf(settings)}${unseen}  bind ${bind} tcp-ut 3s ${ofTunnels}
${beforeTls}`;

/** Tunnels and links, and perhaps users: the ClientHello tells them apart, and a link's TLS is the agent's own affair. */
const dividedEntrance = (settings: TunnelSettings, bind: string): string => {
  const { link, shared, directory, maxConnections } = settings;
  return `frontend entrance
${limitOf(settings)}${unseen}  bind ${bind} tcp-ut 3s
${beforeTls}  tcp-request inspect-delay 5s
  tcp-request content accept if { req.ssl_hello_type 1 }
  tcp-request content reject if WAIT_END
${link === undefined ? '' : `  use_backend link if { req.ssl_alpn ${alpn} }\n`}  default_backend tunnels

${shared === undefined ? '' : sharedPort(shared, link !== undefined, { maxConnections, maxHandshakes, maxTunnels })}${link === undefined ? '' : links(link)}backend tunnels
  server tunnel unix@${directory}/${tunnelsSocket} send-proxy-v2

frontend tunnel
${limitOf(settings)}  bind unix@${directory}/${tunnelsSocket} mode 600 accept-proxy ${ofTunnels}
`;
};

/** Of one address: links, and connections that would be; clusters behind it dial again every half minute at most. */
const maxLinks = 64;
const maxDials = 200;

/** TLS ends in the agent, which serves everybody: so one address has only so much of it. */
const links = (agent: string): string => `backend link
  stick-table type ipv6 size 100k expire 10s store conn_cur,conn_rate(10s)
  tcp-request content track-sc2 src
  tcp-request content reject if { sc2_conn_cur gt ${maxLinks} } || { sc2_conn_rate gt ${maxDials} }
  server agent ${agent}

`;

/** Between the entrance and the frontend that ends the tunnels' TLS. */
const tunnelsSocket = 'tunnels.sock';
