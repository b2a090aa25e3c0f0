/** What a configuration says of the server and of frpc itself: keys of the installation, and tuning that every service has. */
import type { JsonObject } from '../model/json.ts';
import { isOwnMachine, isPort } from './addresses.ts';
import type { Spec } from './draft.ts';
import { Fields } from './fields.ts';
import { Notes, type Finding } from './findings.ts';

export interface ServerPart {
  /** keys of the installation's configuration */
  config: JsonObject;
  /** of every service */
  advanced: NonNullable<Spec['advanced']>;
  findings: Finding[];
}

const ownServer =
  'let sidecars dial a server of frp-k8s, which knows them by certificate: manifests/frps, manifests/gateway, or frp-k8s gateway up';

/** What only an frps that is there already asks for. */
const noCounterpart: Readonly<Record<string, string>> = {
  token: `no counterpart yet: sidecars present a client certificate and no token, so this server refuses them. Let it ask for certificates instead, or ${ownServer}`,
  oidc: `no counterpart yet: sidecars do not log in by OIDC, so this server refuses them; ${ownServer}`,
  metadatas: `no counterpart yet: a server whose plugin asks for them refuses the sidecars; ${ownServer}`,
  user: `no counterpart yet: names of proxies are namespace and service. It matters only to a server whose plugin asks for it`,
};

export function serverOf(common: JsonObject, hasUdp: boolean): ServerPart {
  const notes = new Notes();
  const fields = new Fields(common, '', notes);
  const config = { ...addressOf(fields, notes), ...logOf(fields, notes) };
  authOf(fields, notes);
  const advanced = transportOf(fields, config, notes);
  selfOf(fields, hasUdp, notes);
  for (const path of fields.leftovers()) notes.lost(path, 'is no field that migrate knows; see whether it is needed');
  return { config, advanced, findings: notes.findings };
}

function addressOf(fields: Fields, notes: Notes): { frps?: JsonObject } {
  const address = fields.text('serverAddr')?.replace(/^\[(.*)\]$/, '$1');
  const port = fields.number('serverPort') ?? 7000;
  if (address === undefined) return {};
  if (isOwnMachine(address)) {
    notes.todo(
      'serverAddr',
      `${JSON.stringify(address)} is the machine itself, which Pods reach by another name: set frps.address of the configuration`,
    );
    return {};
  }
  if (!isPort(port)) {
    notes.lost('serverPort', 'must be a port from 1 to 65535; frp does not dial it otherwise');
    return { frps: { address } };
  }
  notes.todo(
    'serverAddr',
    'sidecars dial it by mutual TLS: give that frps the content of Secret frp-server-tls (docs/guide/install.md, "The frp server"), and this address as frps.serverName where it differs from the name in the certificate',
  );
  return { frps: { address, port, ...(port !== 7000 && { reservedPorts: [port] }) } };
}

const levels = ['trace', 'debug', 'info', 'warn', 'error'];

function logOf(fields: Fields, notes: Notes): { sidecar?: JsonObject } {
  const log = fields.child('log');
  const level = log.text('level');
  if (log.isSet('to') && log.path !== '') notes.differs('log.to', 'needs nothing: sidecars write to the log of their container');
  log.ignore('maxDays', 'disablePrintColor');
  return level !== undefined && level !== 'info' && levels.includes(level) ? { sidecar: { logLevel: level } } : {};
}

function authOf(fields: Fields, notes: Notes): void {
  const auth = fields.child('auth');
  const isOidc = auth.text('method') === 'oidc';
  const hasToken = [auth.isSet('token'), auth.isSet('tokenSource')].some(Boolean);
  const oidc = auth.isSet('oidc');
  auth.ignore('additionalScopes');
  if (isOidc || (oidc && !hasToken)) notes.lost('auth.oidc', noCounterpart.oidc!);
  else if (hasToken) notes.lost('auth.token', noCounterpart.token!);
  if (fields.isSet('metadatas')) notes.lost('metadatas', noCounterpart.metadatas!);
  if (fields.isSet('user')) notes.differs('user', noCounterpart.user!);
}

function transportOf(fields: Fields, config: { frps?: JsonObject }, notes: Notes): NonNullable<Spec['advanced']> {
  const transport = fields.child('transport');
  const protocol = transport.text('protocol') ?? 'tcp';
  if (protocol !== 'tcp')
    notes.lost(
      'transport.protocol',
      `${JSON.stringify(protocol)}: no counterpart yet: sidecars dial by TLS over TCP. Open the server's bindPort for TCP, and set frps.port to it`,
    );
  if (transport.isSet('proxyURL'))
    notes.lost('transport.proxyURL', 'no counterpart yet for a plain frp server; gateway.proxyURL is the one on the way to a gateway');
  if (transport.flag('tcpMux') === false)
    notes.lost('transport.tcpMux', 'no counterpart: sidecars always multiplex. Set transport.tcpMux = true at the server');
  const wire = transport.text('wireProtocol');
  if (wire !== undefined && wire !== 'v1')
    notes.differs('transport.wireProtocol', 'no counterpart: sidecars speak v1, which every server understands');
  const dropped = ['tcpMuxKeepaliveInterval', 'heartbeatInterval', 'heartbeatTimeout', 'quic', 'connectServerLocalIP'].filter((name) =>
    transport.isSet(name),
  );
  if (dropped.length > 0)
    notes.differs(
      dropped.map((name) => `transport.${name}`).join(', '),
      'no counterpart: sidecars notice within 15 s that a server is gone',
    );
  tlsOf(transport.child('tls'), config, notes);

  const pool = transport.number('poolCount');
  const dial = transport.number('dialServerTimeout');
  const keepAlive = transport.number('dialServerKeepalive');
  if (keepAlive !== undefined && keepAlive < 0)
    notes.differs('transport.dialServerKeepalive', 'no counterpart: keepalive probes cannot be turned off');
  if (pool !== undefined && pool > 100) notes.differs('transport.poolCount', 'is 100, the most that a service may have');
  const timeout = {
    ...(dial !== undefined && dial > 0 && { dial: `${Math.min(dial, 999_999)}s` }),
    ...(keepAlive !== undefined && keepAlive > 0 && { keepAlive: `${Math.min(keepAlive, 999_999)}s` }),
  };
  return {
    ...(pool !== undefined && { connectionPool: pool > 0 ? { size: Math.min(pool, 100) } : { enabled: false } }),
    ...(Object.keys(timeout).length > 0 && { timeout }),
  };
}

function tlsOf(tls: Fields, config: { frps?: JsonObject }, notes: Notes): void {
  const serverName = tls.text('serverName');
  if (serverName !== undefined && config.frps) config.frps.serverName = serverName;
  if (tls.flag('enable') === false)
    notes.differs('transport.tls.enable', 'has no effect: the tunnel is always TLS, which every frps takes');
  tls.ignore('disableCustomTLSFirstByte');
  const files = ['certFile', 'keyFile', 'trustedCaFile'].filter((name) => tls.isSet(name));
  if (files.length > 0)
    notes.todo(
      files.map((name) => `transport.tls.${name}`).join(', '),
      "sidecars have certificates of the installation's own authority, and trust it; to present yours, see mode manual in docs/guide/certificates.md",
    );
}

/** About the program frpc, which a sidecar has settings of its own for. */
function selfOf(fields: Fields, hasUdp: boolean, notes: Notes): void {
  fields.ignore('version', 'start', 'includes', 'loginFailExit', 'clientID', 'natHoleStunServer');
  const packet = fields.number('udpPacketSize') ?? 1500;
  if (packet !== 1500 && hasUdp)
    notes.lost('udpPacketSize', 'no counterpart yet: sidecars send 1500 bytes at most; set udpPacketSize = 1500 at the server');
  if (fields.isSet('webServer'))
    notes.differs('webServer', "needs nothing: the status of a DistributedService says what frpc's dashboard did");
  if (fields.isSet('dnsServer')) notes.differs('dnsServer', "no counterpart: Pods ask the cluster's DNS");
  if (fields.isSet('virtualNet')) notes.lost('virtualNet', 'no counterpart; keep frpc for it');
  if (fields.isSet('featureGates')) notes.differs('featureGates', 'no counterpart: sidecars have none');
  if (fields.isSet('store'))
    notes.lost('store', "no counterpart: proxies that were added by frpc's own API are in that file; write them into the configuration");
}
