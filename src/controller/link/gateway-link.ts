/** The link to one gateway elsewhere: what it says is asked for like the answer of a gateway in the cluster. */
import { HeldLink, type LinkIdentity, type LinkState } from '../../link/held-link.ts';
import { Inbox } from '../../link/inbox.ts';
import { downKinds, type Down } from '../../link/items.ts';
import { Outbox } from '../../link/outbox.ts';
import type { OwnItems } from '../../link/own-items.ts';
import { defaultLimits, LinkError } from '../../link/protocol.ts';
import type { Log } from '../../log.ts';
import { splitPartKey } from '../../model/pools.ts';
import { clientAuthority } from './cluster-items.ts';
import type { Differing } from '../backends/frp-status.ts';
import type { Listed, ListedProxy } from '../backends/server-answers.ts';

export interface GatewayLinkOptions {
  identity: LinkIdentity;
  items: OwnItems;
  /** the proxy on the way. @throws LinkError */
  proxy: () => string | undefined;
  log: Log;
  /** keeps what the gateway has renewed */
  renewed: (identity: LinkIdentity) => Promise<void>;
  /** told when the link comes up or goes down */
  changed: () => void;
  /** told of a service (namespace/name) of which the gateway says something else than before, beside its proxies */
  serviceChanged: (service: string) => void;
  /** told when the gateway says something else of itself */
  aboutChanged: () => void;
}

/** A gateway's name for people: the first of its addresses. */
export const gatewayNameOf = ({ addresses, cluster }: LinkIdentity): string => addresses[0] ?? cluster;

export class GatewayLink {
  readonly #inbox: Inbox;
  readonly #outbox: Outbox;
  readonly #held: HeldLink;
  #identity: LinkIdentity;
  #hasHeard = false;
  /** PEM, that the gateway had last */
  #authorities: string | undefined;

  /** Dials at once. */
  constructor({ identity, items, proxy, log, renewed, changed, serviceChanged, aboutChanged }: GatewayLinkOptions) {
    this.#identity = identity;
    this.#inbox = new Inbox({
      limits: defaultLimits,
      take: async (set, gone) => {
        this.#hasHeard = true;
        for (const { kind, key } of [...set, ...gone]) {
          if (kind === 'differs') serviceChanged(key);
          if (kind === 'gateway') aboutChanged();
        }
      },
    });
    this.#outbox = new Outbox(items);
    this.#held = new HeldLink({
      identity: () => this.#identity,
      proxy,
      renewed,
      outbox: this.#outbox,
      inbox: this.#inbox,
      changed: (state) => {
        const gateway = this.name;
        if (state.isUp) log.info({ gateway, address: state.address, program: state.program }, 'the link to the gateway is up');
        else log.warn({ gateway, reason: state.reason, address: state.address }, `the link to the gateway is down: ${state.message}`);
        changed();
      },
      onUnknown: (what) => log.info({ what }, 'the gateway says something that this controller does not know; it may be newer'),
    });
  }

  get name(): string {
    return gatewayNameOf(this.#identity);
  }

  get state(): LinkState {
    return this.#held.state;
  }

  get identity(): LinkIdentity {
    return this.#identity;
  }

  set identity(identity: LinkIdentity) {
    this.#identity = identity;
    this.#held.wake();
  }

  /** Whether it is known what the gateway says, or that it says nothing at present. */
  get isKnown(): boolean {
    const { state } = this;
    return state.isUp ? this.#hasHeard : state.reason !== 'Starting';
  }

  /** Whether the gateway has been told of these, and what it trusts can have followed. @param pem what it is told at present */
  hasAuthorities(pem: string): boolean {
    if (this.#outbox.isTold(clientAuthority)) this.#authorities = pem;
    return this.#authorities === pem;
  }

  /** What the gateway says of itself; undefined where it says nothing at present. */
  get about(): Down<'gateway'> | undefined {
    const said = this.state.isUp && this.#inbox.collection.get({ kind: 'gateway', key: 'gateway' });
    return said ? downKinds.gateway.safeParse(said.value).data : undefined;
  }

  /** What the gateway says, in the form of its own API. @throws LinkError why nothing is known */
  listed(): Listed {
    const { state } = this;
    if (!state.isUp) throw new LinkError(state.reason, `${state.message} (since ${new Date(state.since).toISOString()})`);
    if (!this.#hasHeard) throw new LinkError('Starting', 'the gateway has not told anything yet');
    const proxies: ListedProxy[] = [];
    const pools: NonNullable<Listed['pools']> = [];
    const refused: NonNullable<Listed['refused']> = [];
    for (const { kind, key, value } of this.#inbox.collection.all()) {
      if (kind === 'proxy') {
        const proxy = downKinds.proxy.safeParse(value).data;
        if (proxy) proxies.push({ name: key, ...proxy });
      } else if (kind === 'pool') {
        const [service, name] = splitPartKey(key);
        const said = downKinds.pool.safeParse(value).data;
        if (said) pools.push({ service, ...(name !== undefined && { pool: name }), ...said });
      } else if (kind === 'refused') {
        const problem = downKinds.refused.safeParse(value).data;
        if (problem) refused.push({ service: key, message: problem.message });
      } else if (kind === 'refusedTunnels') {
        const problem = downKinds.refusedTunnels.safeParse(value).data;
        if (problem) refused.push({ service: key, ...problem });
      }
    }
    return { proxies, pools, refused };
  }

  /** @param key namespace/name of a service */
  differing(key: string): Differing[] {
    const said = this.state.isUp
      ? downKinds.differs.safeParse(this.#inbox.collection.get({ kind: 'differs', key })?.value).data
      : undefined;
    return said && said.fields.length > 0 ? [{ gateway: this.name, ...said }] : [];
  }

  close(): Promise<void> {
    return this.#held.close();
  }
}
