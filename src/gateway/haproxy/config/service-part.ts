/**
 * What one service contributes to the configuration. It depends on the service and on those that its routes lead to, or
 * whose routes lead to it, and on nothing else, so it is remembered until one of them changes. Its servers, which come and go
 * with its Pods, depend on it and are in nothing else.
 */
import { clusterPortEndsTls } from '../../../model/cluster-service.ts';
import { endsTls } from '../../../model/users-certificate.ts';
import { backendSection } from './backend.ts';
import { sha256 } from './escape.ts';
import { portFrontend } from './frontends.ts';
import { checkChoices, checkLines, checkMap, maxEntries } from './limits.ts';
import type { Memory } from './memory.ts';
import { rateTables } from './rate-limits.ts';
import type { BackendServer } from '../../ir/ir.ts';
import type { Rendered, Server, UsersSettings } from './rendered.ts';
import { rolesMapLines } from './roles.ts';
import { choiceRules, routeTableValue } from './route-rules.ts';
import { entriesOf, targetKeys, targets, routeTableAt, type RouteTable } from './routes.ts';
import { serverLine, serversOf } from './servers.ts';
import { idleTime, type ServiceConfig } from './service-config.ts';
import { portsMapLines } from './tcp-probe.ts';
import { certificateFile, sniHosts } from './tls.ts';

/** How a service is reached. */
export interface Routing {
  /** of the map of paths; in the order of the service's hosts */
  paths: readonly { prefix: string; value: string }[];
  tables: readonly RouteTable[];
  /** rules of its routes, for the frontends that all share */
  choices: readonly string[];
  /** sections of the ports that it asks for */
  ports: ReadonlyMap<number, string>;
  /** hosts of TLS that is told apart by server name */
  sniHosts: readonly string[];
}

export interface ServicePart {
  service: ServiceConfig;
  routing: Routing;
  /** sections, without the servers; those end the last one */
  text: string;
  /** maps and lists that its sections read */
  reads: ReadonlySet<string>;
  files: ReadonlyMap<string, string>;
  /** hash of all that needs a reload when it changes */
  skeleton: string;
  problems: readonly string[];
}

export interface ServersPart {
  servers: readonly Server[];
  /** lines that end its last section */
  text: string;
  /** lines of the map of ports, and of that of roles */
  portsMap: string;
  rolesMap: string;
}

type Services = ReadonlyMap<string, ServiceConfig>;
interface Context {
  settings: UsersSettings;
  /** of the settings */
  hash: string;
  memory: Memory;
}

export const sectionText = (sections: readonly (readonly string[])[]): string =>
  sections
    .filter((lines) => lines.length > 0)
    .map((lines) => `${lines.join('\n')}\n`)
    .join('\n');

/** @throws Error where it cannot be served */
export function routingOf(service: ServiceConfig, services: Services, { settings, hash, memory }: Context): Routing {
  const others = targetKeys(service).map((key) => services.get(key));
  return memory.recall('routing', service.key, [service, hash, ...others], () => {
    const entries = entriesOf(service, services);
    const { exposures, clusterPort } = service;
    const ports = [
      ...exposures.flatMap((exposure) => (exposure.kind === 'tcp' ? [{ port: exposure.port, isTls: endsTls(service.spec) }] : [])),
      ...(clusterPort === undefined ? [] : [{ port: clusterPort, isTls: clusterPortEndsTls(service.spec) }]),
    ];
    const portTable = routeTableAt(service, '', services);
    const tables = [
      ...new Map(
        [...entries.map(({ table }) => table), ...(ports.length > 0 ? [portTable] : [])].map((table) => [table.id, table]),
      ).values(),
    ];
    const choices = service.mode === 'http' ? choiceRules(tables) : [];
    checkChoices(choices);
    const paths = entries.map(({ prefix, table }) => ({ prefix, value: routeTableValue(table) }));
    checkMap(paths.map(({ prefix, value }) => `${prefix} ${value}\n`).join(''));
    const sections = new Map(
      ports.map(({ port, isTls }) => {
        const own = service.mode === 'http' ? choices : choiceRules([portTable], 'tcp-request content');
        const lines = portFrontend(port, portTable, own, { settings, isTls });
        checkLines(lines.flat());
        return [port, sectionText(lines)];
      }),
    );
    return { paths, tables, choices, ports: sections, sniHosts: sniHosts(service) };
  });
}

/**
 * @param entries services whose routes lead here, itself among them
 * @throws Error where it cannot be served
 */
export function partOf(
  { service, problems }: { service: ServiceConfig; problems: readonly string[] },
  routing: Routing,
  entries: readonly ServiceConfig[],
  { settings, hash, memory }: Context,
): ServicePart {
  return memory.recall('part', service.key, [service, routing, hash, ...entries], () => {
    if (entries.length > maxEntries)
      throw new Error(`the routes of ${entries.length} services lead to it, above the limit of ${maxEntries}; use fewer`);
    idleTime(service);
    const section = backendSection(service, { entries, settings });
    const sections = [...rateTables(service, settings), section.entrance, section.lines];
    checkLines(sections.flat());
    for (const [path, text] of section.files) if (path.endsWith('.map')) checkMap(text);
    const text = sectionText(sections);
    return {
      service,
      routing,
      text,
      reads: readBy(text),
      files: service.pem === undefined ? section.files : new Map([...section.files, [certificateFile(service), service.pem]]),
      skeleton: sha256(JSON.stringify([text, [...routing.ports], skeletonOf(section.files)])),
      problems: [...problems, ...section.problems],
    };
  });
}

/** @throws Error where it cannot be served */
export const serversPartOf = (service: ServiceConfig, backends: readonly BackendServer[], memory: Memory): ServersPart =>
  memory.recall('servers', service.key, [service, backends], () => {
    const servers = serversOf(service, backends);
    const text = servers.map((server) => `${serverLine(server)}\n`).join('');
    return { servers, text, portsMap: portsMapLines(servers), rolesMap: rolesMapLines(servers) };
  });

/** Maps and lists that sections name. */
export const readBy = (text: string): ReadonlySet<string> => new Set(text.match(/\b(maps|certs)\/[a-z0-9-]+\.(map|list)\b/g));

/** Whether a running HAProxy can be told of a change of the file. */
export const isLive = (path: string): boolean => path.startsWith('maps/') || path.startsWith('certs/');

/** What needs a reload: that a map exists, but not what is in it; other files as they are. */
export const skeletonOf = (files: Rendered['files']): unknown[] =>
  [...files]
    .filter(([path]) => path.startsWith('maps/') || !isLive(path))
    .map(([path, text]) => (isLive(path) ? path : [path, text]))
    .sort((a, b) => (String(a) < String(b) ? -1 : 1));

/** Services by backend: whose access rules its requests may have to pass. Its own service's always. */
export function entriesByTarget(routings: Iterable<readonly [ServiceConfig, Routing]>): ReadonlyMap<string, readonly ServiceConfig[]> {
  const found = new Map<string, Set<ServiceConfig>>();
  const all = [...routings];
  for (const [service] of all) found.set(service.backend, new Set([service]));
  for (const [, { tables }] of all)
    for (const table of tables) for (const target of targets(table)) found.get(target.backend)?.add(table.entry);
  return new Map([...found].map(([backend, entries]) => [backend, [...entries]]));
}
