/** What a service claims on the frp server: hosts, paths and ports. Rendering, tenancy and status all start from it. */
import { poolsOf } from './pools.ts';
import { roleCheckOf } from './read-write.ts';
import type { DistributedServiceSpec } from './types.ts';

export type Exposure =
  /** the path is decoded */
  | { kind: 'http'; host: string; path: string }
  /** TLS connections, told apart by the server name in their ClientHello */
  | { kind: 'sni'; host: string }
  /** `name`: of its pool among several (pools.ts) */
  | { kind: 'tcp'; port: number; name?: string }
  | { kind: 'udp'; port: number; name?: string };

/**
 * The exposures of a spec, without duplicates. A spec that breaks the exposure rules (G-1, G-2) may have none.
 * http: every host with its path, or a tcp port for `type: port`. tcp and grpc: the port, or the hosts by SNI where
 * `type` names a host and there is one. udp: the port. tcp and udp have a port for each pool.
 */
export function exposuresOf(spec: DistributedServiceSpec, baseDomain: string | undefined): Exposure[] {
  const expose = spec.expose ?? {};
  const hosts = hostsOf(spec, baseDomain);
  // A port that is 0 is not known yet (random-ports.ts).
  const port = (kind: 'tcp' | 'udp'): Exposure[] => {
    const ports = new Map(poolsOf(spec).flatMap(({ port, name }) => (port ? [[port, name]] : [])));
    return [...ports].map(([port, name]) => (name === undefined ? { kind, port } : { kind, port, name }));
  };
  switch (spec.serviceType) {
    case 'udp':
      return port('udp');
    case 'http':
      if (expose.type === 'port') return port('tcp');
      return hosts.map((host) => ({ kind: 'http', host, path: decodedPath(expose.path ?? '/') }));
    case 'tcp':
    case 'grpc':
      if (expose.type === 'port' || hosts.length === 0 || roleCheckOf(spec)) return port('tcp');
      return hosts.map((host) => ({ kind: 'sni', host }));
  }
}

/** Servers compare it decoded: however it is spelled, it is one path. What is no encoding stays as it is. */
function decodedPath(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

/**
 * Whether a spec names no address of its own. Through the gateway such a service is reached by the routes of others
 * (spec.routes); a plain frp server has no place for it.
 */
export function isRoutedOnly({ serviceType, expose }: DistributedServiceSpec): boolean {
  const { type, domain, subdomain, port } = expose ?? {};
  if (domain !== undefined || subdomain !== undefined || type === 'port' || type === 'subdomain') return false;
  return serviceType === 'http' || (serviceType === 'grpc' && port === undefined);
}

/** The host names of a spec: its domain and its subdomain below the base domain. */
export function hostsOf(spec: DistributedServiceSpec, baseDomain: string | undefined): string[] {
  const { domain, subdomain } = spec.expose ?? {};
  // The schema refuses every other type, and a webhook that throws would hide what it says.
  const hosts = typeof domain === 'string' ? [domain] : [];
  if (subdomain !== undefined && baseDomain !== undefined) hosts.push(`${subdomain}.${baseDomain}`);
  return [...new Set(hosts)];
}

/** Paths at which requests come in by exposures of http or grpc, decoded. */
export const webPaths = (exposures: readonly Exposure[]): string[] =>
  exposures.map((exposure) => (exposure.kind === 'http' ? exposure.path : '/'));

/** For people: `llm.example.com/v1`, `db.example.com (TLS)`, `tcp port 5432`. */
export function describeExposure(exposure: Exposure): string {
  switch (exposure.kind) {
    case 'http':
      return `${exposure.host}${exposure.path}`;
    case 'sni':
      return `${exposure.host} (TLS)`;
    case 'tcp':
    case 'udp':
      return `${exposure.kind} port ${exposure.port}`;
  }
}
