/** The configuration of the tunnels' HAProxy, which never changes: it ends their mTLS in front of frps. */
import { workerSocket } from './global.ts';
import { everyAddress } from './addresses.ts';

export interface TunnelSettings {
  /** absolute path of the files, as HAProxy sees them */
  directory: string;
  /** where sidecars connect; default every address, port 7000 */
  bind?: string | undefined;
  /** whether HAProxy can have IPv6 sockets (addresses.ts); default true */
  hasIpv6?: boolean | undefined;
  /** frps; default 127.0.0.1:7001 */
  server?: string | undefined;
  maxConnections?: number | undefined;
}

/** Files of it below the directory. */
export const serverPemFile = 'server.pem';
export const clientsFile = 'clients.pem';
export const revokedFile = 'revoked.acl';

/** Tunnels live for days, and a reload leaves a process for each generation: so what changes often is changed at run time (TunnelProxy). */
export function renderTunnel(settings: TunnelSettings): string {
  const { directory, hasIpv6 = true, bind = everyAddress(7000, hasIpv6), server = '127.0.0.1:7001', maxConnections } = settings;
  return `global
  stats socket ${directory}/${workerSocket} mode 600 level admin expose-fd listeners
  stats timeout 1h
  ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets
  # A resumed session would keep the rights of a certificate that is revoked or of another CA.
  tune.ssl.cachesize 0
${maxConnections === undefined ? '' : `  maxconn ${maxConnections}\n`}
defaults
  mode tcp
  timeout connect 5s
  # frp's own heartbeats notice a dead peer sooner (tcpMuxKeepaliveInterval).
  timeout client 300s
  timeout server 300s
  option clitcpka

frontend tunnel
  bind ${bind} ssl crt ${directory}/${serverPemFile} ca-file ${directory}/${clientsFile} verify required
  # Who is connected with which certificate, so that a revocation finds its tunnels.
  tcp-request session set-var(sess.certificate) ssl_c_der,sha2(256),hex,lower
  tcp-request session set-var(sess.address) src
  tcp-request session set-var(sess.port) src_port
  tcp-request session track-sc0 var(sess.certificate),concat(/,sess.address),concat(:,sess.port) table ${sessionsTable}
  tcp-request session reject if { var(sess.certificate) -m str -f ${directory}/${revokedFile} }
  default_backend frps

backend ${sessionsTable}
  stick-table type string len 120 size 100k expire 1s store conn_cur

backend frps
  server frps ${server}
`;
}

/** Of the sessions that are under way, by certificate and client (below). */
export const sessionsTable = 'sessions';
