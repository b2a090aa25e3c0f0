/** What a configuration says of the server and of frpc itself: keys of the installation, and tuning that every service has. */
import { largestPacket } from '../config/frps.ts';
import type { JsonObject } from '../model/json.ts';
import { isOwnMachine, isPort } from './addresses.ts';
import type { Spec } from './draft.ts';
import { Fields } from './fields.ts';
import { isProxy } from '../net/proxy-url.ts';
import { Notes, type Finding } from './findings.ts';
import { noValue } from './template.ts';

export interface ServerPart {
  /** keys of the installation's configuration */
  config: JsonObject;
  /** of every service */
  advanced: NonNullable<Spec['advanced']>;
  findings: Finding[];
}

const secret = (name: string, key: string, file: string): string =>
  `kubectl -n frp-system create secret generic ${name} --from-file=${key}=${file} && kubectl -n frp-system label secret ${name} frp.io/use=true`;

export function serverOf(common: JsonObject, hasUdp: boolean): ServerPart {
  const notes = new Notes();
  const fields = new Fields(common, '', notes);
  const config = { ...addressOf(fields, notes), ...logOf(fields, notes) };
  const frps = config.frps ?? {};
  authOf(fields, frps, notes);
  const advanced = transportOf(fields, frps, notes);
  selfOf(fields, frps, hasUdp, notes);
  for (const path of fields.leftovers()) notes.lost(path, 'is no field that migrate knows; see whether it is needed');
  return { config, advanced, findings: notes.findings };
}

function addressOf(fields: Fields, notes: Notes): { frps?: JsonObject } {
  const address = fields.text('serverAddr')?.replace(/^\[(.*)\]$/, '$1');
  const port = fields.number('serverPort') ?? 7000;
  const keys = port === 7000 ? 'frps.address' : `frps.address and frps.port (${port})`;
  if (address === undefined) {
    if (port !== 7000) notes.todo('serverPort', `is of a server that the file does not name: set ${keys} of the configuration`);
    return {};
  }
  if (address.includes(noValue)) {
    notes.todo('serverAddr', `is made from an environment variable that is not set: set ${keys} of the configuration`);
    return { frps: {} };
  }
  if (isOwnMachine(address)) {
    notes.todo(
      'serverAddr',
      `${JSON.stringify(address)} is the machine itself, which Pods reach by another name: set ${keys} of the configuration`,
    );
    return { frps: {} };
  }
  if (!isPort(port)) {
    notes.lost('serverPort', 'must be a port from 1 to 65535; frp does not dial it otherwise');
    return { frps: { address } };
  }
  notes.differs(
    'serverAddr',
    "nothing is known of the health of backends, and condition Ready is Unknown, until frps.api of the configuration leads to the server's own API (its webServer)",
  );
  return { frps: { address, port, ...(port !== 7000 && { reservedPorts: [port] }) } };
}

const levels = ['trace', 'debug', 'info', 'warn', 'error'];

function logOf(fields: Fields, notes: Notes): { sidecar?: JsonObject } {
  const log = fields.child('log');
  const level = log.text('level');
  if (log.isSet('to') && log.path !== '') notes.differs('log.to', 'needs nothing: sidecars write to the log of their container');
  const dropped = ['maxDays', 'disablePrintColor'].filter((name) => log.isSet(name)).map((name) => `log.${name}`);
  if (dropped.length > 0) notes.differs(dropped.join(', '), 'no counterpart: a sidecar writes plain lines, which the cluster keeps');
  if (level !== undefined && !levels.includes(level)) notes.lost('log.level', `must be one of ${levels.join(', ')}; frp refuses it too`);
  return level !== undefined && level !== 'info' && levels.includes(level) ? { sidecar: { logLevel: level } } : {};
}

function authOf(fields: Fields, frps: JsonObject, notes: Notes): void {
  const auth = fields.child('auth');
  const isOidc = auth.text('method') === 'oidc';
  const token = ['token', 'tokenSource'].filter((name) => auth.isSet(name)).map((name) => `auth.${name}`);
  const hasToken = token.length > 0;
  const oidc = auth.isSet('oidc');
  const additionalScopes = auth.texts('additionalScopes').filter((scope) => scope === 'HeartBeats' || scope === 'NewWorkConns');
  if (isOidc || (oidc && !hasToken))
    notes.lost(
      'auth.oidc',
      'no counterpart: sidecars do not log in by OIDC, so this server refuses them; let it take a token, or let sidecars dial a server of frp-k8s: manifests/frps, manifests/gateway, or frp-k8s gateway up',
    );
  else if (hasToken) {
    frps.auth = { tokenSecret: 'frps-token', ...(additionalScopes.length > 0 && { additionalScopes }) };
    notes.todo(token.join(', '), `is in a Secret, of which every sidecar has a copy. Make it: ${secret('frps-token', 'token', 'FILE')}`);
  }
  if (oidc && !isOidc && hasToken) notes.differs('auth.oidc', 'needs nothing: frpc logs in by its token, because auth.method is not oidc');
  if (fields.isSet('metadatas'))
    notes.todo('metadatas', 'put those that are no secret into frps.metadatas of the configuration: Pods have them in an annotation');
  const user = fields.text('user');
  if (user === undefined) return;
  if (/^[A-Za-z0-9_-]{1,63}$/.test(user)) frps.user = user;
  else
    notes.differs(
      'user',
      'is left out: frps.user has letters, digits, _ and - alone. It matters only to a server whose plugin asks for it',
    );
}

const protocols = ['tcp', 'websocket', 'wss', 'quic', 'kcp'];

function wayOf(transport: Fields, frps: JsonObject, notes: Notes): void {
  const protocol = transport.text('protocol') ?? 'tcp';
  if (!protocols.includes(protocol)) notes.lost('transport.protocol', `must be one of ${protocols.join(', ')}; frp refuses it too`);
  const proxyURL = transport.text('proxyURL');
  const isOpen = proxyURL !== undefined && isProxy(proxyURL);
  if (proxyURL !== undefined && !isOpen)
    notes.lost(
      'transport.proxyURL',
      'no counterpart for a plain frp server: frps.transport.proxyURL is http:// or socks5:// with a port, and no user and password',
    );
  const way = { ...(protocol !== 'tcp' && protocols.includes(protocol) && { protocol }), ...(isOpen && { proxyURL }) };
  if (Object.keys(way).length > 0) frps.transport = way;
}

function transportOf(fields: Fields, frps: JsonObject, notes: Notes): NonNullable<Spec['advanced']> {
  const transport = fields.child('transport');
  wayOf(transport, frps, notes);
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
  tlsOf(transport.child('tls'), frps, notes);

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

function tlsOf(tls: Fields, frps: JsonObject, notes: Notes): void {
  const serverName = tls.text('serverName');
  if (serverName !== undefined && !serverName.includes(noValue)) frps.serverName = serverName;
  if (tls.flag('disableCustomTLSFirstByte') === false)
    notes.differs('transport.tls.disableCustomTLSFirstByte', 'needs nothing: sidecars begin with TLS at once, which frps takes too');
  const has = (name: string): boolean => tls.isSet(name);
  const [presents, verifies] = [[has('certFile'), has('keyFile')].some(Boolean), has('trustedCaFile')];
  frps.tls = tls.flag('enable') === false ? 'off' : presents ? 'mutual' : verifies ? 'server' : 'unverified';
  if (frps.tls === 'unverified')
    notes.differs('transport.tls', "nothing was verified, and is not now; frps.tls: server verifies the server's certificate");
  if (presents)
    notes.todo(
      'transport.tls.certFile, transport.tls.keyFile',
      "sidecars present certificates of the installation's own authority: let the server trust it (docs/guide/existing-frps.md); to present yours, see mode manual in docs/guide/certificates.md",
    );
  if (!verifies || frps.tls === 'off') return;
  frps.caSecret = 'frps-ca';
  notes.todo('transport.tls.trustedCaFile', `is in a Secret. Make it: ${secret('frps-ca', 'ca.crt', 'FILE')}`);
}

/** About the program frpc, which a sidecar has settings of its own for. */
function selfOf(fields: Fields, frps: JsonObject, hasUdp: boolean, notes: Notes): void {
  // Of the form of the file, which load.ts has read.
  fields.ignore('version', 'start', 'includes');
  if (fields.flag('loginFailExit') !== undefined)
    notes.differs('loginFailExit', 'needs nothing: a sidecar that cannot log in tries again, and does not end');
  if (fields.isSet('clientID')) notes.differs('clientID', "no counterpart: it told this frpc from others on frps' dashboard");
  if (fields.isSet('natHoleStunServer'))
    notes.differs('natHoleStunServer', 'no counterpart: it is for proxies of type xtcp alone, which become no service');
  const packet = fields.number('udpPacketSize') ?? 1500;
  if (packet !== 1500 && hasUdp) {
    if (packet > 0 && packet <= largestPacket) frps.udpPacketSize = packet;
    else
      notes.lost(
        'udpPacketSize',
        `frps.udpPacketSize is from 1 to ${largestPacket}: larger packets do not fit into a message of frp's. Set one that does, at the server too`,
      );
  }
  if (fields.isSet('webServer'))
    notes.differs('webServer', "needs nothing: the status of a DistributedService says what frpc's dashboard did");
  if (fields.isSet('dnsServer')) notes.differs('dnsServer', "no counterpart: Pods ask the cluster's DNS");
  if (fields.isSet('virtualNet')) notes.lost('virtualNet', 'no counterpart; keep frpc for it');
  if (fields.isSet('featureGates')) notes.differs('featureGates', 'no counterpart: sidecars have none');
  if (fields.isSet('store'))
    notes.lost('store', "no counterpart: proxies that were added by frpc's own API are in that file; write them into the configuration");
}
