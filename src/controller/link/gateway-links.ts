/** The links to gateways elsewhere, as the leading controller holds them: one to each that the cluster has joined. */
import type { Gauge } from '@prometheus-io/client';
import { defaultConfig } from '../../config/schema.ts';
import { pause } from '../../kube/backoff.ts';
import { Loop } from '../../kube/loop.ts';
import type { Sink } from '../../kube/reflector.ts';
import type { KubeObject } from '../../kube/types.ts';
import type { LinkIdentity, LinkState } from '../../link/held-link.ts';
import { LinkError } from '../../link/protocol.ts';
import { addressText, gatewayAddresses } from '../../model/gateway.ts';
import { linkSecretName } from '../../model/names.ts';
import type { Differing } from '../backends/frp-status.ts';
import type { Told } from '../backends/server-answers.ts';
import { hasJoined } from '../gateway-place.ts';
import { ClusterItems, type ClusterItemsDeps } from './cluster-items.ts';
import { GatewayLink, gatewayNameOf } from './gateway-link.ts';
import { proxyIn } from './proxy-secret.ts';
import { joinIfAsked, linkIdentitiesIn, updateLinkIdentity, withTold, type LinkSecretDeps } from './link-secret.ts';

export interface GatewayLinksDeps extends LinkSecretDeps, ClusterItemsDeps {
  /** has the watch of Pods tell all of them once more. @throws KubeError */
  listPods: () => Promise<void>;
  /** told when a link comes up or goes down, or another gateway has been joined */
  changed: () => void;
  /** told of a service (namespace/name) of which a gateway says something else than before, beside its proxies */
  serviceChanged: (service: string) => void;
  metric?: Gauge<'gateway'> | undefined;
}

/** How often what has no watch here is looked at. Milliseconds. */
const lookMs = 15_000;
const noIdentityMs = 1000;
const knownMs = 15_000;
/** Until a gateway that did not answer is asked again whether the cluster may join. */
const joinAgainMs = 10_000;

export class GatewayLinks {
  readonly #deps: GatewayLinksDeps;
  readonly #looking = new Loop();
  /** by key of the Secret; of a gateway with replicas one to each, by key and address */
  readonly #links = new Map<string, { key: string; link: GatewayLink }>();
  #items: ClusterItems | undefined;
  #collecting: Promise<void> | undefined;
  #hasStarted = false;

  constructor(deps: GatewayLinksDeps) {
    this.#deps = deps;
  }

  /** What the cluster tells; undefined where it has joined no gateway, or this replica does not lead. Pods come by the watches. */
  get items(): ClusterItems | undefined {
    return this.#items;
  }

  /** fed by the watches of Pods that have tunnels */
  readonly pods = { injected: this.#podSink('injected'), connectors: this.#podSink('connectors') };

  #podSink(of: keyof ClusterItems['pods']): Sink<KubeObject> {
    return {
      replace: (pods) => this.#items?.pods[of].replace(pods),
      set: (pod) => this.#items?.pods[of].set(pod),
      delete: (pod) => this.#items?.pods[of].delete(pod),
    };
  }

  /** Whether the cluster has joined a gateway elsewhere. */
  get isJoined(): boolean {
    return hasJoined(this.#deps);
  }

  /** PEM of the authorities of the gateways that it has joined */
  get authoritiesPem(): string {
    return [...new Set([...this.#identities.values()].map(({ authorityPem }) => authorityPem.trim()))].join('\n');
  }

  /**
   * Gateways that would not trust certificates of all of these authorities; one that has removed the cluster trusts none of it.
   * @param pem as they are to be told @returns names
   */
  withoutAuthorities(pem: string): string[] {
    if (!this.isJoined) return [];
    if (this.#items?.authoritiesPem !== pem || this.#links.size === 0) return [...this.#identities.values()].map(gatewayNameOf);
    const isBehind = (link: GatewayLink) => !link.hasAuthorities(pem) && (link.state.isUp || link.state.reason !== 'ClusterRemoved');
    return this.#each.filter(isBehind).map(({ name }) => name);
  }

  /** By the gateways' names; none where the cluster has not joined or this replica does not lead. */
  get states(): { gateway: string; state: LinkState; leave: string }[] {
    const { namespace } = this.#deps.config;
    const where = namespace === defaultConfig.namespace ? '' : ` --system ${namespace}`;
    return [...this.#links.values()]
      .map(({ link: { name, state } }) => ({ gateway: name, state, leave: `frp-k8s join --leave ${name}${where}` }))
      .sort((one, other) => (one.gateway < other.gateway ? -1 : 1));
  }

  /** Addresses that sidecars dial, of gateways that the cluster has not joined beside those that it has. */
  get notJoined(): string[] {
    const joined = [...this.#identities.values()].map(({ addresses }) => addresses);
    const dialled = gatewayAddresses(this.#deps.config).map(addressText);
    // A gateway may have another name in the configuration than it has for itself: then it is not known which one that is.
    const areKnown = joined.every((addresses) => addresses.some((address) => dialled.includes(address)));
    return joined.length > 0 && areKnown ? dialled.filter((address) => !joined.some((addresses) => addresses.includes(address))) : [];
  }

  /** Resolves once it is known of each link whether it is up: a new leader says nothing on no knowledge. */
  async known(): Promise<void> {
    for (let waited = 0; this.isJoined && waited < knownMs && !this.#looking.signal.aborted; waited += 50) {
      if (this.#links.size > 0 && this.#each.every(({ isKnown }) => isKnown)) return;
      await pause(50, this.#looking.signal);
    }
  }

  /** This replica leads. Doing it again changes nothing. */
  start(): void {
    if (this.#hasStarted) return;
    this.#hasStarted = true;
    this.#looking.start(
      () => this.#look(),
      () => (this.isJoined ? lookMs : noIdentityMs),
    );
  }

  /** Joins where a token is there for it. @returns milliseconds until that is to be looked at again. @throws KubeError */
  async followJoining(): Promise<number> {
    const { isToBeTriedAgain } = await joinIfAsked(this.#deps, this.#looking.signal);
    await this.#collect();
    this.#follow();
    this.#deps.changed();
    return isToBeTriedAgain ? joinAgainMs : Infinity;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#each.map((link) => link.close()), this.#looking.close()]);
  }

  /**
   * What the gateways say, of those that can be asked.
   * @returns undefined where the cluster has joined none
   * @throws LinkError why nothing is known of any
   */
  listed(): Told[] | undefined {
    if (!this.isJoined) return undefined;
    if (this.#links.size === 0) throw new LinkError('Starting', `the gateway of Secret ${linkSecretName} has not been dialled yet`);
    const told: Told[] = [];
    const problems: LinkError[] = [];
    for (const link of this.#each)
      try {
        told.push({ gateway: link.name, ...link.listed() });
      } catch (error) {
        problems.push(error as LinkError);
      }
    if (told.length === 0) throw new LinkError(problems[0]!.reason, problems.map(({ message }) => message).join('; '));
    return told;
  }

  /** @param key namespace/name of a service */
  differing(key: string): Differing[] {
    return this.#each.flatMap((link) => link.differing(key));
  }

  get #identities(): ReturnType<typeof linkIdentitiesIn> {
    return linkIdentitiesIn(this.#deps);
  }

  /** Never rejects. */
  async #look(): Promise<void> {
    try {
      await this.#collect();
      if (!this.isJoined) return;
      await this.#items?.look();
      await this.#keepTold();
      this.#follow();
    } catch (error) {
      this.#deps.log.warn(`what the gateway is to know cannot be listed: ${(error as Error).message}`);
    }
  }

  /** All that the cluster tells is there before a link is dialled. @throws KubeError */
  #collect(): Promise<void> {
    if (!this.isJoined) {
      this.#items = this.#collecting = undefined;
      return Promise.resolve();
    }
    return (this.#collecting ??= this.#collectAll().catch((error: unknown) => {
      this.#items = this.#collecting = undefined;
      throw error;
    }));
  }

  async #collectAll(): Promise<void> {
    this.#items = new ClusterItems(this.#deps);
    this.#items.start();
    await this.#deps.listPods();
  }

  /** Links are those of the Secret. */
  #follow(): void {
    if (this.#looking.signal.aborted) return;
    const items = this.#items?.items;
    const { log, metric, changed, serviceChanged } = this.#deps;
    const wanted = this.#wanted;
    for (const [id, { link }] of this.#links) {
      if (wanted.has(id)) continue;
      this.#links.delete(id);
      void link.close();
      metric?.remove({ gateway: link.name });
      log.info({ gateway: link.name }, `the cluster does not go to gateway ${link.name} any more`);
    }
    for (const [id, { key, identity }] of wanted) {
      if (!items) return;
      const known = this.#links.get(id)?.link;
      if (known) {
        if (JSON.stringify(known.identity) !== JSON.stringify(identity)) known.identity = identity;
        continue;
      }
      const link = new GatewayLink({
        identity,
        items,
        proxy: () => proxyIn(this.#deps),
        log,
        renewed: (next) => updateLinkIdentity(this.#deps, key, next),
        changed: () => {
          if (this.#links.get(id)?.link !== link) return;
          metric?.set({ gateway: link.name }, link.state.isUp ? 1 : 0);
          changed();
        },
        serviceChanged,
        aboutChanged: () => void this.#keepTold(),
      });
      this.#links.set(id, { key, link });
    }
  }

  get #each(): GatewayLink[] {
    return [...this.#links.values()].map(({ link }) => link);
  }

  /** A replica has links of its own, so each is dialled; the addresses of another gateway are tried in turn. */
  get #wanted(): Map<string, { key: string; identity: LinkIdentity }> {
    const wanted = new Map<string, { key: string; identity: LinkIdentity }>();
    for (const [key, identity] of this.#identities) {
      if (!identity.isReplicated) wanted.set(key, { key, identity });
      else
        for (const address of identity.addresses) wanted.set(`${key} ${address}`, { key, identity: { ...identity, addresses: [address] } });
    }
    return wanted;
  }

  /** What a gateway says of itself goes into the Secret, for the next link and for sidecars. Never rejects. */
  async #keepTold(): Promise<void> {
    for (const [key, identity] of this.#identities) {
      // Of several replicas the first that says something: one may have started with another configuration a moment ago.
      const about = [...this.#links.values()].find((each) => each.key === key && each.link.about)?.link.about;
      const next = about && withTold(identity, about);
      if (!next) continue;
      await updateLinkIdentity(this.#deps, key, next).catch((error: Error) =>
        this.#deps.log.warn(`what the gateway says of itself cannot be kept: ${error.message}`),
      );
    }
  }
}
