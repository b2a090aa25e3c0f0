/**
 * The configuration of the users' HAProxy: routing, balancing, checks and access for every service of a view. One that
 * contributes what HAProxy could not take is left out. What a change costs is what has changed, but for looking whether each
 * value is still the same object: a service, what all of them come to without servers, the servers of a service.
 */
import type { ServedService, View } from '../../ir/ir.ts';
import { keyOf } from '../../ir/service-key.ts';
import { compose, type Composition } from './composition.ts';
import { NamespaceShare } from './limits.ts';
import { Memory } from './memory.ts';
import { serviceConfigOf, type ServiceConfig } from './service-config.ts';
import { entriesByTarget, partOf, routingOf, serversPartOf, type Routing, type ServicePart, type ServersPart } from './service-part.ts';
import { rolesMap } from './roles.ts';
import { portsMap } from './tcp-probe.ts';
import { sha256 } from './escape.ts';
import type { Rendered, UsersSettings } from './rendered.ts';

/** Rendering with places where other work may go first. */
export type Rendering<T = Rendered> = Generator<void, T>;

/** As `renderingUsers`, at once. */
export function renderUsers(view: View, settings: UsersSettings, memory = new Memory()): Rendered {
  const rendering = renderingUsers(view, settings, memory);
  for (;;) {
    const { done, value } = rendering.next();
    if (done) return value;
  }
}

/**
 * Pure: the same view and settings give the same result on every replica, whatever the memory. Nothing in a view makes it
 * throw: a service whose part fails is in `failed`, and the others are rendered as if it were not there.
 * @param memory of earlier calls; saves the time for what has not changed
 */
export function* renderingUsers(view: View, settings: UsersSettings, memory: Memory): Rendering {
  const failed = new Map(view.failed);
  let given = view.services.filter(({ service }) => service.spec.serviceType !== 'udp' && !failed.has(keyOf(service)));
  for (let round = 0; ; round++) {
    const outcome = yield* attempt(given, settings, { memory, round });
    if ('rendered' in outcome) {
      memory.sweep();
      // Not a copy: that would put the whole text together.
      return Object.assign(outcome.rendered, { failed });
    }
    for (const [key, reason] of outcome.failures) failed.set(key, reason);
    given = given.filter(({ service }) => !outcome.failures.has(keyOf(service)));
  }
}

/** Reasons by service. */
type Failures = Map<string, string>;
type Checked = Readonly<ReturnType<typeof serviceConfigOf>>;
interface Round {
  memory: Memory;
  /** services that failed before are not there any more, each time anew: so what is remembered is of one round */
  round: number;
}

/** Where the part of a service fails, the others' are worth nothing, because it may be in them. */
function* attempt(
  given: readonly ServedService[],
  settings: UsersSettings,
  { memory, round }: Round,
): Rendering<{ rendered: Omit<Rendered, 'failed'> } | { failures: ReadonlyMap<string, string> }> {
  const failures: Failures = new Map();
  const all: Checked[] = [];
  for (const { service, role, exposures, clusterPort, access, certificate, challenges, profile } of given) {
    yield;
    const key = keyOf(service);
    const made = trying(failures, key, () =>
      memory.recall('service', key, [service, role, exposures, clusterPort, access, certificate, challenges, profile], () =>
        serviceConfigOf({ service, role, exposures, clusterPort, access, certificate, challenges, profile }, memory),
      ),
    );
    if (made) all.push(made);
  }
  if (failures.size > 0) return { failures };
  const composed = yield* memory.recallSlowly('composition', `${round}`, [JSON.stringify(settings), ...all], () =>
    composition(all, settings, memory),
  );
  if ('failures' in composed) return composed;
  const servers: ServersPart[] = [];
  for (const [index, { service }] of all.entries()) {
    yield;
    const made = trying(failures, service.key, () => serversPartOf(service, given[index]!.backends, memory));
    if (made) servers.push(made);
  }
  return failures.size > 0 ? { failures } : { rendered: withServers(composed, servers) };
}

function trying<T>(failures: Failures, key: string, make: () => T): T | undefined {
  try {
    return make();
  } catch (error) {
    failures.set(key, (error as Error).message);
    return undefined;
  }
}

/** Settings that nothing in the part of a service depends on. */
const ofProcess = new Set(['lingerSeconds', 'state']);

function* composition(
  all: readonly Checked[],
  settings: UsersSettings,
  memory: Memory,
): Rendering<Composition | { failures: ReadonlyMap<string, string> }> {
  const context = { settings, hash: sha256(JSON.stringify(Object.entries(settings).filter(([name]) => !ofProcess.has(name)))), memory };
  const failures: Failures = new Map();
  const services = new Map(all.map(({ service }) => [service.key, service]));
  const routings = new Map<ServiceConfig, Routing>();
  for (const { service } of all) {
    yield;
    const routing = trying(failures, service.key, () => routingOf(service, services, context));
    if (routing) routings.set(service, routing);
  }
  if (failures.size > 0) return { failures };
  const entriesOf = entriesByTarget(routings);
  const parts: ServicePart[] = [];
  for (const one of all) {
    yield;
    const { service } = one;
    const part = trying(failures, service.key, () => partOf(one, routings.get(service)!, entriesOf.get(service.backend)!, context));
    if (part) parts.push(part);
  }
  for (const [key, reason] of beyondShare(parts)) failures.set(key, reason);
  return failures.size > 0 ? { failures } : compose(parts, settings);
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

/** @param servers in the order of the parts */
function withServers({ parts, text, ...composed }: Composition, servers: readonly ServersPart[]): Omit<Rendered, 'failed'> {
  const files = new Map(composed.files);
  if (files.has(portsMap)) files.set(portsMap, servers.map((part) => part.portsMap).join(''));
  if (files.has(rolesMap)) files.set(rolesMap, servers.map((part) => part.rolesMap).join(''));
  const whole = () => [text, ...parts.map((part, index) => part.text + servers[index]!.text)].join('\n');
  let config: string | undefined;
  return {
    ...composed,
    // Megabytes, which a change that runtime calls can make does not need until it is put on disk.
    get config() {
      return (config ??= whole());
    },
    files,
    servers: new Map(parts.map(({ service }, index) => [service.pool, servers[index]!.servers])),
  };
}
