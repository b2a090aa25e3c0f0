/**
 * What a configuration of frpc means to users: at which place they reach which backend, checked and limited how. Computed from
 * frp's fields alone, so that what frp read and what frp-k8s renders can be compared.
 */
import { defaultConfig, configSchema, type Config } from '../../src/config/schema.ts';
import { defaulted } from '../../src/model/defaults.ts';
import type { JsonObject } from '../../src/model/json.ts';
import type { DistributedService } from '../../src/model/types.ts';
import { proxiesOf } from '../../src/frp/client-config.ts';
import { toFrpJson } from '../../src/frp/template.ts';
import type { Migration } from '../../src/migrate/migrate.ts';

export interface Meaning {
  place: string;
  backend: string;
  check: string;
  bandwidth: string;
  /** what the app is asked for */
  host: string;
  /** set in requests and answers */
  headers: string;
}

interface Operations {
  set?: Record<string, string>;
}

interface FrpProxy {
  type?: string;
  localIP?: string;
  localPort?: number;
  remotePort?: number;
  customDomains?: string[];
  subdomain?: string;
  locations?: string[];
  hostHeaderRewrite?: string;
  requestHeaders?: Operations;
  responseHeaders?: Operations;
  plugin?: { type?: string; localAddr?: string; hostHeaderRewrite?: string; requestHeaders?: Operations };
  healthCheck?: { type?: string; path?: string; intervalSeconds?: number; timeoutSeconds?: number; maxFailed?: number };
  transport?: { bandwidthLimit?: string; bandwidthLimitMode?: string };
}

const terminating = ['https2http', 'tls2raw'];

/** @param baseDomain frps' subDomainHost @param localHost in place of the machine itself */
export function meaningsOf(proxy: FrpProxy, baseDomain?: string, localHost?: string): Meaning[] {
  const { plugin } = proxy;
  const backend =
    plugin?.type === undefined ? `${hostOf(proxy.localIP, localHost)} ${proxy.localPort}` : pluginBackend(plugin.localAddr, localHost);
  const places = placesOf(proxy, baseDomain).map((place) =>
    terminating.includes(plugin?.type ?? '') ? place.replace(/^https /, 'tls ') : place,
  );
  return places.map((place) => ({
    place,
    backend,
    check: checkOf(proxy),
    bandwidth: bandwidthOf(proxy),
    host: plugin?.hostHeaderRewrite ?? proxy.hostHeaderRewrite ?? '',
    headers: headersOf(proxy),
  }));
}

function placesOf(
  { type = 'tcp', remotePort, customDomains = [], subdomain, locations = [] }: FrpProxy,
  baseDomain: string | undefined,
): string[] {
  if (type === 'tcp' || type === 'udp') return [`${type} ${remotePort ?? 0}`];
  const hosts = [...customDomains, ...(subdomain ? [`${subdomain}.${baseDomain ?? '?'}`] : [])].map((host) => host.toLowerCase());
  if (type !== 'http') return hosts.map((host) => `${type} ${host}`);
  return hosts.flatMap((host) => (locations.length > 0 ? locations : ['/']).map((location) => `http ${host} ${location || '/'}`));
}

const own = ['', '127.0.0.1', 'localhost', '0.0.0.0', '::1', 'host.docker.internal'];

function hostOf(host = '127.0.0.1', localHost?: string): string {
  const bare = host.replace(/^\[(.*)\]$/, '$1');
  return own.includes(bare) ? (localHost ?? 'own') : bare;
}

function pluginBackend(address = '', localHost?: string): string {
  const at = address.lastIndexOf(':');
  return `${hostOf(address.slice(0, at), localHost)} ${address.slice(at + 1)}`;
}

function headersOf({ requestHeaders, responseHeaders, plugin }: FrpProxy): string {
  const merged = (...all: (Operations | undefined)[]) =>
    new Map(all.flatMap((operations) => Object.entries(operations?.set ?? {}).map(([name, value]) => [name.toLowerCase(), value])));
  const text = (set: ReadonlyMap<string, string>) => JSON.stringify([...set].sort());
  return `${text(merged(requestHeaders, plugin?.requestHeaders))} ${text(merged(responseHeaders))}`;
}

/** frp client/health/health.go */
function checkOf({ type, healthCheck: check = {} }: FrpProxy): string {
  if (!check.type || type === 'udp') return 'none';
  const [interval, timeout, failed] = [
    positive(check.intervalSeconds, 10),
    positive(check.timeoutSeconds, 3),
    positive(check.maxFailed, 1),
  ];
  const path = check.type === 'http' ? (check.path?.startsWith('/') ? check.path : `/${check.path ?? ''}`) : '';
  return `${check.type} ${path} every ${interval}s for ${timeout}s, ${failed} times`;
}

const positive = (value = 0, otherwise: number): number => (value > 0 ? value : otherwise);

function bandwidthOf({ transport: { bandwidthLimit, bandwidthLimitMode } = {} }: FrpProxy): string {
  if (!bandwidthLimit) return 'none';
  return `${Math.floor(Number.parseFloat(bandwidthLimit) * (bandwidthLimit.endsWith('MB') ? 1024 * 1024 : 1024))} by ${bandwidthLimitMode || 'client'}`;
}

/** What the services of a migration mean, rendered for a plain frp server by the code that sidecars and connectors get theirs from. */
export function meaningsOfMigration({ config: keys, services }: Migration): Meaning[] {
  const config: Config = configSchema.safeParse(keys).data ?? defaultConfig;
  return services.flatMap(({ service: object, ports }) => {
    const { spec, ...rest } = defaulted(object) as unknown as DistributedService;
    const { backends, expose } = spec;
    const isPicked = expose?.port === 0;
    // Only proxies of a plain server say where users come, and no such server picks a port.
    const service = isPicked ? { ...rest, spec: { ...spec, gateway: false, expose: { ...expose, port: 30_000 } } } : { ...rest, spec };
    const targets =
      backends.endpoints?.map(({ host, port }) => ({ localIP: host, localPort: port })) ??
      ports.map((port) => ({ localIP: 'localhost', localPort: port }));
    const proxies = targets.flatMap((target) => proxiesOf({ service, namespace: 'default', member: ['m'], ...target }, config));
    return proxies
      .flatMap((proxy) => meaningsOf(JSON.parse(toFrpJson(proxy)) as FrpProxy))
      .map((meaning) => (isPicked ? { ...meaning, place: 'tcp 0' } : meaning))
      .map((meaning) => ({ ...meaning, place: expose?.tls ? meaning.place.replace(/^(http|https) ([^ ]+).*$/, 'tls $2') : meaning.place }));
  });
}

/** Fields of a proxy that have an effect beyond place, backend, check and bandwidth, and are set. */
export function furtherFields(proxy: JsonObject): string[] {
  const at = (path: string) => path.split('.').reduce<unknown>((value, name) => (value as JsonObject | undefined)?.[name], proxy);
  return further.filter((path) => saysSomething(at(path)));
}

const saysSomething = (value: unknown): boolean =>
  typeof value === 'object' && value !== null ? Object.values(value).some(saysSomething) : Boolean(value);

const further = [
  'httpUser',
  'httpPassword',
  'routeByHTTPUser',
  'metadatas',
  'annotations',
  'loadBalancer.groupKey',
  'healthCheck.httpHeaders',
  'transport.useEncryption',
  'transport.useCompression',
  'transport.proxyProtocolVersion',
];
