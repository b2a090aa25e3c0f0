/** Everything that a service's status is computed from, kept up by watches and by the frp server's API; asked for one service at a time. */
import type { Config } from '../config/schema.ts';
import { partsOf } from '../frp/parts.ts';
import type { Log } from '../log.ts';
import type { Sink } from '../kube/reflector.ts';
import { both } from '../kube/sinks.ts';
import type { KubeObject } from '../kube/types.ts';
import { Claims, type Conflict } from '../model/claims.ts';
import { gatewayApiUrls, hasGateway, usesGateway } from '../model/gateway.ts';
import { closedAddresses, closedPorts, type ClosedAddress } from '../model/closed-ports.ts';
import { closedRoutes } from '../model/closed-routes.ts';
import { exposuresOf, webPaths } from '../model/exposure.ts';
import { servingPorts } from '../model/pools.ts';
import { serviceKey, type ServiceStore } from '../model/store.ts';
import type { DistributedService } from '../model/types.ts';
import { judge, serving, type Backend, type Judgement } from './backends/health.ts';
import { failing, lacksOf, type Lack } from './backends/lacking.ts';
import type { CertificatesOutcome, Problem } from './problem.ts';
import type { Verdict } from './connectors/verdict.ts';
import type { GatewayLinks } from './link/gateway-links.ts';
import type { Entrance } from './backends/entrance.ts';
import { ServerView, type ServerHealth } from './backends/frp-status.ts';
import { OutdatedPods, type OutdatedListener, type OutdatedOf } from './backends/outdated-pods.ts';
import { splitKey } from './keys.ts';
import { PodBackends } from './backends/injected-pods.ts';
import { externalEndpointOf } from './status/external-endpoint.ts';
import { gatewayFacts, withoutWord, type GatewayFact } from './status/gateways.ts';
import { isElsewhere, unmoved } from './status/remedies.ts';
import type { StatusFacts } from './status/status.ts';

/** Backends that are not annotated Pods, reached through a Deployment of the controller's. */
export interface ConnectorSource {
  /** @param changed to be told of services (namespace/name) that must be reconciled @param podSink is fed with the connectors' Pods */
  subscribe(changed: (service: string) => void, podSink?: Sink<KubeObject>): void;
  /** Lists the connectors' Pods anew for that. @throws KubeError */
  listPods?(): Promise<void>;
  /** Makes sure that nothing that is known is old: this replica has just begun to lead. @throws KubeError */
  refresh?(): Promise<void>;
  /** @param isRefused nothing of the service may be exposed */
  reconcile(service: DistributedService, isRefused: boolean): Promise<Verdict>;
  backendsOf(service: DistributedService): Backend[];
  /** label selector of its Pods; undefined where the service has no connector */
  selectorOf?(service: DistributedService): string | undefined;
  /** of a service that is gone (namespace/name) */
  forget(service: string): void;
  close(): void | Promise<void>;
}

export interface FactsDeps {
  config: Config;
  services: ServiceStore;
  outdated: OutdatedOf;
  connectors?: ConnectorSource | undefined;
  /** told of a service (namespace/name) of which something may have changed */
  changed: (service: string) => void;
  outdatedChanged: OutdatedListener;
  /** whether the gateway is in this cluster */
  hasOwnGateway: () => boolean;
  /** default: where the configuration says that the replicas of such a gateway are */
  gatewayUrls?: string[];
  /** what is known of the way to the servers, beside what they say themselves */
  entrance?: Pick<Entrance, 'addressOf' | 'problemOf'> | undefined;
  /** to gateways elsewhere */
  links?: Pick<GatewayLinks, 'listed' | 'isJoined' | 'states' | 'notJoined' | 'differing'> | undefined;
  credentials: () => { user: string; password: string } | undefined;
  /** PEM of the authority that the gateway's replicas have their certificate from */
  gatewayAuthority?: () => string | undefined;
}

const gatewayRefused = 'GatewayRefused';

function refusalStored({ metadata, status }: DistributedService): Problem | undefined {
  const stored = status?.conditions?.find(({ type, reason }) => type === 'ConfigurationValid' && reason === gatewayRefused);
  if (stored === undefined || stored.observedGeneration !== metadata.generation) return undefined;
  return { reason: gatewayRefused, message: stored.message ?? '' };
}

export class FactSource {
  /** the plain frp server, and the gateway's replicas */
  readonly #plain: ServerView;
  readonly #gateway: ServerView;
  /** fed by the watch of injected Pods */
  readonly pods: Sink<KubeObject>;
  readonly #deps: FactsDeps;
  readonly #backends: PodBackends;
  readonly #outdatedPods: OutdatedPods;
  /** outdated Pods by service */
  readonly #outdated = new Map<string, Set<string>>();
  readonly #claims: Claims;
  /** services that lost a host or port at the last look */
  readonly #losers = new Set<string>();

  constructor(deps: FactsDeps) {
    this.#deps = deps;
    const { config, services, changed } = deps;
    this.#claims = new Claims(services, config);
    this.#backends = new PodBackends((key) => this.#tell(key));
    this.#outdatedPods = new OutdatedPods(deps.outdated, services, (...change) => this.#setOutdated(...change));
    this.pods = both(this.#backends, this.#outdatedPods);
    const served = (isGateway: boolean) => [...services.all()].filter(({ spec }) => usesGateway(spec, config) === isGateway);
    const viewOf = (isGateway: boolean, urls: string[], types?: string[]) =>
      new ServerView({
        urls,
        ...(types && { types }),
        ...(!isGateway && { user: config.frps.user }),
        listsUnchecked: isGateway,
        credentials: deps.credentials,
        ...(isGateway && deps.gatewayAuthority && { authority: deps.gatewayAuthority }),
        // Pods of a service that has moved still go there.
        ...(isGateway && deps.links && { told: () => deps.links?.listed() }),
        isWanted: () =>
          (isGateway ? deps.hasOwnGateway() || deps.links?.isJoined === true : urls.length > 0) &&
          (served(isGateway).length > 0 || this.#backends.isThereAny(isGateway)),
        changed: (keys) => {
          if (keys) for (const key of keys) this.#tell(key);
          else for (const service of served(isGateway)) changed(serviceKey(service));
        },
      });
    this.#plain = viewOf(false, config.frps.api ? [config.frps.api.url] : []);
    this.#gateway = viewOf(true, deps.gatewayUrls ?? gatewayApiUrls(config), ['tcp']);
  }

  /** Begins to ask the servers. @param log is told once of what a change of the configuration has left behind */
  start(log: Pick<Log, 'warn'>): void {
    const leftBehind = this.leftBehind();
    if (leftBehind !== undefined) log.warn(leftBehind);
    for (const view of this.#views) view.start();
  }

  async close(): Promise<void> {
    this.#claims.close();
    await Promise.all(this.#views.map((view) => view.close()));
  }

  /** Asks until it is known whether the servers in use answer: nothing is written on no knowledge. */
  async meetServers(): Promise<void> {
    await Promise.all(this.#views.map((view) => view.meet()));
  }

  get #views(): ServerView[] {
    return [this.#plain, this.#gateway];
  }

  /** Looks at the Pods of a namespace anew, after one of its services has changed. */
  refreshPods(namespace: string): void {
    this.#outdatedPods.refresh(namespace);
  }

  /** What keeps a service from its host or port (HostConflict). */
  conflictOf(service: DistributedService): Conflict | undefined {
    const [conflict] = this.#claims.conflictsOf(service);
    if (conflict) this.#losers.add(serviceKey(service));
    else this.#losers.delete(serviceKey(service));
    return conflict;
  }

  /** Whether a service may not have a port that it claims. */
  losesPort(service: DistributedService, port: number): boolean {
    return this.#claims.conflictsOf(service).some(({ exposure }) => 'port' in exposure && exposure.port === port);
  }

  /** Tells of the services that win or lose since others have changed. */
  reviewConflicts(): void {
    for (const service of this.#deps.services.all()) {
      const key = serviceKey(service);
      if (this.#claims.conflictsOf(service).length > 0 !== this.#losers.has(key)) this.#deps.changed(key);
    }
  }

  /**
   * What the gateway's HAProxy does not take although nothing here has anything against it. While the gateway cannot be
   * asked, what it said last of this generation stands; of a service that has changed since it has said nothing.
   */
  #refusal(service: DistributedService): Problem | undefined {
    if (!usesGateway(service.spec, this.#deps.config)) return undefined;
    if (this.#gateway.health.status !== 'reachable') return refusalStored(service);
    const message = this.#gateway.refusalOf(serviceKey(service));
    if (message === undefined) return undefined;
    return {
      reason: gatewayRefused,
      message: `The gateway leaves the service out: ${message}. It is tried again when the service changes`,
    };
  }

  of(
    service: DistributedService,
    certificates: CertificatesOutcome,
    problem: Problem | undefined,
    now: number,
    pending?: Problem,
  ): StatusFacts {
    const key = serviceKey(service);
    const { config, connectors } = this.#deps;
    const isGateway = usesGateway(service.spec, config);
    const server = this.#viewOf(isGateway);
    const served = this.#servedBy(service);
    const isUdp = service.spec.serviceType === 'udp';
    const countsOf = (id: string, backend: Backend) => {
      const asked = this.#viewOf(backend.isGateway ?? isGateway);
      return served.map(({ of }) => asked.countsOf(of, id)).find((counts) => counts !== undefined);
    };
    const judgement = judge([...new Map(served.flatMap(({ backends }) => backends.map((backend) => [backend.id, backend]))).values()], {
      now,
      isUdp,
      countsOf,
      graceUntil: server.graceUntil,
    });
    const parts = partsOf(service.spec, isGateway, config.baseDomain);
    const lacks = lacksOf(
      parts,
      judgement.backends.filter((backend) => !isElsewhere(backend, isGateway)),
      { countsOf, isUdp },
    );
    const states = isGateway ? (this.#deps.links?.states ?? []) : [];
    const gateways = gatewayFacts(states, (gateway) => this.#gateway.toldBy(gateway, key), judgement.backends);
    return {
      problem: problem ?? this.#refusal(service),
      pending,
      certificates,
      tunnel: isGateway ? undefined : config.frps.tls,
      server: this.#healthOf(isGateway, gateways, judgement),
      gateways,
      notJoined: isGateway ? this.#deps.links?.notJoined : undefined,
      differing: isGateway ? this.#deps.links?.differing(key) : undefined,
      judgement,
      refusedTunnels: isGateway ? this.#gateway.refusedTunnelsOf(key) : undefined,
      lacks,
      closed: isGateway ? (this.#closedPorts(service, judgement, lacks) ?? this.#closedRoutes(service)) : closedAddresses(closedIn(lacks)),
      isGateway,
      outdated: this.#outdated.get(key) ?? new Set(),
      entrance: this.#deps.entrance?.problemOf(
        exposuresOf(service.spec, config.baseDomain),
        isGateway,
        serving(judgement) > 0,
        isGateway && service.spec.expose?.clusterService !== undefined,
      ),
      externalEndpoint: externalEndpointOf(service, config, this.#deps.entrance?.addressOf(isGateway)),
      selector: connectors?.selectorOf?.(service),
    };
  }

  #closedPorts(service: DistributedService, { backends }: Judgement, lacks: readonly Lack[]): Problem | undefined {
    const key = serviceKey(service);
    const isPrimary = ({ id, also = [] }: Backend) => [id, ...also].some((each) => this.#gateway.countsOf(key, each)?.isPrimary);
    return closedPorts(service.spec, {
      up: (pool) => this.#gateway.upIn(key, pool),
      primaries: backends.filter(isPrimary).map(({ name }) => name),
      failing: (pool) => failing(lacks.find(({ port }) => port === pool)),
    });
  }

  #closedRoutes(service: DistributedService): Problem | undefined {
    const { config } = this.#deps;
    const { namespace = '' } = service.metadata;
    return closedRoutes(service, webPaths(exposuresOf(service.spec, config.baseDomain)), (name) =>
      this.#gateway.upIn(`${namespace}/${name}`, undefined),
    );
  }

  /** What is known of the server; of gateways elsewhere nothing where the one that serves may be the one that cannot be asked. */
  #healthOf(isGateway: boolean, gateways: readonly GatewayFact[], judgement: Judgement): ServerHealth {
    const { config, links, hasOwnGateway } = this.#deps;
    if (isGateway && hasGateway(config) && !links?.isJoined && !hasOwnGateway()) return { status: 'none' };
    const { health } = this.#viewOf(isGateway);
    const isUnsure = serving(judgement) === 0 && judgement.unhealthy > 0 && gateways.length > 1 && gateways.some(({ said }) => !said);
    return isUnsure && health.status === 'reachable' ? { status: 'unreachable', message: withoutWord(gateways) } : health;
  }

  /**
   * One sentence for whoever has changed the installation's configuration: how many services go another way now than their
   * Pods do, and what brings them over. undefined where there are none.
   */
  leftBehind(): string | undefined {
    const { services, config } = this.#deps;
    const lost = [...services.all()].filter((service) =>
      this.#backends.of(serviceKey(service)).some((backend) => isElsewhere(backend, usesGateway(service.spec, config))),
    );
    return lost.length === 0 ? undefined : unmoved(lost);
  }

  /** Whether what the service (namespace/name) goes through has the Pod online. */
  isRegistered(key: string, podUid: string): boolean {
    const service = this.#deps.services.get(...splitKey(key));
    // Nobody waits for a service that is gone.
    if (!service) return true;
    const { online = 0, offline = 0 } = this.#viewOf(usesGateway(service.spec, this.#deps.config)).countsOf(key, podUid) ?? {};
    // With one of several ports it does not serve.
    return online > 0 && (offline === 0 || servingPorts(service.spec) === 1);
  }

  /** The backends of a service, with whose they are, and how many proxies each must have. One that has none of its own is served by the groups of its routes. */
  #servedBy(service: DistributedService): { of: string; backends: Backend[] }[] {
    const backendsOf = (member: DistributedService) => {
      const of = serviceKey(member);
      const connected = this.#deps.connectors?.backendsOf(member) ?? [];
      const isGateway = usesGateway(member.spec, this.#deps.config);
      const parts = partsOf(member.spec, isGateway, this.#deps.config.baseDomain);
      const backends = [...this.#backends.of(of), ...connected, ...this.#viewOf(isGateway).elsewhere(of)];
      return { of, backends: backends.map((backend) => ({ ...backend, ...requiredOf(backend, parts) })) };
    };
    const own = backendsOf(service);
    const { services, config } = this.#deps;
    if (own.backends.length > 0 || !usesGateway(service.spec, config)) return [own];
    const groups = groupsOf(service).flatMap((name) => services.get(service.metadata.namespace ?? '', name) ?? []);
    return [own, ...groups.map(backendsOf)];
  }

  /** Tells of a service, and of those whose routes lead to it. */
  #tell(key: string): void {
    const { services, changed } = this.#deps;
    changed(key);
    const [namespace, name] = splitKey(key);
    for (const other of services.names(namespace)) {
      const router = services.get(namespace, other);
      if (router && groupsOf(router).includes(name)) changed(serviceKey(router));
    }
  }

  #viewOf(isGateway: boolean): ServerView {
    return isGateway ? this.#gateway : this.#plain;
  }

  /** The service is gone. */
  forget(service: string): void {
    this.#losers.delete(service);
  }

  #setOutdated(namespace: string, name: string, pod: string, isOutdated: boolean): void {
    const key = `${namespace}/${name}`;
    const pods = this.#outdated.get(key) ?? new Set();
    if (isOutdated) this.#outdated.set(key, pods.add(pod));
    else if (pods.delete(pod) && pods.size === 0) this.#outdated.delete(key);
    this.#deps.outdatedChanged(namespace, name, pod, isOutdated);
    this.#deps.changed(key);
  }
}

/** Of ports that it was configured for, and the service has no more, the gateway does not tell. */
function requiredOf({ parts, isGateway }: Backend, ofService: ReadonlyMap<string, unknown>): Pick<Backend, 'proxies'> {
  if (parts === undefined) return {};
  const there = isGateway ? parts.filter((part) => ofService.has(part)) : parts;
  return { proxies: there.length === 0 ? parts.length : there.length };
}

/** Where nobody serves, of a plain frp server, which tells nothing of ports but whose proxies are online. */
const closedIn = (lacks: readonly Lack[]): ClosedAddress[] =>
  lacks.filter(({ isServed }) => !isServed).map((lack) => ({ ...lack, failing: failing(lack) }));

/** Names of the services that the routes of a service lead to. */
const groupsOf = ({ spec }: DistributedService): string[] => (spec.routes ?? []).flatMap(({ groups }) => groups.map(({ name }) => name));
