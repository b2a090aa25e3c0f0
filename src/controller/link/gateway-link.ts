/**
 * The link to a gateway elsewhere, as the leading controller holds it: what this cluster wants of the gateway goes up, what
 * the gateway says of it comes down and is asked for like the answer of a gateway in the cluster.
 */
import type { Gauge } from '@prometheus-io/client';
import type { Authority } from '../../../certs/authority.ts';
import { podFactsOf } from '../../frp/pod-facts.ts';
import { pause } from '../../kube/backoff.ts';
import { ignoreNotFound } from '../../kube/errors.ts';
import { Loop } from '../../kube/loop.ts';
import type { Sink } from '../../kube/reflector.ts';
import { configMaps, type KubeObject } from '../../kube/types.ts';
import { HeldLink, type LinkIdentity, type LinkState } from '../../link/held-link.ts';
import { Inbox } from '../../link/inbox.ts';
import { downKinds } from '../../link/items.ts';
import { Outbox } from '../../link/outbox.ts';
import { defaultLimits, LinkError, type Item } from '../../link/protocol.ts';
import { usesGateway } from '../../model/gateway.ts';
import { revokedConfigMapNames } from '../../model/names.ts';
import { serviceKey, type ServiceReader } from '../../model/store.ts';
import type { DistributedService } from '../../model/types.ts';
import type { Listed, ListedProxy } from '../backends/frp-status.ts';
import { proxyIn } from './proxy-secret.ts';
import { joinIfAsked, keepLinkIdentity, linkIdentityIn, type LinkSecretDeps } from './link-secret.ts';

export interface GatewayLinkDeps extends LinkSecretDeps {
  services: ServiceReader;
  authority: () => Authority;
  /** copies for the gateway (gateway-secrets/copies.ts, copiesElsewhere) */
  copies: () => { known: ReadonlyMap<string, Record<string, string>>; unknown: ReadonlySet<string>; until: number };
  /** told when the link comes up or goes down, or says something of the whole */
  changed: () => void;
  /** told of a service (namespace/name) of which the gateway says something else than before, beside its proxies */
  serviceChanged: (service: string) => void;
  metric?: Gauge | undefined;
}

/** How often what has no watch here is looked at: revocations, keys of tokens. Milliseconds. */
const lookMs = 15_000;
const noIdentityMs = 1000;
const knownMs = 15_000;
/** Until a gateway that did not answer is asked again whether the cluster may join. */
const joinAgainMs = 10_000;
const tokenKeys = { kind: 'keys', key: 'tokens' } as const;

export class GatewayLink implements Sink<KubeObject> {
  readonly #deps: GatewayLinkDeps;
  readonly #outbox = new Outbox();
  readonly #inbox: Inbox;
  readonly #looking = new Loop();
  /** UIDs of Pods by namespace/name */
  readonly #pods = new Map<string, string>();
  #held: HeldLink | undefined;
  #hasStarted = false;
  #hasHeard = false;

  constructor(deps: GatewayLinkDeps) {
    this.#deps = deps;
    this.#inbox = new Inbox({
      limits: defaultLimits,
      take: async (set, gone) => {
        this.#hasHeard = true;
        for (const { kind, key } of [...set, ...gone]) if (kind === 'differs') deps.serviceChanged(key);
      },
    });
  }

  /** Whether the cluster has joined a gateway elsewhere. */
  get identity(): LinkIdentity | undefined {
    return this.#isPossible ? linkIdentityIn(this.#deps) : undefined;
  }

  /** undefined: no link is held, as the cluster has not joined or this replica does not lead */
  get state(): LinkState | undefined {
    return this.identity ? this.#held?.state : undefined;
  }

  /** Resolves once it is known whether there is a link: a new leader says nothing on no knowledge. */
  async known(): Promise<void> {
    for (let waited = 0; this.identity && waited < knownMs && !this.#looking.signal.aborted; waited += 50) {
      const { state } = this;
      if (state && (state.isUp ? this.#hasHeard : state.reason !== 'Starting')) return;
      await pause(50, this.#looking.signal);
    }
  }

  /** This replica leads. Doing it again changes nothing. */
  start(): void {
    if (!this.#isPossible || this.#hasStarted) return;
    this.#hasStarted = true;
    for (const key of revokedConfigMapNames) this.#outbox.leave({ kind: 'revoked', key });
    this.#outbox.leave(tokenKeys);
    for (const service of this.#deps.services.all()) this.serviceChanged(undefined, service);
    this.authorityChanged();
    this.copiesChanged();
    this.#looking.start(
      () => this.#look(),
      () => (this.identity ? lookMs : noIdentityMs),
    );
  }

  /** Joins where a token is there for it. @returns milliseconds until that is to be looked at again. @throws KubeError */
  async followJoining(): Promise<number> {
    const { isToBeTriedAgain } = await joinIfAsked(this.#deps, this.#looking.signal);
    this.identityChanged();
    this.#deps.changed();
    return isToBeTriedAgain ? joinAgainMs : Infinity;
  }

  /** There may be another identity. */
  identityChanged(): void {
    if (this.#looking.signal.aborted || !this.identity) return;
    if (this.#held) return this.#held.wake();
    const { log, metric, changed } = this.#deps;
    this.#held = new HeldLink({
      identity: () => this.identity,
      proxy: () => proxyIn(this.#deps),
      renewed: (identity) => keepLinkIdentity(this.#deps, identity),
      outbox: this.#outbox,
      inbox: this.#inbox,
      changed: (state) => {
        metric?.set(state.isUp ? 1 : 0);
        if (state.isUp) log.info({ address: state.address, gateway: state.program }, 'the link to the gateway is up');
        else log.warn({ reason: state.reason, address: state.address }, `the link to the gateway is down: ${state.message}`);
        changed();
      },
      onUnknown: (what) => log.info({ what }, 'the gateway says something that this controller does not know; it may be newer'),
    });
  }

  async close(): Promise<void> {
    await Promise.all([this.#held?.close(), this.#looking.close()]);
  }

  /**
   * What the gateway says, in the form of its own API.
   * @returns undefined where there is no gateway elsewhere
   * @throws LinkError why nothing is known
   */
  listed(): Listed | undefined {
    const { state } = this;
    if (!state) return undefined;
    if (!state.isUp) throw new LinkError(state.reason, `${state.message} (since ${new Date(state.since).toISOString()})`);
    if (!this.#hasHeard) throw new LinkError('Starting', 'the gateway has not told anything yet');
    const proxies: ListedProxy[] = [];
    const refused: NonNullable<Listed['refused']> = [];
    for (const { kind, key, value } of this.#inbox.collection.all()) {
      if (kind === 'proxy') {
        const proxy = downKinds.proxy.safeParse(value).data;
        if (proxy) proxies.push({ name: key, status: proxy.status, ...(proxy.reason !== undefined && { reason: proxy.reason }) });
      } else if (kind === 'refused') {
        const problem = downKinds.refused.safeParse(value).data;
        if (problem) refused.push({ service: key, message: problem.message });
      }
    }
    return { proxies, refused };
  }

  /** Fields of a service (namespace/name) that a cluster which joined before says otherwise; users get what that one says. */
  differingFields(key: string): string[] {
    if (!this.state?.isUp) return [];
    return downKinds.differs.safeParse(this.#inbox.collection.get({ kind: 'differs', key })?.value).data?.fields ?? [];
  }

  serviceChanged(before: DistributedService | undefined, after: DistributedService | undefined): void {
    if (!this.#isPossible) return;
    const key = serviceKey((after ?? before)!);
    if (!after || !usesGateway(after.spec, this.#deps.config)) return this.#outbox.delete({ kind: 'service', key });
    const { name, namespace, uid, generation, creationTimestamp, deletionTimestamp } = after.metadata;
    const metadata = { name, namespace, uid, generation, creationTimestamp, deletionTimestamp };
    this.#tell({ kind: 'service', key, value: { metadata, spec: after.spec } });
  }

  authorityChanged(): void {
    this.#tell({ kind: 'authority', key: 'clients', value: { bundle: this.#deps.authority().bundlePem } });
  }

  /** @returns when to look again though nothing changes, milliseconds since the epoch */
  copiesChanged(): number {
    if (!this.#isPossible) return Infinity;
    const { known, unknown, until } = this.#deps.copies();
    const items = [...known].map(([key, data]) => plain({ kind: 'secret', key, value: { data } }));
    this.#outbox.replace('secret', items, unknown);
    return until;
  }

  replace(pods: KubeObject[]): void {
    const keep = new Set(pods.map(keyOf));
    for (const key of [...this.#pods.keys()]) if (!keep.has(key)) this.#forgetPod(key);
    for (const pod of pods) this.set(pod);
  }

  set(pod: KubeObject): void {
    if (!this.#isPossible) return;
    const key = keyOf(pod);
    const { uid = '' } = pod.metadata;
    if (this.#pods.get(key) !== uid) this.#forgetPod(key);
    const facts = podFactsOf(pod);
    if (!facts) return this.#forgetPod(key);
    this.#pods.set(key, uid);
    this.#tell({ kind: 'pod', key: uid, value: facts });
  }

  delete(pod: KubeObject): void {
    if (this.#pods.get(keyOf(pod)) === pod.metadata.uid) this.#forgetPod(keyOf(pod));
  }

  /** A gateway of this cluster's own needs no link. */
  get #isPossible(): boolean {
    return this.#deps.config.gateway.elsewhere;
  }

  #forgetPod(key: string): void {
    const uid = this.#pods.get(key);
    this.#pods.delete(key);
    if (uid !== undefined) this.#outbox.delete({ kind: 'pod', key: uid });
  }

  #tell(item: { kind: string; key: string; value: unknown }): void {
    if (this.#outbox.set(plain(item))) return;
    this.#deps.log.warn({ kind: item.kind, key: item.key }, 'the gateway is not told of an object that is too large');
  }

  async #look(): Promise<void> {
    if (!this.identity) return;
    await Promise.all([this.#lookAtRevoked(), this.#lookAtKeys()]).catch((error: Error) =>
      this.#deps.log.warn(`what the gateway is to know cannot be read: ${error.message}`),
    );
    this.identityChanged();
  }

  async #lookAtRevoked(): Promise<void> {
    const { client, config } = this.#deps;
    for (const name of revokedConfigMapNames) {
      const list = await client.get(configMaps, config.namespace, name).catch(ignoreNotFound);
      if (list) this.#tell({ kind: 'revoked', key: name, value: { data: list.data ?? {} } });
      else this.#outbox.delete({ kind: 'revoked', key: name });
    }
  }

  /** As kube-apiserver publishes them (RFC 8414, KEP-1393). */
  async #lookAtKeys(): Promise<void> {
    const { client } = this.#deps;
    const [{ issuer }, { keys }] = await Promise.all([
      client.raw<{ issuer?: string }>('/.well-known/openid-configuration'),
      client.raw<{ keys?: unknown[] }>('/openid/v1/jwks'),
    ]);
    if (issuer !== undefined && keys) this.#tell({ ...tokenKeys, value: { issuer, keys } });
  }
}

/** Without what is undefined, as the other end has it. */
const plain = ({ kind, key, value }: { kind: string; key: string; value: unknown }): Item => ({
  kind,
  key,
  value: JSON.parse(JSON.stringify(value)) as Item['value'],
});

const keyOf = ({ metadata: { namespace, name } }: KubeObject): string => `${namespace}/${name}`;
