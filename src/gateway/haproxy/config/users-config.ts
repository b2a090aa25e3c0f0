/**
 * The configuration of the users' HAProxy: routing, balancing, checks and access for every service of a view. It is put
 * together from what each service contributes (service-part.ts); one that contributes what HAProxy could not take is left out.
 */
import type { View } from '../../ir/ir.ts';
import { serviceKey } from '../../../model/store.ts';
import { exactMap, wildcardMap } from './host-maps.ts';
import { webFrontends } from './frontends.ts';
import { globalSections, workerSocket } from './global.ts';
import { failoverSections } from './failover.ts';
import { NamespaceShare } from './limits.ts';
import { Memory } from './memory.ts';
import { portsMap, probeFile, probeLua, probeSection } from './tcp-probe.ts';
import { webExposures } from './routes.ts';
import { hostsMap, pathsMap, redirectsMap, wildcardsMap } from './route-rules.ts';
import { recoveryFile, recoveryLua } from './recovery.ts';
import { healthSection, stateMap, stateMapLines } from './replica-state.ts';
import { replicaTlsFiles } from './replica-tls.ts';
import { serviceConfigOf, type ServiceConfig } from './service-config.ts';
import { entriesByTarget, partOf, routingOf, readBy, sectionText, skeletonOf, type Routing, type ServicePart } from './service-part.ts';
import { tablesFile, tablesLua } from './stick-tables.ts';
import { sha256 } from './escape.ts';
import { tlsFiles } from './tls.ts';
import { usersSection } from './user-connections.ts';
import type { Rendered, UsersSettings } from './rendered.ts';

/**
 * Pure: the same view and settings give the same result on every replica, whatever the memory. Nothing in a view makes it
 * throw: a service whose part fails is in `failed`, and the others are rendered as if it were not there.
 * @param memory of earlier calls; saves the time for what has not changed
 */
export function renderUsers(view: View, settings: UsersSettings, memory = new Memory()): Rendered {
  const failed = new Map(view.failed);
  let given = view.services.filter(({ service }) => service.spec.serviceType !== 'udp' && !failed.has(serviceKey(service)));
  for (;;) {
    const { parts, failures } = partsOf(given, settings, memory);
    if (failures.size === 0) {
      memory.sweep();
      return Object.assign(compose(parts, settings), { failed });
    }
    for (const [key, reason] of failures) failed.set(key, reason);
    given = given.filter(({ service }) => !failures.has(serviceKey(service)));
  }
}

/** Settings that nothing in the part of a service depends on. */
const ofProcess = new Set(['lingerSeconds', 'accessLog', 'state']);

/** The parts of all services; where one fails, the others' are worth nothing, because it may be in them. */
function partsOf(
  given: View['services'],
  settings: UsersSettings,
  memory: Memory,
): { parts: ServicePart[]; failures: Map<string, string> } {
  const context = { settings, hash: sha256(JSON.stringify(Object.entries(settings).filter(([name]) => !ofProcess.has(name)))), memory };
  const failures = new Map<string, string>();
  const trying = <T>(key: string, make: () => T): T[] => {
    try {
      return [make()];
    } catch (error) {
      failures.set(key, (error as Error).message);
      return [];
    }
  };
  const all = given.flatMap((one) => {
    const key = serviceKey(one.service);
    return trying(key, () => memory.recall(`service ${key}`, [one], () => serviceConfigOf(one, memory)));
  });
  const services = new Map(all.map(({ service }) => [service.key, service]));
  const routings = new Map(
    all.flatMap(({ service }) => trying(service.key, (): [ServiceConfig, Routing] => [service, routingOf(service, services, context)])),
  );
  if (failures.size > 0) return { parts: [], failures };
  const entriesOf = entriesByTarget(routings);
  const parts = all.flatMap((one) =>
    trying(one.service.key, () => partOf(one, routings.get(one.service)!, entriesOf.get(one.service.backend)!, context)),
  );
  for (const [key, reason] of beyondShare(parts)) failures.set(key, reason);
  return { parts, failures };
}

/** The last services of a namespace that asks for more than its share of the configuration. */
function beyondShare(parts: readonly ServicePart[]): [key: string, reason: string][] {
  const shares = new Map<string, NamespaceShare>();
  return parts.flatMap(({ service: { key, namespace }, text, routing }): [string, string][] => {
    let share = shares.get(namespace);
    if (!share) shares.set(namespace, (share = new NamespaceShare()));
    const reason = share.take(text, routing.choices);
    return reason === undefined ? [] : [[key, reason]];
  });
}

function compose(parts: readonly ServicePart[], settings: UsersSettings): Omit<Rendered, 'failed'> {
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
  const whole = () =>
    [sectionText(globalSections(settings, skeleton)), text, ...ports.values(), ...parts.map((part) => part.text + part.serverText)].join(
      '\n',
    );
  let config: string | undefined;
  return {
    // Megabytes, which a change that runtime calls can make does not need until it is put on disk.
    get config() {
      return (config ??= whole());
    },
    files,
    skeleton,
    servers: new Map(parts.map(({ service, servers }) => [service.pool, servers])),
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
    [portsMap, parts.map((part) => part.portsMap).join('')],
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
    .filter(({ spec }) => spec.expose?.tls?.secretName !== undefined && spec.expose.tls.redirect)
    .map(({ id }) => `${id} https\n`)
    .join('');

/** Sections of ports, in their order: the first service that asks for one has it. */
function portsOf(parts: readonly ServicePart[]): ReadonlyMap<number, string> {
  const ports = new Map<number, string>();
  for (const { routing } of parts) for (const [port, text] of routing.ports) if (!ports.has(port)) ports.set(port, text);
  return new Map([...ports].sort(([a], [b]) => a - b));
}
