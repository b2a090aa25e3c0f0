/** All of the users' configuration but the servers, put together from what each service contributes (service-part.ts). */
import { challengeLines, challengesMap } from './challenges.ts';
import { sha256 } from './escape.ts';
import { failoverSections } from './failover.ts';
import { webFrontends } from './frontends.ts';
import { globalSections, workerSocket } from './global.ts';
import { endsTls } from '../../../model/users-certificate.ts';
import { exactMap, wildcardMap } from './host-maps.ts';
import { recoveryFile, recoveryLua } from './recovery.ts';
import type { UsersSettings } from './rendered.ts';
import { rolesMap } from './roles.ts';
import { healthSection, stateMap, stateMapLines } from './replica-state.ts';
import { replicaTlsFiles } from './replica-tls.ts';
import { hostsMap, pathsMap, redirectsMap, wildcardsMap } from './route-rules.ts';
import { webExposures } from './routes.ts';
import type { ServiceConfig } from './service-config.ts';
import { readBy, sectionText, skeletonOf, type ServicePart } from './service-part.ts';
import { tablesFile, tablesLua } from './stick-tables.ts';
import { portsMap, probeFile, probeLua, probeSection } from './tcp-probe.ts';
import { tlsFiles } from './tls.ts';
import { usersSection } from './user-connections.ts';

/** What does not change with the servers. */
export interface Composition {
  /** in the order of their services */
  parts: readonly ServicePart[];
  /** the sections before those of the services */
  text: string;
  /** the maps of ports and roles are among them where they are read, and empty */
  files: ReadonlyMap<string, string>;
  skeleton: string;
  ports: readonly number[];
  problems: readonly string[];
}

export function compose(parts: readonly ServicePart[], settings: UsersSettings): Composition {
  const services = parts.map(({ service }) => service);
  const choices = parts.flatMap(({ routing }) => routing.choices);
  const ports = portsOf(parts);
  const shared = [
    ...webFrontends(services, choices, settings),
    ...failoverSections(services, choices, settings),
    probeSection(settings.directory),
    ...healthSection(settings),
    ...usersSection(settings),
  ];
  const text = sectionText(shared);
  const files = sharedFiles(parts, settings);
  // HAProxy does not know a map or a list that nothing refers to.
  const read = new Set([text, ...ports.values()].flatMap((sections) => [...readBy(sections)]));
  for (const part of parts) for (const path of part.reads) read.add(path);
  for (const path of files.keys()) if (/\.(map|list)$/.test(path) && !read.has(path)) files.delete(path);
  const skeleton = sha256(
    JSON.stringify([globalSections(settings, ''), text, skeletonOf(files), [...ports.keys()], parts.map((part) => part.skeleton)]),
  ).slice(0, 32);
  for (const part of parts) for (const [path, content] of part.files) files.set(path, content);
  return {
    parts,
    text: [sectionText(globalSections(settings, skeleton)), text, ...ports.values()].join('\n'),
    files,
    skeleton,
    ports: [settings.httpPort, settings.httpsPort, ...ports.keys()],
    problems: parts.flatMap(({ problems }) => problems),
  };
}

function sharedFiles(parts: readonly ServicePart[], settings: UsersSettings): Map<string, string> {
  const services = parts.map(({ service }) => service);
  const hosts = new Map(services.flatMap((service) => webExposures(service).map(({ host }): [string, string] => [host, host])));
  return new Map([
    [hostsMap, exactMap(hosts)],
    [wildcardsMap, wildcardMap(hosts)],
    [pathsMap, pathLines(parts)],
    [redirectsMap, redirects(services)],
    [challengesMap, challengeLines(services)],
    [portsMap, ''],
    [rolesMap, ''],
    [recoveryFile, recoveryLua],
    [stateMap, stateMapLines(settings.state)],
    [probeFile, probeLua],
    [tablesFile, tablesLua(`${settings.directory}/${workerSocket}`)],
    ...replicaTlsFiles(settings),
    ...tlsFiles(services),
  ]);
}

/** Every host and path once: the first service has it. */
function pathLines(parts: readonly ServicePart[]): string {
  const lines = new Map<string, string>();
  for (const { routing } of parts) for (const { prefix, value } of routing.paths) if (!lines.has(prefix)) lines.set(prefix, value);
  return [...lines]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([prefix, value]) => `${prefix} ${value}\n`)
    .join('');
}

/** Also while there is no certificate: then users get nothing, and not without TLS what they should get with it. */
const redirects = (services: readonly ServiceConfig[]): string =>
  services
    .filter(({ spec }) => endsTls(spec) && spec.expose?.tls?.redirect)
    .map(({ id }) => `${id} https\n`)
    .join('');

/** Sections of ports, in their order: the first service that asks for one has it. */
function portsOf(parts: readonly ServicePart[]): ReadonlyMap<number, string> {
  const ports = new Map<number, string>();
  for (const { routing } of parts) for (const [port, text] of routing.ports) if (!ports.has(port)) ports.set(port, text);
  return new Map([...ports].sort(([a], [b]) => a - b));
}
