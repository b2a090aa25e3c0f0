/** Where a key of frp's INI stands in its newer configuration (frp pkg/config/legacy/conversion.go). */

type Kind = 'text' | 'number' | 'flag' | 'list';
export type Key = readonly [path: string, kind: Kind];

export const commonKeys: Readonly<Record<string, Key>> = {
  server_addr: ['serverAddr', 'text'],
  server_port: ['serverPort', 'number'],
  user: ['user', 'text'],
  nat_hole_stun_server: ['natHoleStunServer', 'text'],
  dns_server: ['dnsServer', 'text'],
  login_fail_exit: ['loginFailExit', 'flag'],
  start: ['start', 'list'],
  includes: ['includes', 'list'],
  udp_packet_size: ['udpPacketSize', 'number'],
  authentication_method: ['auth.method', 'text'],
  token: ['auth.token', 'text'],
  oidc_client_id: ['auth.oidc.clientID', 'text'],
  oidc_client_secret: ['auth.oidc.clientSecret', 'text'],
  oidc_audience: ['auth.oidc.audience', 'text'],
  oidc_scope: ['auth.oidc.scope', 'text'],
  oidc_token_endpoint_url: ['auth.oidc.tokenEndpointURL', 'text'],
  dial_server_timeout: ['transport.dialServerTimeout', 'number'],
  dial_server_keepalive: ['transport.dialServerKeepalive', 'number'],
  connect_server_local_ip: ['transport.connectServerLocalIP', 'text'],
  http_proxy: ['transport.proxyURL', 'text'],
  pool_count: ['transport.poolCount', 'number'],
  tcp_mux: ['transport.tcpMux', 'flag'],
  tcp_mux_keepalive_interval: ['transport.tcpMuxKeepaliveInterval', 'number'],
  protocol: ['transport.protocol', 'text'],
  heartbeat_interval: ['transport.heartbeatInterval', 'number'],
  heartbeat_timeout: ['transport.heartbeatTimeout', 'number'],
  quic_keepalive_period: ['transport.quic.keepalivePeriod', 'number'],
  quic_max_idle_timeout: ['transport.quic.maxIdleTimeout', 'number'],
  quic_max_incoming_streams: ['transport.quic.maxIncomingStreams', 'number'],
  tls_enable: ['transport.tls.enable', 'flag'],
  tls_cert_file: ['transport.tls.certFile', 'text'],
  tls_key_file: ['transport.tls.keyFile', 'text'],
  tls_trusted_ca_file: ['transport.tls.trustedCaFile', 'text'],
  tls_server_name: ['transport.tls.serverName', 'text'],
  disable_custom_tls_first_byte: ['transport.tls.disableCustomTLSFirstByte', 'flag'],
  log_file: ['log.to', 'text'],
  log_way: ['log.to', 'text'],
  log_level: ['log.level', 'text'],
  log_max_days: ['log.maxDays', 'number'],
  disable_log_color: ['log.disablePrintColor', 'flag'],
  admin_addr: ['webServer.addr', 'text'],
  admin_port: ['webServer.port', 'number'],
  admin_user: ['webServer.user', 'text'],
  admin_pwd: ['webServer.password', 'text'],
  assets_dir: ['webServer.assetsDir', 'text'],
  pprof_enable: ['webServer.pprofEnable', 'flag'],
};

const base: Readonly<Record<string, Key>> = {
  type: ['type', 'text'],
  local_ip: ['localIP', 'text'],
  local_port: ['localPort', 'number'],
  use_encryption: ['transport.useEncryption', 'flag'],
  use_compression: ['transport.useCompression', 'flag'],
  bandwidth_limit: ['transport.bandwidthLimit', 'text'],
  bandwidth_limit_mode: ['transport.bandwidthLimitMode', 'text'],
  proxy_protocol_version: ['transport.proxyProtocolVersion', 'text'],
  group: ['loadBalancer.group', 'text'],
  group_key: ['loadBalancer.groupKey', 'text'],
  health_check_type: ['healthCheck.type', 'text'],
  health_check_timeout_s: ['healthCheck.timeoutSeconds', 'number'],
  health_check_max_failed: ['healthCheck.maxFailed', 'number'],
  health_check_interval_s: ['healthCheck.intervalSeconds', 'number'],
  health_check_url: ['healthCheck.path', 'text'],
  plugin: ['plugin.type', 'text'],
};

const port: Readonly<Record<string, Key>> = { remote_port: ['remotePort', 'number'] };
const domains: Readonly<Record<string, Key>> = { custom_domains: ['customDomains', 'list'], subdomain: ['subdomain', 'text'] };
const users: Readonly<Record<string, Key>> = {
  http_user: ['httpUser', 'text'],
  http_pwd: ['httpPassword', 'text'],
  route_by_http_user: ['routeByHTTPUser', 'text'],
};
const secret: Readonly<Record<string, Key>> = { sk: ['secretKey', 'text'], allow_users: ['allowUsers', 'list'] };

/** By the proxy's type; frp does not look at the others' keys. */
export const proxyKeys: Readonly<Record<string, Readonly<Record<string, Key>>>> = {
  tcp: { ...base, ...port },
  udp: { ...base, ...port },
  http: { ...base, ...domains, ...users, locations: ['locations', 'list'], host_header_rewrite: ['hostHeaderRewrite', 'text'] },
  https: { ...base, ...domains },
  tcpmux: { ...base, ...domains, ...users, multiplexer: ['multiplexer', 'text'] },
  stcp: { ...base, ...secret },
  xtcp: { ...base, ...secret },
  sudp: { ...base, ...secret },
};

export const visitorKeys: Readonly<Record<string, Key>> = {
  type: ['type', 'text'],
  use_encryption: ['transport.useEncryption', 'flag'],
  use_compression: ['transport.useCompression', 'flag'],
  sk: ['secretKey', 'text'],
  server_user: ['serverUser', 'text'],
  server_name: ['serverName', 'text'],
  bind_addr: ['bindAddr', 'text'],
  bind_port: ['bindPort', 'number'],
  protocol: ['protocol', 'text'],
  keep_tunnel_open: ['keepTunnelOpen', 'flag'],
  max_retries_an_hour: ['maxRetriesAnHour', 'number'],
  min_retry_interval: ['minRetryInterval', 'number'],
  fallback_to: ['fallbackTo', 'text'],
  fallback_timeout_ms: ['fallbackTimeoutMs', 'number'],
};

/** Of a plugin, without `plugin_`. */
export const pluginKeys: Readonly<Record<string, string>> = {
  local_addr: 'localAddr',
  host_header_rewrite: 'hostHeaderRewrite',
  crt_path: 'crtPath',
  key_path: 'keyPath',
  unix_path: 'unixPath',
  local_path: 'localPath',
  strip_prefix: 'stripPrefix',
  http_user: 'httpUser',
  http_passwd: 'httpPassword',
  user: 'username',
  passwd: 'password',
};
