/** frpc's configuration for one server and the groups of one Pod that go there (frp pkg/config/v1). */
import type { Config } from '../config/schema.ts';
import { exposuresOf, type Exposure } from '../model/exposure.ts';
import type { GatewayAddress } from '../model/gateway.ts';
import { headerChanges, hostHeaderOf, type HeaderChanges } from '../model/header-changes.ts';
import { checkAgent, checkHost } from '../model/health-check.ts';
import { frpsAuthorityKey, frpsTokenKey, proxyKey } from '../model/names.ts';
import { backendPortsOf } from '../model/pools.ts';
import { portMetadata } from '../model/ports.ts';
import type { DistributedService, DistributedServiceSpec } from '../model/types.ts';
import { Template, toFrpJson } from './template.ts';
import { agreement, endpointOf, gatewayAgreement } from './parts.ts';
import { bandwidthLimit, seconds } from './units.ts';
import type { Tuning } from './tuning.ts';

export const configDirectory = '/etc/frp';
export const configPath = `${configDirectory}/frpc.json`;
export const certificateDirectory = `${configDirectory}/certs`;
/** The Pod's service account token for the gateway; frpc reads it anew for each login. */
export const tokenPath = `${certificateDirectory}/token`;
/** The plain frp server's auth.token, and who signed its certificate. frpc reads them at its start, and at each login. */
export const frpsTokenPath = `${certificateDirectory}/${frpsTokenKey}`;
export const frpsAuthorityPath = `${certificateDirectory}/${frpsAuthorityKey}`;
/** The well-known authorities, in frp's image and in those of most distributions. */
const wellKnownAuthorities = '/etc/ssl/certs/ca-certificates.crt';

/** The proxy's URL with user and password, where it wants them; from the Secret of the service's group. */
export const proxyPath = `${certificateDirectory}/proxy.url`;
/** The same in a sidecar of several groups, which has the Secret of each whole. */
export const sharedProxyPath = `${certificateDirectory}/${proxyKey}`;
const proxyVariable = 'FRP_PROXY_URL';
/** Line of a shell script before frpc. */
export const exportProxy = (path: string): string => `export ${proxyVariable}="$(cat ${path})"`;

/** Where a sidecar of several groups has the key of each, by its place among them: file in the certificates' directory, and variable. */
export const groupKeyFile = (index: number | string): string => `group-${index}.key`;
export const groupKeyVariable = (index: number | string): string => `FRP_GROUP_KEY_${index}`;

/** A group that a Pod joins, and where the app is in the Pod. */
export interface LocalMember {
  service: DistributedService;
  /** of a service with several ports the first one's */
  localPort: number;
  /** by name of the service's ports; absent where it has one */
  localPorts?: Readonly<Record<string, number>> | undefined;
}

export interface ClientConfigInput {
  members: readonly LocalMember[];
  /** namespace of the Pod */
  namespace: string;
  tuning: Tuning;
  logLevel: string;
  /** where the app listens, seen from the sidecar */
  appAddress?: Config['sidecar']['appAddress'];
  /** the gateway's replica that is dialled; undefined: the plain frp server */
  gateway?: GatewayAddress | undefined;
}

/**
 * The text of frpc's configuration file. Templates in it read POD_NAME, POD_UID, perhaps POD_IP, and, for the plain frp
 * server, FRP_GROUP_KEY (of several groups one for each: groupKeyVariable) from the environment; nothing that a user wrote
 * is evaluated. Of several groups those begin whose key is there.
 */
export function renderClientConfig(input: ClientConfigInput, config: Config): string {
  // localhost and not 127.0.0.1: an app may listen on IPv6 only.
  const localIP = input.appAddress === 'podIP' ? new Template({ env: 'POD_IP' }) : 'localhost';
  const hasKeys = input.gateway === undefined && input.members.length > 1;
  const member = [{ env: 'POD_NAME' }, '.', { env: 'POD_UID' }];
  const proxies = input.members.map((each, index) => {
    const key = hasKeys ? groupKeyVariable(index) : undefined;
    return { key, of: proxiesOf({ ...each, namespace: input.namespace, gateway: input.gateway, localIP, member, key }, config) };
  });
  const start = proxies.flatMap(({ key, of }) => (key === undefined ? [] : of.map(({ name }) => name.where(key))));
  return toFrpJson({
    ...clientSettings(input, config),
    start: start.length > 0 ? start : undefined,
    proxies: proxies.flatMap(({ of }) => of),
  });
}

export interface ClientFiles {
  certFile: string;
  keyFile: string;
  trustedCaFile: string;
  tokenFile: string;
}

const filesOfSidecars: ClientFiles = {
  certFile: `${certificateDirectory}/tls.crt`,
  keyFile: `${certificateDirectory}/tls.key`,
  trustedCaFile: `${certificateDirectory}/ca.crt`,
  tokenFile: tokenPath,
};

/** `files`: default those of a sidecar; `proxy`: URL, default that of the configuration */
type ClientSettings = Pick<ClientConfigInput, 'tuning' | 'logLevel' | 'gateway'> & { files?: ClientFiles; proxy?: string | undefined };

/** Everything but the proxies. */
export function clientSettings({ tuning, logLevel, gateway, files = filesOfSidecars, proxy }: ClientSettings, config: Config): object {
  const { auth, protocol, proxyURL, tls, ...server } = gateway ? gatewaySettings(gateway, files, config) : plainSettings(files, config);
  return {
    ...server,
    loginFailExit: false,
    auth,
    log: { level: logLevel, disablePrintColor: true },
    transport: {
      ...tuning,
      protocol,
      proxyURL: proxy ?? proxyURL,
      tcpMux: true,
      // A server that is gone without a word is noticed in 15 s instead of 40 s.
      tcpMuxKeepaliveInterval: 5,
      // A gateway ends the tunnel of a client that is silent; an upload may keep its questions waiting.
      heartbeatInterval: gateway && 1,
      tls,
    },
  };
}

/** What depends on the server that is dialled. */
interface ServerSettings {
  serverAddr: string;
  serverPort: number;
  user?: string | undefined;
  metadatas?: Record<string, string> | undefined;
  udpPacketSize?: number | undefined;
  auth: object | undefined;
  protocol?: string | undefined;
  proxyURL: string | Template | undefined;
  tls: object;
}

function gatewaySettings({ host, port }: GatewayAddress, { tokenFile, ...certificates }: ClientFiles, { gateway }: Config): ServerSettings {
  return {
    serverAddr: host,
    serverPort: port,
    auth: { method: 'oidc', oidc: { tokenSource: { type: 'file', file: { path: tokenFile } } } },
    proxyURL: gateway.proxySecret === undefined ? gateway.proxyURL : new Template({ env: proxyVariable }),
    tls: { enable: true, ...certificates, serverName: host },
  };
}

function plainSettings(files: ClientFiles, { frps }: Config): ServerSettings {
  const { auth, metadatas, transport, udpPacketSize } = frps;
  return {
    serverAddr: frps.address,
    serverPort: frps.port,
    user: frps.user,
    metadatas: Object.keys(metadatas).length > 0 ? metadatas : undefined,
    udpPacketSize,
    auth: auth && {
      method: 'token',
      tokenSource: { type: 'file', file: { path: frpsTokenPath } },
      additionalScopes: auth.additionalScopes.length > 0 ? auth.additionalScopes : undefined,
    },
    protocol: transport.protocol === 'tcp' ? undefined : transport.protocol,
    proxyURL: transport.proxyURL,
    tls: plainTls(files, frps),
  };
}

function plainTls({ certFile, keyFile, trustedCaFile }: ClientFiles, { tls, caSecret, serverName, address }: Config['frps']): object {
  const name = serverName ?? address;
  switch (tls) {
    case 'mutual':
      return {
        enable: true,
        certFile,
        keyFile,
        trustedCaFile: caSecret === undefined ? trustedCaFile : frpsAuthorityPath,
        serverName: name,
      };
    case 'server':
      return { enable: true, trustedCaFile: caSecret === undefined ? wellKnownAuthorities : frpsAuthorityPath, serverName: name };
    case 'unverified':
      return { enable: true, serverName: name };
    case 'off':
      return { enable: false };
  }
}

export interface ProxyTarget {
  service: DistributedService;
  /** namespace of the service */
  namespace: string;
  localIP: string | Template;
  localPort: number;
  localPorts?: LocalMember['localPorts'];
  /** the end of the proxy's name: who the member is */
  member: Template['parts'];
  /** undefined: the plain frp server */
  gateway?: GatewayAddress | undefined;
  /** for the gateway's agent, and for whoever reads the configuration back */
  metadatas?: Record<string, string> | undefined;
  /** variable of the environment with the group's key on the plain frp server; default FRP_GROUP_KEY */
  key?: string | undefined;
}

export interface Proxy {
  name: Template;
  [field: string]: unknown;
}

/** The proxies of one member: on a plain frp server one for each exposure, on the gateway one for each port of the member. */
export function proxiesOf(target: ProxyTarget, { baseDomain, frps }: Config): Proxy[] {
  if (target.gateway) return backendPortsOf(target.service.spec).map(({ name }) => gatewayProxy(target, name));
  const exposures = exposuresOf(target.service.spec, baseDomain);
  const healthCheck = healthCheckOf(target.service.spec, checkHost(target.service.spec, exposures));
  return exposures.map((exposure) => plainProxy(exposure, target, { useCompression: frps.transport.useCompression, healthCheck }));
}

/**
 * A tunnel to the member and nothing else: the gateway's agent sets the port, and HAProxy does what lies above it. So
 * nothing that can change while a Pod runs is in it.
 */
function gatewayProxy(target: ProxyTarget, port?: string): Proxy {
  const { service, namespace, localIP, member, metadatas } = target;
  return {
    name: new Template(`${namespace}.${service.metadata.name}.${gatewayAgreement(port)}.`, ...member),
    localIP,
    localPort: localPortOf(target, port),
    type: 'tcp',
    metadatas: port === undefined ? metadatas : { ...metadatas, ...portMetadata(port) },
    transport: bandwidthOf(service.spec),
  };
}

/** Where a proxy leads to. @param name of the port, where members have several */
function localPortOf({ service: { spec }, localPort, localPorts }: ProxyTarget, name: string | undefined): number {
  if (name === undefined) return localPort;
  return localPorts?.[name] ?? backendPortsOf(spec).find((each) => each.name === name)?.port ?? localPort;
}

/** One proxy, a member of the service's group for that exposure. */
function plainProxy(
  exposure: Exposure,
  target: ProxyTarget,
  { useCompression, healthCheck }: { useCompression: boolean; healthCheck: object | undefined },
): Proxy {
  const { service, namespace, localIP, member, metadatas, key = 'FRP_GROUP_KEY' } = target;
  const { spec, metadata } = service;
  const agreed = agreement(endpointOf(exposure));
  const port = 'port' in exposure ? exposure.name : undefined;
  return {
    name: new Template(`${namespace}.${metadata.name}.${agreed}.`, ...member),
    localIP,
    localPort: localPortOf(target, port),
    ...endpointOf(exposure),
    ...(exposure.kind === 'http' && headersOf(spec)),
    // Of several ports: who reads the configuration back learns whose it is.
    metadatas: port === undefined ? undefined : { ...metadatas, ...portMetadata(port) },
    // frp has no groups for udp, and ignores the field.
    loadBalancer:
      exposure.kind === 'udp' ? undefined : { group: `${namespace}/${metadata.name}/${agreed}`, groupKey: new Template({ env: key }) },
    healthCheck: exposure.kind === 'udp' ? undefined : healthCheck,
    transport: useCompression ? { ...bandwidthOf(spec), useCompression } : bandwidthOf(spec),
  };
}

/** frps sets headers, and removes none. */
function headersOf(spec: DistributedServiceSpec): object {
  const [request, response] = (['request', 'response'] as const).map((direction) => headerChanges(spec, direction).set);
  const operations = (set: HeaderChanges['set'] = []) => (set.length === 0 ? undefined : { set: Object.fromEntries(set) });
  return { hostHeaderRewrite: hostHeaderOf(spec), requestHeaders: operations(request), responseHeaders: operations(response) };
}

/** frp checks by tcp and http only; https and grpc become tcp. */
function healthCheckOf({ serviceType, loadBalancing }: DistributedServiceSpec, host: string): object | undefined {
  const check = loadBalancing?.healthCheck;
  if (!check || check.enabled === false) return undefined;
  const kind = check.type ?? (serviceType === 'http' ? 'http' : 'tcp');
  return {
    ...(kind === 'http' ? { type: 'http', path: check.path ?? '/health', httpHeaders: checkHeaders(host) } : { type: 'tcp' }),
    intervalSeconds: seconds(check.interval ?? '10s'),
    timeoutSeconds: seconds(check.timeout ?? '3s'),
    maxFailed: check.failureThreshold ?? 3,
  };
}

/** As HAProxy sends them. */
const checkHeaders = (host: string) => [
  { name: 'Host', value: host },
  { name: 'User-Agent', value: checkAgent },
];

function bandwidthOf({ advanced }: DistributedServiceSpec): object | undefined {
  const bandwidth = advanced?.bandwidth;
  if (bandwidth?.limit === undefined) return undefined;
  return { bandwidthLimit: bandwidthLimit(bandwidth.limit), bandwidthLimitMode: bandwidth.mode ?? 'client' };
}
