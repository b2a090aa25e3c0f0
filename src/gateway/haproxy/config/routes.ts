/**
 * Which backend a request goes to. Hosts and paths are looked up in maps, whatever their number; only routes with
 * conditions or weights (spec.routes) are rules, which all requests of HAProxy pass.
 *
 * A route table is what the lookup of host and path ends at: the service that was asked for (`entry`, whose access rules hold)
 * and where its requests go.
 */
import { splitPartKey } from '../../../model/pools.ts';
import { isBelow, routePath, segments } from '../../../model/route-paths.ts';
import { hostPattern } from './host-maps.ts';
import type { ServiceConfig } from './service-config.ts';
import { sha256 } from './escape.ts';

/** Where the requests of a path go: the first choice that matches, or else `defaultBackend`. */
export interface RouteTable {
  /** in maps and rules */
  id: string;
  entry: ServiceConfig;
  choices: readonly Choice[];
  defaultBackend: ServiceConfig;
  /** of replicas: the primary, which stands in for them while there is none */
  standIn?: ServiceConfig | undefined;
}

export interface Choice {
  /** exact values, as SHA-256 in hexadecimal */
  headers: readonly { name: string; hash: string }[];
  /** weights above 0 */
  groups: readonly { target: ServiceConfig; weight: number }[];
}

/** One line of the map of paths. */
export interface PathEntry {
  /** host (or wildcard) and path with a slash at its end, so that a prefix ends with a segment: `a.example.com/v1/` */
  prefix: string;
  table: RouteTable;
}

type Services = ReadonlyMap<string, ServiceConfig>;

/** Whether a decoded path may be in a map and in a command about it. */
const isPlain = (path: string): boolean => /^\/[A-Za-z0-9_/.~!$&'()+,=:@\u0080-\uffff-]*$/.test(path);

/** Entries of a service's hosts, paths and ports. */
export const entriesOf = (entry: ServiceConfig, services: Services): PathEntry[] =>
  entry.mode !== 'http'
    ? []
    : [...webExposures(entry), ...portExposures(entry)].flatMap(({ host, path }) =>
        routeTables(entry, path, services).map(([below, table]) => ({ prefix: `${host}${below}/`, table })),
      );

/** Names (namespace/name) of the services that the routes of a service lead to, and of what stands in for it. */
export const targetKeys = (service: ServiceConfig): string[] => [
  ...new Set([
    ...(service.spec.routes ?? []).flatMap(({ groups }) => (groups ?? []).map(({ name }) => `${service.namespace}/${name}`)),
    ...standInKeys(service),
  ]),
];

const standInKeys = ({ key, role }: ServiceConfig): string[] => (role === 'replica' ? [splitPartKey(key)[0]] : []);

/** Hosts and paths that a service is reached at over HTTP. gRPC hosts whose TLS ends here are among them. */
export function webExposures({ exposures, mode, pem }: ServiceConfig): { host: string; path: string }[] {
  if (mode !== 'http') return [];
  return exposures.flatMap((exposure) => {
    if (exposure.kind === 'http' && hostPattern(exposure.host) && isPlain(exposure.path))
      return [{ host: exposure.host, path: segments(exposure.path) }];
    return exposure.kind === 'sni' && pem !== undefined && hostPattern(exposure.host) ? [{ host: exposure.host, path: '' }] : [];
  });
}

const portExposures = (service: ServiceConfig): { host: string; path: string }[] => [
  ...service.exposures.flatMap((exposure) => (exposure.kind === 'tcp' ? [{ host: portSite(exposure.port), path: '' }] : [])),
  ...clusterExposures(service),
];

/** Its ClusterIP Service has of a service what users have of it: what is below its path. */
function clusterExposures({ clusterPort, exposures }: ServiceConfig): { host: string; path: string }[] {
  if (clusterPort === undefined) return [];
  const path = exposures.find((exposure) => exposure.kind === 'http')?.path ?? '/';
  return isPlain(path) ? [{ host: portSite(clusterPort), path: segments(path) }] : [];
}

/** The route tables of a service at `path` and at the paths of its routes below it. */
function routeTables(entry: ServiceConfig, path: string, services: Services): [string, RouteTable][] {
  const paths = new Set([path]);
  for (const route of entry.spec.routes ?? []) {
    const top = routePath(route.path);
    if (isPlain(`${top}/`) && isBelow(top, path)) paths.add(top);
  }
  return [...paths].map((below) => [below, routeTableAt(entry, below, services)]);
}

/** What a request for `path`, or for what is below it down to the next table, meets: every route above it, in their order. */
export function routeTableAt(entry: ServiceConfig, path: string, services: Services): RouteTable {
  const choices: Choice[] = [];
  for (const route of entry.spec.routes ?? []) {
    if (!isBelow(path, routePath(route.path))) continue;
    const headers = Object.entries(route.headers ?? {});
    // A name that no header can have matches nothing.
    if (headers.some(([name]) => !/^[A-Za-z0-9_-]{1,128}$/.test(name))) continue;
    const groups = (route.groups ?? []).flatMap(({ name, weight = 1 }) => {
      const target = services.get(`${entry.namespace}/${name}`);
      return target?.mode === entry.mode && weight > 0 ? [{ target, weight }] : [];
    });
    if (groups.length === 0) continue;
    choices.push({ headers: headers.map(([name, value]) => ({ name, hash: sha256(value) })), groups });
    if (headers.length === 0) break;
  }
  const last = choices.at(-1);
  const only = last?.headers.length === 0 && last.groups.length === 1 ? last.groups[0]!.target : undefined;
  const defaultBackend = only ?? entry;
  const conditional = only === undefined ? choices : choices.slice(0, -1);
  const id = `r-${sha256(JSON.stringify([entry.key, defaultBackend.key, conditional.map(idOf)])).slice(0, 16)}`;
  const [standIn] = standInKeys(entry).flatMap((key) => services.get(key) ?? []);
  return { id, entry, choices: conditional, defaultBackend, standIn };
}

const idOf = ({ headers, groups }: Choice) => [headers, groups.map(({ target, weight }) => [target.key, weight])];

/** Backends that a route table may lead to. */
export const targets = ({ choices, defaultBackend, standIn }: RouteTable): ServiceConfig[] => [
  ...choices.flatMap(({ groups }) => groups.map(({ target }) => target)),
  defaultBackend,
  ...(standIn === undefined ? [] : [standIn]),
];

/** What stands for the host in the map of paths, where a service has a port for itself. */
export const portSite = (port: number): string => `:${port}`;
