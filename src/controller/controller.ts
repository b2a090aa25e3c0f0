/**
 * The controller: for each DistributedService the Secrets that its sidecars mount, its status and its end; for the
 * installation the authority and frps' certificate. Watches and the frp server's API fill stores, changes put keys into a
 * queue, reconcile.ts acts on one key at a time. One replica leads and writes; the others have everything in memory.
 */
import { every, systemClock, type Clock } from '../../certs/clock.ts';
import { tickPeriod } from '../../certs/managed.ts';
import { DueTimes } from '../kube/due-times.ts';
import { Election } from '../kube/lease.ts';
import { slim, type Secret } from '../kube/types.ts';
import { leaseName } from '../model/names.ts';
import { serviceKey, ServiceStore } from '../model/store.ts';
import type { DistributedService } from '../model/types.ts';
import { AuthorityKeeper } from './identity/authority-keeper.ts';
import { losesExposure, needsGateway } from './status/configuration-checks.ts';
import { ControllerMetrics } from './metrics.ts';
import type { ControllerDeps, RunningController } from './controller-deps.ts';
import { CertManager } from './cert-manager/cert-manager.ts';
import { FactSource } from './facts.ts';
import { both } from '../kube/sinks.ts';
import { ensureUsersCertificate } from './cert-manager/users-certificate.ts';
import { checkReferences, copiesElsewhere, reconcileCopies, sharers, type GatewayCopiesDeps } from './gateway-secrets/copies.ts';
import { WorkQueue } from '../kube/work-queue.ts';
import { SecretWatches } from './secret-watches.ts';
import { observedOf, type Observed } from './observed.ts';
import { untilItWorks } from './until-it-works.ts';
import { servicesWith } from './user-secrets.ts';
import { openWatches, type Watch } from './watches.ts';
import { authorityKey, copiesKey, keyOfSecret, linkKey, serverKey, splitKey } from './keys.ts';
import { OwnGateway } from './own-gateway.ts';
import { ClusterServices } from './cluster-service/cluster-services.ts';
import { GatewayLinks } from './link/gateway-links.ts';
import { RandomPorts } from './random-ports.ts';
import { reconcileServer, reconcileService, type ReconcileDeps } from './reconcile.ts';
import { referencesOf } from '../kube/secret-references.ts';
import { Entrance } from './backends/entrance.ts';
import { ReadinessGates } from './backends/readiness-gates.ts';
import { ObjectStore } from '../kube/object-store.ts';
import { replicaAuthorityIn } from './gateway-secrets/replica-identity.ts';
import { credentialsIn, ensureServerApi } from './identity/api-credentials.ts';

export type { ControllerDeps, RunningController };

/** How often to look for what is due. */
const lookMs = 5000;
/** Services that come at once are compared once with each other. */
const conflictsMs = 250;

/** Starts at once and keeps trying: an API server that is not there yet is waited for. */
export const startController = (deps: ControllerDeps): RunningController => new Controller(deps);

class Controller implements RunningController {
  readonly services = new ServiceStore();
  readonly #deps: ControllerDeps;
  readonly #clock: Clock;
  readonly #stop = new AbortController();
  readonly #metrics: ControllerMetrics;
  readonly #secrets = new ObjectStore<Secret>((secret) => this.#secretChanged(secret));
  readonly #userSecrets = new ObjectStore<Secret>((secret) => this.#userSecretChanged(secret));
  readonly #secretWatches: SecretWatches;
  readonly #certManager: CertManager;
  readonly #authority: AuthorityKeeper;
  readonly #entrance: Entrance;
  readonly #facts: FactSource;
  readonly #ownGateway: OwnGateway;
  readonly #links: GatewayLinks;
  readonly #gates: ReadinessGates;
  readonly #clusterServices: ClusterServices;
  readonly #ports: RandomPorts;
  readonly #queue: WorkQueue;
  readonly #podsQueue: WorkQueue;
  /** when a key must be looked at again, though nothing changes: certificates come of age */
  readonly #due = new DueTimes();
  readonly #starting: Promise<void>;
  #stopTicker = () => {};
  #cancelReview: (() => void) | undefined;
  #election: Election | undefined;
  #leading: Promise<void> = Promise.resolve();
  #isLeading = false;
  /** the last one is that of Pods */
  #reflectors: Watch[] = [];
  #startProblem: string | undefined = 'starting';

  constructor(deps: ControllerDeps) {
    this.#deps = deps;
    this.#clock = deps.clock ?? systemClock;
    const { client, config, log } = deps;
    const stores = { own: this.#secrets, users: this.#userSecrets };
    this.#secretWatches = new SecretWatches({ client, config, log, ...stores, changed: (namespace) => this.#secretsKnown(namespace) });
    this.#certManager = new CertManager({ ...deps, services: this.services, changed: (key) => this.#queue.add(key) });
    this.#authority = new AuthorityKeeper({ ...this.#copiesDeps, gatewaysWithout: (pem) => this.#links.withoutAuthorities(pem) });
    this.#metrics = new ControllerMetrics(deps.registry, {
      services: () => this.services.all(),
      isLeading: () => this.#isLeading,
      requests: client.requests,
    });
    const allChanged = () => {
      for (const service of this.services.all()) this.#queue.add(serviceKey(service));
    };
    this.#entrance = new Entrance({ client, config, log, changed: allChanged });
    this.#ownGateway = new OwnGateway({
      ...this.#copiesDeps,
      secretWatches: this.#secretWatches,
      entrance: this.#entrance,
      changed: () => this.#queue.add(serverKey),
    });
    this.#links = new GatewayLinks({
      ...this.#copiesDeps,
      authority: () => this.#authority.current,
      copies: () => copiesElsewhere(this.#copiesDeps),
      changed: allChanged,
      serviceChanged: (key) => this.#queue.add(key),
      listPods: async () => void (await Promise.all([this.#reflectors.at(-1)?.refresh(), deps.connectors?.listPods?.()])),
      metric: this.#metrics.links,
    });
    const isGatewayHere = () => this.#ownGateway.isHere;
    const changedOne = (key: string) => this.#queue.add(key);
    this.#ports = new RandomPorts(this.services, deps.config, (...claim) => this.#facts.losesPort(...claim));
    this.#clusterServices = new ClusterServices({ ...deps, services: this.services, isGatewayHere, changed: changedOne });
    this.#facts = new FactSource({
      config,
      links: this.#links,
      hasOwnGateway: () => this.#ownGateway.isHere,
      entrance: this.#entrance,
      services: this.services,
      outdated: deps.outdated,
      connectors: deps.connectors,
      changed: (key) => this.#queue.add(key),
      outdatedChanged: (...change) => this.#metrics.setOutdated(...change),
      credentials: () => credentialsIn(this.#secrets, config.namespace),
      gatewayAuthority: () => replicaAuthorityIn(this.#secrets, config),
    });
    this.#gates = new ReadinessGates({ client, log, clock: this.#clock, isRegistered: (...of) => this.#facts.isRegistered(...of) });
    const onFailure = (key: string, error: unknown, waitMs: number) =>
      deps.log.warn({ err: error, key, waitMs: Math.round(waitMs) }, 'reconciling failed, trying again');
    this.#queue = new WorkQueue({ handle: (key) => this.#reconcile(key), onFailure });
    // Many services of a namespace change at once when they are listed: its Pods are then looked at once.
    this.#podsQueue = new WorkQueue({ handle: async (namespace) => this.#facts.refreshPods(namespace), onFailure, concurrency: 1 });
    deps.connectors?.subscribe((key) => this.#queue.add(key), this.#links.pods.connectors);
    this.services.subscribe((before, after) => this.#serviceChanged(before, after));
    this.#starting = this.#start();
  }

  readonly isLeading = (): boolean => this.#isLeading;

  readonly observed = (): Observed =>
    observedOf({ ...this.#deps, secrets: this.#secrets, userSecrets: this.#userSecrets }, () => this.#links.states);

  problem(): string | undefined {
    if (this.#startProblem !== undefined) return this.#startProblem;
    return this.#reflectors.find(({ lastError }) => lastError)?.lastError?.message;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#starting;
    await this.#leading;
    this.#stopTicker();
    this.#cancelReview?.();
    await Promise.all([
      this.#queue.close(),
      this.#podsQueue.close(),
      this.#facts.close(),
      this.#links.close(),
      this.#certManager.close(),
      this.#entrance.close(),
      this.#gates.close(),
      this.#clusterServices.close(),
      this.#deps.connectors?.close(),
    ]);
    await Promise.all([...this.#reflectors.map((reflector) => reflector.close()), this.#secretWatches.close(), this.#election?.close()]);
    this.#isLeading = false;
  }

  async #start(): Promise<void> {
    const { signal } = this.#stop;
    await this.#untilItWorks('the certificate authority is not there yet', () => this.#authority.load());
    if (signal.aborted) return;
    const { client, log, config } = this.#deps;
    const podSinks = [this.#facts.pods, this.#gates, this.#links.pods.injected].reduce(both);
    this.#reflectors = openWatches(this.#deps, { services: this.services, secrets: this.#secretWatches, pods: podSinks });
    this.#startProblem = 'the first lists of DistributedServices, Secrets and Pods are under way';
    const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    await Promise.race([aborted, Promise.all(this.#reflectors.map(({ synced }) => synced))]);
    await this.#ownGateway.seek(signal);
    if (signal.aborted) return;
    this.#startProblem = undefined;
    log.info({ services: this.services.size }, 'the controller has its lists');
    if (!this.#deps.election) return this.#lead();
    const { onLost, ...rest } = this.#deps.election;
    const told = { onLeading: () => void (this.#leading = this.#lead()), onLost };
    this.#election = new Election({ client, log, namespace: config.namespace, name: leaseName, ...rest, ...told });
  }

  /** Work begins with the authority as it is now and with the frp server's answer: a new leader changes nothing on no knowledge. */
  async #lead(): Promise<void> {
    const { config, connectors, log } = this.#deps;
    await this.#untilItWorks('the controller cannot begin its work', async () => {
      // Who has been cut off may get the Lease before its watches have caught up.
      if (this.#election)
        await Promise.all(
          [...this.#reflectors, this.#secretWatches, this.#clusterServices, connectors].map(async (each) => each?.refresh?.()),
        );
      await this.#followAuthority();
      await this.#ownGateway.ensure();
      await ensureServerApi(this.#reconcileDeps);
      this.#links.start();
      await this.#links.known();
      await Promise.all([this.#facts.meetServers(), this.#entrance.known()]);
    });
    if (this.#stop.signal.aborted) return;
    this.#isLeading = true;
    this.#facts.start(log);
    this.#entrance.start();
    this.#stopTicker = every(this.#clock, Math.min(lookMs, tickPeriod(config.certificates.renewBefore)), () => this.#addDue());
    for (const key of [authorityKey, serverKey, copiesKey, linkKey]) this.#queue.add(key);
    this.#gates.start();
    this.#queue.start();
    this.#podsQueue.start();
  }

  #untilItWorks(failure: string, work: () => Promise<void>): Promise<void> {
    const tell = (problem: string | undefined) => (this.#startProblem = problem);
    return untilItWorks(failure, work, { signal: this.#stop.signal, log: this.#deps.log, tell });
  }

  #serviceChanged(before: DistributedService | undefined, after: DistributedService | undefined): void {
    const service = (after ?? before)!;
    const { namespace = '' } = service.metadata;
    if (after) this.#secretWatches.follow(namespace);
    else if (this.services.names(namespace).length === 0) this.#secretWatches.leave(namespace);
    this.#queue.add(serviceKey(service));
    // Our own writes of the status change nothing for others.
    if (before && after && before.metadata.generation === after.metadata.generation) return;
    this.#links.items?.serviceChanged(before, after);
    this.#podsQueue.add(namespace);
    for (const changed of [before, after]) {
      if (!changed || referencesOf(changed).length === 0) continue;
      this.#queue.add(copiesKey);
      for (const sharer of sharers(this.services, changed)) this.#queue.add(serviceKey(sharer));
    }
    this.#cancelReview ??= this.#clock.after(conflictsMs, () => {
      this.#cancelReview = undefined;
      this.#facts.reviewConflicts();
    });
  }

  #secretChanged(secret: Secret): void {
    const key = keyOfSecret(secret, this.#deps.config.namespace);
    if (key !== undefined) this.#queue.add(key);
  }

  #userSecretChanged({ metadata }: Secret): void {
    for (const service of servicesWith(metadata, this.services, this.#deps.config)) {
      this.#queue.add(serviceKey(service));
      this.#queue.add(copiesKey);
    }
  }

  /** What could not be decided of a namespace's services, or not any more, is decided now. */
  #secretsKnown(namespace: string): void {
    for (const name of this.services.names(namespace)) this.#queue.add(`${namespace}/${name}`);
    this.#queue.add(copiesKey);
  }

  #addDue(): void {
    for (const key of this.#due.take(this.#clock.now())) this.#queue.add(key);
  }

  #reconcile(key: string): Promise<void> {
    return this.#metrics.timed(async () => {
      if (key === authorityKey) return this.#followAuthority();
      if (key === copiesKey) {
        const changesAt = this.#links.items?.copiesChanged() ?? Infinity;
        const renewAt = await this.#ownGateway.ensure();
        this.#due.set(key, Math.min(changesAt, renewAt, await reconcileCopies(this.#copiesDeps)));
        return;
      }
      if (key === linkKey) return this.#followJoining();
      const service = key === serverKey ? undefined : this.services.get(...splitKey(key));
      if (key !== serverKey && !service) return this.#forget(key);
      // It comes back when the first lists of its namespace are there.
      if (service && this.#secretWatches.of(service.metadata.namespace ?? '') === 'pending') return;
      const { renewAt } = service ? await reconcileService(this.#reconcileDeps, service) : await reconcileServer(this.#reconcileDeps);
      this.#due.set(key, renewAt);
    });
  }

  async #followJoining(): Promise<void> {
    this.#due.set(linkKey, this.#clock.now() + (await this.#links.followJoining()));
    await this.#ownGateway.seek(this.#stop.signal);
    this.#queue.add(copiesKey);
  }

  get #copiesDeps(): GatewayCopiesDeps {
    const { client, config, log } = this.#deps;
    const isKnown = (namespace: string) => this.#secretWatches.of(namespace) === 'known';
    const stores = { services: this.services, secrets: this.#secrets, userSecrets: this.#userSecrets };
    const answersOf = (service: DistributedService) => this.#certManager.answersOf(service);
    return { client, config, log, clock: this.#clock, ...stores, isKnown, answersOf };
  }

  #forget(key: string): void {
    this.#due.delete(key);
    this.#facts.forget(key);
    this.#deps.connectors?.forget(key);
    this.#metrics.forget(...splitKey(key));
  }

  get #reconcileDeps(): ReconcileDeps {
    const { config, debug, connectors, describeConflict, checks = [needsGateway(config)] } = this.#deps;
    return {
      ...this.#copiesDeps,
      debug,
      checks: [...checks, losesExposure(this.#facts, describeConflict)],
      facts: this.#facts,
      connect: connectors && ((service, isRefused) => connectors.reconcile(service, isRefused)),
      ports: (service) => this.#ports.of(service),
      clusterService: (service, isServed) => this.#clusterServices.reconcile(service, isServed),
      references: (service) => checkReferences(this.#copiesDeps, service),
      usersCertificate: (...given) => ensureUsersCertificate({ ...this.#copiesDeps, certManager: this.#certManager }, ...given),
      secretsProblem: (namespace) => this.#secretWatches.problemOf(namespace),
      authority: () => this.#authority.current,
      gatewaysElsewhere: () => this.#links.authoritiesPem,
      statusWritten: (service: DistributedService) => this.services.set(slim(service)),
      observed: (service, { server, judgement }) =>
        this.#metrics.setBackends(service.metadata, server.status === 'reachable' ? judgement : undefined),
    };
  }

  async #followAuthority(): Promise<void> {
    const { hasChanged, renewAt } = await this.#authority.reconcile();
    this.#due.set(authorityKey, renewAt);
    if (!hasChanged) return;
    this.#links.items?.authorityChanged();
    this.#queue.add(serverKey);
    for (const service of this.services.all()) this.#queue.add(serviceKey(service));
  }
}
