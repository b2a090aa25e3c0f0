/**
 * Backends that are not annotated Pods (R1.36, R2.10, R2.11): for each such service one Deployment of frpc without an
 * app, whose configuration follows the backends. targets.ts says who they are, objects.ts what is
 * written, this file writes it.
 */
import { createHash } from 'node:crypto';
import { systemClock, type Clock } from '../../../certs/clock.ts';
import type { Config } from '../../config/schema.ts';
import { backendId, endpointId, endpointsIn, renderConnectorConfig } from '../../frp/connector-config.ts';
import { partsOf } from '../../frp/parts.ts';
import type { KubeClient } from '../../kube/client.ts';
import { ignoreGone } from '../../kube/errors.ts';
import { Reflector, type Sink } from '../../kube/reflector.ts';
import { both } from '../../kube/sinks.ts';
import { budgets, configMaps, deployments, pods, type ConfigMap, type KubeObject, type Resource } from '../../kube/types.ts';
import type { Log } from '../../log.ts';
import { serversOf, usesGateway } from '../../model/gateway.ts';
import { annotation, connectorName, label } from '../../model/names.ts';
import { serviceKey } from '../../model/store.ts';
import type { DistributedService } from '../../model/types.ts';
import type { Backend } from '../backends/health.ts';
import type { Problem } from '../problem.ts';
import { AddressGuard } from './address-guard.ts';
import { isConnected, membersOf, remembered, type Member, type Members } from './targets.ts';
import { verdictOf, type Verdict } from './verdict.ts';
import { clusterDomain, Names, systemResolve, type Resolve } from './dns.ts';
import { budgetOf, configKey, configMapOf, connectorSelector, deploymentOf, type Budget, type Deployment } from './objects.ts';
import { SelectedPods } from './selected-pods.ts';
import { ObjectStore } from '../../kube/object-store.ts';
import { deleteOwned, ensureOwned, type Kind } from '../owned-objects.ts';

export interface ConnectorsDeps {
  client: KubeClient;
  config: Config;
  log: Log;
  /** only this namespace is watched; undefined: all */
  namespace?: string | undefined;
  clock?: Clock;
  resolve?: Resolve;
}

/** The watch sees our own objects only: that somebody else's is gone, a look tells. */
const lookAgainMs = 30_000;
/** How long a backend may take to register: start of a Pod, or first health check. */
const startMs = 30_000;

export class Connectors {
  readonly #deps: Required<Pick<ConnectorsDeps, 'client' | 'config' | 'log' | 'clock'>>;
  readonly #guard: AddressGuard;
  readonly #names: Names;
  readonly #selected: SelectedPods;
  readonly #deployments: Kind<Deployment>;
  readonly #configMaps: Kind<ConfigMap>;
  readonly #budgets: Kind<Budget>;
  readonly #pods: Kind<KubeObject>;
  readonly #reflectors: Pick<Reflector<KubeObject>, 'synced' | 'hasSynced' | 'lastError' | 'refresh' | 'close'>[];
  /** by service; with the time since when each endpoint is one */
  readonly #members = new Map<string, (Member & { since: number })[]>();
  /** services whose connectors dial what this controller has found */
  readonly #found = new Set<string>();
  /** services that are looked at again though nothing changes */
  readonly #again = new Map<string, () => void>();
  #changed: (key: string) => void = () => {};
  #podSink: Sink<KubeObject> | undefined;

  constructor({ client, config, log, namespace, clock = systemClock, resolve = systemResolve() }: ConnectorsDeps) {
    this.#deps = { client, config, log, clock };
    const changed = (key: string) => this.#changed(key);
    this.#guard = new AddressGuard(client, config, clock);
    this.#names = new Names({ resolve, clock, domain: clusterDomain(), changed });
    this.#selected = new SelectedPods({ client, log, changed });
    this.#reflectors = [];
    const watched = <T extends KubeObject>(resource: Resource<T>, told?: Sink<T>): Kind<T> => {
      const store = new ObjectStore<T>(({ metadata: { namespace: of, labels } }) => changed(`${of}/${labels?.[label.service]}`));
      const scope = namespace === undefined ? {} : { namespace };
      this.#reflectors.push(
        new Reflector<T>({ client, log, resource, labelSelector: connectorSelector, sink: told ? both(store, told) : store, ...scope }),
      );
      return { resource, store, change: 'apply' };
    };
    this.#deployments = watched(deployments as Resource<Deployment>);
    this.#configMaps = watched(configMaps);
    this.#budgets = watched(budgets as Resource<Budget>);
    this.#pods = watched(pods, {
      replace: (all) => this.#podSink?.replace(all),
      set: (pod) => this.#podSink?.set(pod),
      delete: (pod) => this.#podSink?.delete(pod),
    });
  }

  /** @param changed to be told of services (namespace/name) that must be reconciled @param podSink is fed with the connectors' Pods */
  subscribe(changed: (key: string) => void, podSink?: Sink<KubeObject>): void {
    this.#changed = changed;
    this.#podSink = podSink;
  }

  /** Lists the connectors' Pods anew, for whoever has subscribed to them; waits for their first list. @throws KubeError */
  async listPods(): Promise<void> {
    const reflector = this.#reflectors.at(-1)!;
    await reflector.synced;
    await reflector.refresh();
  }

  /** Lists anew what is known already; what is not is waited for by those that need it. @throws KubeError */
  async refresh(): Promise<void> {
    await Promise.all(this.#reflectors.filter(({ hasSynced }) => hasSynced).map((reflector) => reflector.refresh()));
  }

  /**
   * Makes the connector what it should be, or removes it. @param isRefused nothing of the service may be exposed
   * @throws KubeError: try again later
   */
  async reconcile(service: DistributedService, isRefused = false): Promise<Verdict> {
    if (isRefused || service.metadata.deletionTimestamp !== undefined || !isConnected(service)) return this.#remove(service);
    const waiting = this.#reflectors.find(({ hasSynced }) => !hasSynced);
    if (waiting) throw new Error(`the connectors are not known yet: ${waiting.lastError?.message ?? 'the first lists are under way'}`);
    if (service.spec.backends.discovery?.mode === 'selector') this.#names.follow(serviceKey(service), '', []);
    else this.#selected.forget(serviceKey(service));
    const found = membersOf(service, { names: this.#names, pods: this.#selected, rules: await this.#guard.rules() });
    const servers = serversOf(service.spec, this.#deps.config);
    const served = this.#isHeld(service, found) ? this.#servedTexts(service, servers.length) : undefined;
    if (!found.wanted && !found.pending) return this.#remove(service, false);
    const key = serviceKey(service);
    const verdict = verdictOf(service, found, served !== undefined && !this.#found.has(key));
    if (!found.wanted && served === undefined) return verdict;
    const taken = await (served === undefined
      ? this.#write(
          service,
          found.members,
          servers.map((_, index) => renderConnectorConfig(service, found.members, this.#deps.config, index)),
        )
      : this.#write(
          service,
          endpointsIn(served[0]!).map((endpoint) => remembered(service, endpoint)),
          served,
        ));
    if (served === undefined) this.#found.add(key);
    if (taken) this.#lookAgain(key);
    return taken ? { problem: taken } : verdict;
  }

  /** Whether what is served stays: not all is known yet, or nothing of what is named was found so far. */
  #isHeld(service: DistributedService, { pending, unknown, members }: Members): boolean {
    if (!pending) return false;
    const isInherited = !this.#found.has(serviceKey(service));
    return isInherited || members.length === 0 || (unknown !== undefined && this.#members.get(serviceKey(service))?.length !== 0);
  }

  backendsOf(service: DistributedService): Backend[] {
    const { config } = this.#deps;
    const { spec } = service;
    const parts = [...partsOf(spec, usesGateway(spec, config), config.baseDomain).keys()];
    const connectors = this.#podsOf(service).map(({ metadata }) => metadata.uid ?? '');
    return (this.#members.get(serviceKey(service)) ?? []).map((member) => {
      const [id = endpointId(service, member), ...also] = connectors.map((uid) => backendId(service, member, uid));
      const { name, address, port, since } = member;
      return { id, ...(also.length > 0 && { also }), name, address, port, parts, startsUntil: since + startMs };
    });
  }

  /** Label selector of the connector's Pods; undefined where there is none. */
  selectorOf({ metadata: { namespace = '', name } }: DistributedService): string | undefined {
    const exists = this.#deployments.store.get(namespace, connectorName(name)) !== undefined;
    return exists ? `${connectorSelector},${label.service}=${name}` : undefined;
  }

  /** Of a service that is gone (namespace/name). */
  forget(key: string): void {
    this.#names.follow(key, '', []);
    this.#selected.forget(key);
    this.#members.delete(key);
    this.#found.delete(key);
    this.#again.get(key)?.();
    this.#again.delete(key);
  }

  async close(): Promise<void> {
    this.#names.close();
    for (const cancel of this.#again.values()) cancel();
    await Promise.all([this.#selected.close(), ...this.#reflectors.map((reflector) => reflector.close())]);
  }

  /** What is served already: a controller that has just started keeps it until it knows better. */
  #servedTexts({ metadata: { namespace = '', name } }: DistributedService, servers: number): string[] | undefined {
    const { data = {} } = this.#configMaps.store.get(namespace, connectorName(name)) ?? {};
    const texts = Array.from({ length: servers }, (_, index) => data[configKey(index)]).filter((text) => text !== undefined);
    return texts.length === servers ? texts : undefined;
  }

  /** Configuration first: a new Pod starts with it, those that run are told. @returns what stands in the way */
  async #write(service: DistributedService, members: Member[], texts: string[]): Promise<Problem | undefined> {
    const wanted = deploymentOf(service, this.#deps.config);
    const taken =
      (await this.#ensure(service, this.#configMaps, configMapOf(service, texts))) ??
      (await this.#ensure(service, this.#deployments, wanted)) ??
      (wanted.spec.replicas > 1 ? await this.#ensure(service, this.#budgets, budgetOf(service)) : undefined);
    if (taken) return taken;
    if (wanted.spec.replicas <= 1) await this.#delete(service, this.#budgets);
    this.#remember(service, members);
    await this.#tellPods(service, createHash('sha256').update(texts.join('\n')).digest('hex').slice(0, 16));
    return undefined;
  }

  #lookAgain(key: string): void {
    this.#again.get(key)?.();
    this.#again.set(
      key,
      this.#deps.clock.after(lookAgainMs, () => this.#changed(key)),
    );
  }

  /** A changed annotation makes the kubelet look at the Pod, and so at its volumes: at once instead of within a minute. */
  async #tellPods(service: DistributedService, hash: string): Promise<void> {
    for (const { metadata } of this.#podsOf(service)) {
      if (metadata.annotations?.[annotation.configHash] === hash) continue;
      const patch = { metadata: { uid: metadata.uid, annotations: { [annotation.configHash]: hash } } };
      const patched = await this.#deps.client.mergePatch(pods, metadata.namespace, metadata.name, patch).catch(ignoreGone);
      if (patched) this.#pods.store.set(patched);
    }
  }

  #podsOf({ metadata: { namespace = '', name } }: DistributedService): KubeObject[] {
    const isOne = ({ metadata }: KubeObject) => metadata.labels?.[label.service] === name && metadata.deletionTimestamp === undefined;
    return this.#pods.store.all(namespace).filter(isOne);
  }

  #remember(service: DistributedService, members: Member[]): void {
    const before = new Map(this.#members.get(serviceKey(service))?.map((member) => [endpointId(service, member), member.since]));
    const now = this.#deps.clock.now();
    const kept = members.map((member) => ({ ...member, since: before.get(endpointId(service, member)) ?? now }));
    this.#members.set(serviceKey(service), kept);
  }

  async #remove(service: DistributedService, isForgotten = true): Promise<Verdict> {
    if (isForgotten) this.forget(serviceKey(service));
    this.#members.delete(serviceKey(service));
    this.#found.delete(serviceKey(service));
    for (const kind of [this.#budgets, this.#deployments, this.#configMaps]) await this.#delete(service, kind);
    return {};
  }

  #delete<T extends KubeObject>(service: DistributedService, kind: Kind<T>): Promise<void> {
    return deleteOwned(this.#deps.client, service, kind, connectorName(service.metadata.name));
  }

  #ensure<T extends KubeObject>(service: DistributedService, kind: Kind<T>, wanted: T): Promise<Problem | undefined> {
    const consequence = 'its backends are not connected; rename or delete it, or give the DistributedService another name';
    return ensureOwned(this.#deps.client, service, kind, wanted, consequence);
  }
}
