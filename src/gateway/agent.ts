/**
 * The gateway's agent. Sources of intent, plugin calls and frps' own answers say what there is; from that a view is made (ir/translate.ts),
 * rendered (haproxy/) and applied to the two HAProxies of the Pod. It keeps nothing that it could not find out again.
 */
import type { Server } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import { join } from 'node:path';
import type { Credentials } from '../frp/server-api.ts';
import { pause } from '../kube/backoff.ts';
import { text } from '../kube/authority-secret.ts';
import type { DistributedService } from '../model/types.ts';
import { Readiness } from '../process/readiness.ts';
import { accessOf, issuerOf } from './ir/access-policy.ts';
import type { AgentOptions } from './agent-options.ts';
import { ApplyLoop } from './apply-loop.ts';
import { Holdings } from './claims/holdings.ts';
import { memoryHoldings } from './claims/holdings-store.ts';
import { Door } from './door.ts';
import { WarmUp } from './replicas/warm-up.ts';
import { frpsCounts, proxyList } from './members/frps-client.ts';
import { fetchRules } from './oidc/fetch-json.ts';
import { Issuers } from './oidc/issuers.ts';
import { isEligible } from './admission/eligibility.ts';
import { createLoopbackServer } from './admission/loopback-server.ts';
import { Mark } from './liveness/mark.ts';
import { Parts } from './liveness/parts.ts';
import { frpsProbe } from './liveness/probes.ts';
import { Members } from './members/members.ts';
import { sparedTunnels } from './members/spared-tunnels.ts';
import { GatewayMetrics } from './telemetry/agent-metrics.ts';
import { addFrpsMetrics } from './telemetry/frps-metrics.ts';
import type { View } from './ir/ir.ts';
import type { Identity } from './pod-identity.ts';
import { FrpsLiveness } from './members/frps-liveness.ts';
import { inspectionOf } from './inspected.ts';
import { listen, listenAt, portOf } from './listen.ts';
import { aborted, within } from './waiting.ts';
import { createGatewayOperations } from './api/operations-server.ts';
import { answerTo } from './api/questions.ts';
import { createLocalStatusServer, createStatusServer } from './api/status-server.ts';
import { ordinalProblem, PeerAddresses, replicasOf, servicesAt, servicesOnline, type Replica } from './replicas/peers.ts';
import type { Applied } from './haproxy/index.ts';
import { replicaIdentityIn, type ReplicaIdentity } from './sources/replica-identity.ts';
import type { Proxies } from './proxies.ts';
import { poolStatuses } from './api/pool-status.ts';
import { proxyStatuses, type Listing } from './api/proxy-status.ts';
import { tunnelMaterial, type TunnelMaterial } from './ir/tunnel-trust.ts';
import { clusterPortsOf } from './ir/cluster-ports.ts';
import { keyOf } from './ir/service-key.ts';
import { claimedPorts, isReserved, servedOnes, viewOf } from './ir/translate.ts';
import type { Sources } from './sources/sources.ts';

/** Milliseconds. */
const issuersWaitMs = 3000;
const membersWaitMs = 1000;
const refreshMs = 5000;
/** Until tunnels of removed clusters that are still there are ended again. Milliseconds. */
const endAgainMs = 1000;

export class GatewayAgent {
  readonly #options: AgentOptions;
  readonly #stop = new AbortController();
  readonly #metrics: GatewayMetrics;
  readonly #proxies: Proxies;
  readonly #sources: Sources;
  readonly holdings: Holdings;
  readonly #issuers: Issuers;
  readonly #members: Members;
  readonly #users: ApplyLoop;
  readonly #tunnel: ApplyLoop;
  readonly #addresses = new PeerAddresses();
  readonly #replicas: readonly Replica[];
  readonly #readiness = new Readiness();
  readonly #loopback: Server;
  readonly #operations: Server;
  readonly #status: TlsServer;
  readonly #localStatus: Server;
  readonly door: Door;
  #replicaTls: ReplicaIdentity | undefined;
  #warmUp: WarmUp | undefined;
  #frps: FrpsLiveness | undefined;
  #parts: Parts | undefined;
  readonly #hasWarmedUp: Mark;
  #material: TunnelMaterial | undefined;
  #lastView: View | undefined;
  #told = new Set<string>();
  /** ports that services are exposed at; undefined: to be computed */
  #claimedPorts: ReadonlySet<number> | undefined;
  #isStopping = false;
  #running: Promise<void> = Promise.resolve();

  constructor(options: AgentOptions) {
    const { config, log, pod, sources } = options;
    this.#options = options;
    this.#replicas = options.replicas ?? replicasOf(pod, config);
    this.#hasWarmedUp = new Mark(join(options.directory, 'warmed-up'));
    const changed = () => this.#users.schedule();
    this.#sources = sources;
    sources.subscribe({ changed, tunnelChanged: () => this.#tunnel.schedule() });
    sources.services.subscribe(() => (this.#claimedPorts = undefined));
    sources.services.subscribe(changed);
    this.holdings = new Holdings({ sources, config, store: options.holdings ?? memoryHoldings(), log });
    this.holdings.services.subscribe(changed);
    this.#issuers = new Issuers({ rules: fetchRules(config), log, changed });
    this.#members = new Members({ list: proxyList(options.frpsUrl), changed, isTaken: (port) => this.#isTaken(port), log });
    const observed = { members: () => this.#members.all, view: () => this.#lastView, tunnel: () => this.#material };
    this.#metrics = new GatewayMetrics(options.registry, observed);
    addFrpsMetrics(options.registry, frpsCounts(options.frpsUrl));
    this.#proxies = options.proxies;
    this.#proxies.subscribe({ users: () => this.#users.schedule(), tunnel: () => this.#tunnel.schedule() });
    this.#users = new ApplyLoop({ what: "the users' HAProxy", apply: () => this.#applyUsers(), log });
    this.#tunnel = new ApplyLoop({ what: "the tunnels' HAProxy", apply: () => this.#applyTunnel(), log });
    this.door = new Door({ ...options, members: this.#members, onRefused: (reason) => this.#metrics.refused(reason) });
    this.#loopback = createLoopbackServer({
      admission: this.door.admission,
      keys: () => sources.keys(),
      issuer: () => `http://127.0.0.1:${portOf(this.#loopback)}`,
      onFailure: (error) => log.error({ err: error }, 'a call on loopback failed'),
    });
    this.#operations = createGatewayOperations({
      hasStarted: () => this.#users.hasApplied && this.#tunnel.hasApplied,
      readiness: this.#readiness,
      registry: options.registry,
    });
    const status = {
      listing: () => this.listing(),
      refusals: () => [...this.#proxies.refusals(), ...this.holdings.refusals(), ...this.door.refusals],
      inspection: inspectionOf({ ...options, ...observed, holdings: this.holdings, members: this.#members, door: this.door }),
    };
    this.#status = createStatusServer({ ...status, credentials: () => this.#credentials() });
    this.#localStatus = createLocalStatusServer(
      status,
      options.page?.((url) => answerTo(url, status.inspection)),
    );
    this.#addChecks();
  }

  /** Listens, and keeps trying: an API server that is not there yet is waited for. @returns the ports in use */
  async start(): Promise<{ loopback: number; operations: number }> {
    const { host, ports, log } = this.#options;
    await listen(this.#operations, host, ports.operations);
    await listen(this.#status, host, ports.status);
    if (this.#options.statusSocket !== undefined) await listenAt(this.#localStatus, this.#options.statusSocket);
    await listen(this.#loopback, '127.0.0.1', ports.loopback);
    this.#running = this.#run();
    this.#running.catch((error: Error) => log.error({ err: error }, 'the agent failed'));
    return { loopback: portOf(this.#loopback), operations: portOf(this.#operations) };
  }

  /** Users go elsewhere; everything else goes on. */
  drain(): void {
    this.#isStopping = true;
  }

  async close(): Promise<void> {
    this.#isStopping = true;
    this.#stop.abort();
    for (const server of [this.#loopback, this.#operations, this.#status, this.#localStatus]) {
      server.close();
      server.closeAllConnections();
    }
    await Promise.all([this.#warmUp?.close(), this.#frps?.close(), this.#parts?.close(), this.door.close()]);
    await Promise.all([this.#members.close(), this.#users.close(), this.#tunnel.close(), this.#sources.close()]);
    await Promise.all([this.holdings.close(), this.#issuers.close(), this.#running, this.#proxies.close()]);
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    // An empty view would take everybody out, so nothing is applied before all is known that can be.
    await Promise.race([this.#sources.synced, aborted(signal)]);
    if (signal.aborted) return;
    this.holdings.start();
    const { hostname, port } = new URL(this.#options.frpsUrl);
    this.#frps = new FrpsLiveness({
      host: hostname,
      port: Number(port),
      gone: () => this.#members.lost(),
      back: () => void this.#members.sync(),
    });
    this.#parts = this.#watchParts(hostname, Number(port));
    const members = this.#members.start();
    // They say which tunnels a revocation spares.
    await within(members, membersWaitMs);
    this.#tunnel.start();
    await members;
    this.#view();
    // Until they are known their services answer 503; one that cannot be reached must not hold up the others.
    await Promise.all([within(this.#issuers.attempted(), issuersWaitMs), this.#addresses.refresh(this.#replicas)]);
    if (signal.aborted) return;
    this.#users.start();
    this.#warmUp = new WarmUp({
      peers: () => this.#peersServices(),
      own: async () => servicesOnline((await this.listing()).proxies),
      ...(this.#options.warmUpMs === undefined ? {} : { limitMs: this.#options.warmUpMs }),
    });
    void this.#warmUp.done.then(() => !signal.aborted && this.#warmedUp());
    while (!signal.aborted) {
      await pause(refreshMs, signal);
      if (await this.#addresses.refresh(this.#replicas)) this.#users.schedule();
    }
  }

  #watchParts(host: string, apiPort: number): Parts {
    const { directory, frpsPort, log } = this.#options;
    return new Parts({
      probes: {
        frps: frpsProbe({ tunnel: { host, port: frpsPort }, api: { host, port: apiPort } }),
        tunnel: (limitMs) => this.#proxies.probe('tunnel', limitMs),
        users: (limitMs) => this.#proxies.probe('users', limitMs),
      },
      directory,
      changed: () => this.#users.schedule(),
      endWaiting: (seconds) => this.#proxies.endWaiting(seconds),
      tunnels: this.#proxies.tunnels,
      log,
    });
  }

  #warmedUp(): void {
    this.#hasWarmedUp.set();
    this.#users.schedule();
  }

  #addChecks(): void {
    const { config, pod } = this.#options;
    const checks = {
      phase: () => (this.#isStopping ? 'the program is stopping' : undefined),
      ordinal: () => ordinalProblem(pod, config),
      watches: () => this.#sources.problem(),
      keys: () => this.#keysProblem(),
      tunnel: () => this.#tunnel.problem,
      users: () => this.#users.problem,
      backends: () => (this.#warmUp ? this.#warmUp.problem : 'not started yet'),
    };
    for (const [name, check] of Object.entries(checks)) this.#readiness.add(name, check);
  }

  #view(): View {
    const { config } = this.#options;
    const sources = this.#sources;
    const input = {
      services: [...sources.services.all()],
      conflictsOf: (service: DistributedService) => this.holdings.conflictsOf(service),
      members: [...this.#members.all].filter(({ identity }) => sources.has(identity.cluster)),
      podOf: (identity: Identity) => sources.podOf(identity),
      accessOf: (service: DistributedService) => accessOf(service, sources.copiesOf(service), this.#issuers),
      challengesOf: (service: DistributedService) => sources.challengesOf(service),
      certificateOf: (service: DistributedService, secret: string) => sources.copiesOf(service).certificate(secret),
      clusterPorts: clusterPortsOf(sources.home.services.all()),
      config,
    };
    this.#issuers.follow(servedOnes(input, () => false).flatMap((service) => issuerOf(service, sources.copiesOf(service)) ?? []));
    this.#lastView = viewOf(input, this.#lastView);
    return this.#lastView;
  }

  async #applyUsers(): Promise<Applied> {
    const { pod, config } = this.#options;
    this.#followReplicaTls();
    const isReady = this.#hasWarmedUp.isSet && ordinalProblem(pod, config) === undefined;
    const applied = await this.#proxies.applyUsers(this.#view(), this.#addresses.peers(), {
      replicaTls: this.#replicaTls,
      state: { isReady, isStuck: this.#parts?.isStuck ?? false },
    });
    const removed = this.#members.tunnelsOf(({ cluster }) => !this.#sources.has(cluster));
    if (removed.length === 0) return applied;
    await this.#proxies.endTunnels(removed, 'of a cluster that was removed');
    // HAProxy may not have answered, as when it reloads: until frps says that they are gone, they are looked for again.
    return { ...applied, waitMs: Math.min(applied.waitMs ?? Infinity, endAgainMs) };
  }

  async #applyTunnel(): Promise<Applied> {
    const sources = this.#sources;
    const now = Date.now();
    const { material, problems, again } = tunnelMaterial({
      server: sources.home.server,
      revoked: sources.revoked(),
      clientAuthorities: sources.copies('client-ca'),
      now,
    });
    this.#tell(problems);
    if (!material) throw new Error(problems.join('; '));
    this.#material = material;
    const isServed = (service: string) => isEligible(sources.services.byKey(service));
    const applied = await this.#proxies.applyTunnel(material, sparedTunnels(this.#members.all, isServed));
    return again === Infinity ? applied : { ...applied, waitMs: Math.min(applied.waitMs ?? Infinity, again - now, 3_600_000) };
  }

  #keysProblem(): string | undefined {
    const { set, problem } = this.#sources.home.tokens.keys;
    return set ? undefined : (problem ?? 'the keys of service account tokens are being fetched');
  }

  /** Each problem once, as long as it lasts. */
  #tell(problems: readonly string[]): void {
    for (const problem of problems) if (!this.#told.has(problem)) this.#options.log.warn(problem);
    this.#told = new Set(problems);
  }

  #followReplicaTls(): void {
    const found = replicaIdentityIn(this.#sources.home.copies);
    if (found && found.identityPem !== this.#replicaTls?.identityPem)
      this.#status.setSecureContext({ cert: found.identityPem, key: found.identityPem });
    this.#replicaTls = found;
  }

  #isTaken(port: number): boolean {
    const { config } = this.#options;
    this.#claimedPorts ??= claimedPorts(this.#sources.services.all(), config);
    return isReserved(port, config) || this.#claimedPorts.has(port) || this.#proxies.reaches(port);
  }

  /** Whether each member serves, and how many each pool has. @throws where HAProxy cannot be asked */
  async listing(): Promise<Listing> {
    const { services } = this.#sources;
    const verdicts = await this.#proxies.verdicts();
    const members = proxyStatuses(this.#members.all, verdicts, (key) => services.byKey(key)?.spec);
    const turnedAway = this.door.refusedPods.statuses((identity) => this.#sources.podOf(identity));
    const served = new Set(this.#lastView?.services.map(({ service }) => keyOf(service)));
    return { proxies: [...members, ...turnedAway], pools: poolStatuses(services.all(), verdicts, (key) => served.has(key)) };
  }

  #credentials(): Credentials | undefined {
    const secret = this.#sources.home.api;
    return secret && { user: text(secret, 'user'), password: text(secret, 'password') };
  }

  #peersServices(): Promise<Set<string>>[] {
    const { pod, config } = this.#options;
    const access = { port: config.gateway.apiPort, credentials: this.#credentials(), authorityPem: this.#replicaTls?.authorityPem };
    return this.#replicas.filter(({ name }) => name !== pod).map(({ host }) => servicesAt(host, access));
  }
}
