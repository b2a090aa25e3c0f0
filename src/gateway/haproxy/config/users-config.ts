/** The configuration of the users' HAProxy: routing, balancing, checks and access for every service of a view. */
import type { View } from '../../ir/ir.ts';
import { backendSection } from './backend.ts';
import { portsMap } from './tcp-probe.ts';
import { exactMap, wildcardMap } from './host-maps.ts';
import { portFrontends, webFrontends } from './frontends.ts';
import { globalSections, workerSocket } from './global.ts';
import { failoverSections } from './failover.ts';
import { probeFile, probeLua, probeSection, portsMapLines } from './tcp-probe.ts';
import { entriesByTarget, pathEntries, wayAt, webExposures } from './routes.ts';
import { hostsMap, pathsMap, redirectsMap, wayValue, wildcardsMap } from './route-rules.ts';
import { recoveryFile, recoveryLua } from './recovery.ts';
import { healthSection, stateMap, stateMapLines } from './replica-state.ts';
import { rateTables } from './rate-limits.ts';
import { serverLine, serversOf } from './servers.ts';
import { servedOf, type ServiceConfig } from './service-config.ts';
import { tablesFile, tablesLua } from './stick-tables.ts';
import { sha256 } from './escape.ts';
import { tlsFiles } from './tls.ts';
import type { Rendered, Server, UsersSettings } from './rendered.ts';

/** Pure: the same view and settings give the same result on every replica. Nothing in a view makes it throw. */
export function renderUsers(view: View, settings: UsersSettings): Rendered {
  const problems: string[] = [];
  const services = new Map(servedOf(view, problems).map((served) => [served.key, served]));
  const servers = new Map([...services.values()].map((served) => [served.pool, serversOf(served)]));
  const entries = pathEntries(services);
  const portWays = portWaysOf(services);
  for (const [port, { entry }] of portWays)
    if (settings.unusablePorts?.has(port)) {
      problems.push(`${entry.key}: the gateway cannot listen on port ${port}`);
      portWays.delete(port);
    }
  const ways = new Map([...entries.map(({ way }) => way), ...portWays.values()].map((way) => [way.id, way]));
  const entriesOf = entriesByTarget(services, ways.values());

  const backends = [...services.values()].map((served) =>
    backendSection(served, { entries: entriesOf.get(served.backend) ?? [served], settings, problems }),
  );
  const files = new Map<string, string>([
    [hostsMap, exactMap(hosts(services))],
    [wildcardsMap, wildcardMap(hosts(services))],
    [pathsMap, entries.map(({ prefix, way }) => `${prefix} ${wayValue(way)}\n`).join('')],
    [redirectsMap, redirects(services)],
    [portsMap, portsMapLines([...servers.values()].flat())],
    [recoveryFile, recoveryLua],
    [stateMap, stateMapLines(settings.state)],
    [probeFile, probeLua],
    [tablesFile, tablesLua(`${settings.directory}/${workerSocket}`)],
    ...tlsFiles(services, settings.directory),
    ...backends.flatMap((backend) => [...backend.files]),
  ]);
  const before = [
    ...webFrontends(services.values(), ways.values(), settings),
    ...portFrontends(portWays, ways.values(), settings),
    ...failoverSections(services.values(), ways.values(), settings),
    probeSection(settings.directory),
    ...healthSection(settings),
    ...rateTables(services.values(), settings),
    ...backends.map(({ entrance }) => entrance),
  ];
  const ports = [settings.httpPort, settings.httpsPort, ...portWays.keys()];
  return { ...assemble({ before, backends, servers, files, settings }), ports, problems };
}

interface Parts {
  before: readonly (readonly string[])[];
  backends: readonly { name: string; lines: readonly string[] }[];
  servers: ReadonlyMap<string, readonly Server[]>;
  files: Map<string, string>;
  settings: UsersSettings;
}

function assemble({ before, backends, servers, files, settings }: Parts): Omit<Rendered, 'ports' | 'problems'> {
  const withoutServers = [...before, ...backends.map(({ lines }) => lines)];
  const text = withoutServers.flat().join('\n');
  // HAProxy does not know a map or a list that nothing refers to.
  for (const path of files.keys()) if (/\.(map|list)$/.test(path) && !text.includes(`/${path}`)) files.delete(path);
  const fixed = [...files].filter(([path]) => !isLive(path)).sort();
  // That a map exists needs a reload, what is in it does not.
  const skeleton = sha256(
    JSON.stringify([globalSections(settings, ''), withoutServers, fixed, [...files.keys()].filter(isMap).sort()]),
  ).slice(0, 32);
  const sections = [
    ...globalSections(settings, skeleton),
    ...before,
    ...backends.map(({ name, lines }) => [...lines, ...(servers.get(name) ?? []).map(serverLine)]),
  ];
  const config = sections.map((lines) => `${lines.join('\n')}\n`).join('\n');
  return { config, files, skeleton, servers };
}

const isMap = (path: string): boolean => path.startsWith('maps/');
/** Whether a running HAProxy can be told of a change of the file. */
export const isLive = (path: string): boolean => isMap(path) || path.startsWith('certs/');

const hosts = (services: ReadonlyMap<string, ServiceConfig>): ReadonlyMap<string, string> =>
  new Map([...services.values()].flatMap((served) => webExposures(served).map(({ host }): [string, string] => [host, host])));

/** Also while there is no certificate: then users get nothing, and not without TLS what they should get with it. */
const redirects = (services: ReadonlyMap<string, ServiceConfig>): string =>
  [...services.values()]
    .filter(({ spec }) => spec.expose?.tls?.secretName !== undefined && spec.expose.tls.redirect)
    .map(({ id }) => `${id} https\n`)
    .join('');

/** By port: the first service that has it. */
function portWaysOf(services: ReadonlyMap<string, ServiceConfig>) {
  const ways = new Map<number, ReturnType<typeof wayAt>>();
  for (const served of services.values())
    for (const exposure of served.given.exposures)
      if (exposure.kind === 'tcp' && !ways.has(exposure.port)) ways.set(exposure.port, wayAt(served, '', services));
  return new Map([...ways].sort(([a], [b]) => a - b));
}
