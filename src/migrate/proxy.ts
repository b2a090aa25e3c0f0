/** One proxy of frpc, as a draft of services. */
import { isPort } from './addresses.ts';
import type { Address, Assumptions, ClientPart, Draft, Spec, Unserved } from './draft.ts';
import { byHost, byPath, byPort, type Exposed } from './exposures.ts';
import { tellCheckHeaders } from './check-headers.ts';
import { Fields } from './fields.ts';
import { Notes } from './findings.ts';
import { serviceName } from './names.ts';
import { headersOf, hostHeaderOf, withPlugin } from './headers.ts';
import { pluginOf, type PluginResult } from './plugins.ts';
import { healthCheckOf, transportOf } from './tuning.ts';

const withoutCounterpart: Readonly<Record<string, string>> = {
  stcp: 'no counterpart: a DistributedService is open to everybody who reaches its port, and this is open to visitors with the key alone. Keep frpc for it, or expose it as tcp behind a VPN or with protection of its own',
  xtcp: 'no counterpart: traffic goes by the server always, never from peer to peer. Keep frpc for it, or expose it as tcp with protection of its own',
  sudp: 'no counterpart: a DistributedService is open to everybody who reaches its port, and this is open to visitors with the key alone. Keep frpc for it',
  tcpmux:
    'no counterpart: users would connect by HTTP CONNECT. Expose it at a port of its own (type tcp), or by TLS server name (type https) where the app speaks TLS',
};

/** @returns a draft with one spec at least, or why there is none */
export function draftOf(value: unknown, client: ClientPart, assumptions: Assumptions): Draft | Unserved {
  const notes = new Notes();
  const fields = new Fields(value, '', notes);
  const proxy = fields.text('name') ?? '(no name)';
  const type = fields.text('type') ?? 'tcp';
  const rest = Object.hasOwn(withoutCounterpart, type) ? unserved(type, fields, notes) : servedOf(type, proxy, fields, assumptions, notes);
  for (const path of fields.leftovers()) notes.lost(path, 'is no field that migrate knows there; see whether the service needs it');
  return rest ? { proxy, notes, client, ...rest } : { proxy, notes };
}

/** All of it goes with the type. */
function unserved(type: string, fields: Fields, notes: Notes): undefined {
  notes.lost('type', `${type}: ${withoutCounterpart[type]}`);
  fields.ignore('secretKey', 'allowUsers', 'natTraversal', 'multiplexer', 'customDomains', 'subdomain', 'httpUser', 'httpPassword');
  fields.ignore(
    'routeByHTTPUser',
    'localIP',
    'localPort',
    'plugin',
    'transport',
    'loadBalancer',
    'healthCheck',
    'metadatas',
    'annotations',
    'enabled',
  );
}

function servedOf(
  type: string,
  proxy: string,
  fields: Fields,
  assumptions: Assumptions,
  notes: Notes,
): Omit<Draft, 'proxy' | 'notes' | 'client'> | undefined {
  fields.ignore('enabled');
  if (fields.isSet('metadatas'))
    notes.differs(
      'metadatas',
      "no counterpart: the server's plugins are told of the whole installation alone, by frps.metadatas of the configuration",
    );
  if (fields.isSet('annotations')) notes.differs('annotations', "no counterpart: they showed on frps' dashboard");
  const balancer = fields.child('loadBalancer');
  const group = balancer.text('group');
  if (balancer.isSet('groupKey')) notes.differs('loadBalancer.groupKey', 'needs nothing: the controller makes a key for each service');
  const { proxyProtocol, ...tuned } = transportOf(fields, type, notes);
  const check = fields.child('healthCheck');
  const healthCheck = healthCheckOf(check, notes);
  const exposed = exposedOf(type, fields, assumptions, notes);
  const plugin = fields.child('plugin');
  const pluginType = plugin.text('type');
  const local = localOf(fields);
  const result: (Omit<PluginResult, 'target'> & { target: Address | undefined }) | undefined =
    pluginType === undefined ? { target: local } : pluginOf(pluginType, type, plugin, notes);
  const protection = protectionOf(fields, serviceName(proxy, type), notes);
  if (!exposed || exposed.length === 0 || !result) {
    if (notes.findings.every(({ level }) => level !== 'lost')) notes.lost('', noHost);
    return undefined;
  }
  if (!result.target) {
    notes.lost('localPort', 'must be a port from 1 to 65535; frp does not serve it otherwise');
    return undefined;
  }
  const name = serviceName(proxy, `${type}${placeOf(exposed[0]!)}`);
  const { terminates } = result;
  if (terminates) notes.todo('plugin.crtPath, plugin.keyPath', secretCommand(name));
  const isUdp = type === 'udp';
  if (isUdp && healthCheck.type) notes.differs('healthCheck', 'no counterpart: frp-k8s does not check udp backends');
  const specs = exposed.map(({ serviceType, expose }): Spec => ({
    serviceType: terminates ?? serviceType,
    // The gateway serves no udp, and it alone picks a port.
    ...(isUdp && { gateway: false }),
    ...(expose?.port === 0 && { gateway: true }),
    expose: {
      ...withPlugin(expose ?? {}, result),
      ...(proxyProtocol && { proxyProtocol }),
      ...(terminates && { tls: { secretName: `${name}-tls` } }),
    },
    ...(!isUdp && {
      loadBalancing: { ...(group !== undefined && type === 'http' && { algorithm: 'round-robin' as const }), healthCheck },
    }),
    ...protection,
    ...tuned,
  }));
  tellCheckHeaders(check, specs, assumptions, notes);
  return { name, group, target: result.target, specs };
}

/** For the name of a service whose proxy's name has no letters of a service's name. */
const placeOf = ({ expose }: Exposed): string => {
  const { port, domain, subdomain } = expose ?? {};
  return [String(port ?? ''), ...(domain ?? subdomain ?? '').split(/[^a-z0-9]/)]
    .filter((part) => part !== '')
    .map((part) => `-${part}`)
    .join('');
};

const noHost = 'names neither a host nor a port, so users do not reach it; frp refuses it too';

function exposedOf(type: string, fields: Fields, assumptions: Assumptions, notes: Notes): Exposed[] | undefined {
  if (type === 'tcp' || type === 'udp') return byPort(type, fields, notes);
  if (type !== 'http' && type !== 'https') {
    notes.lost('type', `${JSON.stringify(type)} is no type of proxy that migrate knows; frp refuses it too, or is newer`);
    return undefined;
  }
  const hosts = byHost(fields, assumptions, notes);
  if (type === 'https') return hosts.map((expose) => ({ serviceType: 'tcp', expose: { type: expose.type ?? 'domain', ...expose } }));
  const rewritten = hostHeaderOf(fields.text('hostHeaderRewrite'), 'hostHeaderRewrite', notes);
  const request = headersOf(fields.child('requestHeaders').textsByName('set'), 'requestHeaders', 'request', notes);
  const response = headersOf(fields.child('responseHeaders').textsByName('set'), 'responseHeaders', 'response', notes);
  const headers = (request ?? response) && { ...(request && { request }), ...(response && { response }) };
  const user = fields.isSet('routeByHTTPUser');
  const exposes = byPath(hosts, fields, notes);
  if (user)
    notes.lost(
      'routeByHTTPUser',
      'no counterpart: requests are not told apart by user, so no service is made of it. Give it a host of its own',
    );
  return user
    ? undefined
    : exposes.map((expose) => ({ serviceType: 'http', expose: { ...expose, ...rewritten, ...(headers && { headers }) } }));
}

/** undefined without a port. */
function localOf(fields: Fields): Address | undefined {
  const host = fields.text('localIP') ?? '127.0.0.1';
  const port = fields.number('localPort');
  return isPort(port) ? { host: host.replace(/^\[(.*)\]$/, '$1'), port } : undefined;
}

/** Nothing is exposed without protection that the proxy had. */
function protectionOf(fields: Fields, name: string, notes: Notes): Pick<Spec, 'security'> {
  const [user, password] = [fields.isSet('httpUser'), fields.isSet('httpPassword')];
  if (!user && !password) return {};
  const secret = `${name}-users`;
  const make = `kubectl create secret generic ${secret} --from-literal=USER=PASSWORD && kubectl label secret ${secret} frp.io/use=true`;
  notes.todo(
    'httpUser, httpPassword',
    `the gateway asks for them, and needs a Secret of users and passwords: ${make}. A plain frp server does not serve the service`,
  );
  if (!user || !password)
    notes.lost(
      'httpUser, httpPassword',
      'one of them was empty, which no Secret can have: choose a user and a password, and tell the users',
    );
  return { security: { authentication: { type: 'basic', tokenSecret: secret } } };
}

const secretCommand = (name: string): string =>
  `TLS of users ends at the gateway, which needs the certificate: kubectl create secret tls ${name}-tls --cert=CRTPATH --key=KEYPATH && kubectl label secret ${name}-tls frp.io/use=true. A plain frp server does not serve the service`;
