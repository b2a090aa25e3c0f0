/**
 * What the frp server's own API says: which proxies are online (frp server/http, GET /api/proxy/{type}). Never a guess.
 * The gateway's replicas answer in the same form; a backend serves where one of them has it online.
 */
import { systemClock, type Clock } from '../../../certs/clock.ts';
import { askServerApi, type Credentials } from '../../frp/server-api.ts';
import { Loop } from '../../kube/loop.ts';
import type { Problem } from '../problem.ts';
import type { Backend, ProxyCounts } from './health.ts';
import {
  answerIn,
  differing,
  differingOfGateways,
  merged,
  mergedOfGateways,
  nothing,
  rememberServed,
  type Answer,
  type Listed,
  type Told,
} from './server-answers.ts';

/** Fields of a service that another cluster, which joined a gateway before, says otherwise. */
export interface Differing {
  gateway: string;
  fields: readonly string[];
  /** by the gateway's name; absent where an older gateway does not say */
  cluster?: string | undefined;
}

/** `none`: there is no gateway in this cluster, and it has joined none. */
export type ServerHealth = { status: 'reachable' } | { status: 'unreachable'; message: string } | { status: 'unknown' | 'none' };

export interface ServerViewOptions {
  /** of one server, or of the replicas of one */
  urls: readonly string[];
  /** kinds of proxies to ask for; default: all that there are */
  types?: readonly string[];
  /** whether it lists proxies before their health check has succeeded for the first time, as the gateway does */
  listsUnchecked?: boolean;
  /** frpc's user, which a server that was there before puts before every name */
  user?: string | undefined;
  /** what gateways elsewhere tell over links, in place of URLs. @throws Error why nothing is known; undefined: there is no link */
  told?: () => readonly Told[] | undefined;
  /** undefined while the Secret is not there */
  credentials: () => { user: string; password: string } | undefined;
  /** PEM of the authority that https servers have their certificate from; undefined while it is not known */
  authority?: () => string | undefined;
  /** whether there is anything to ask for */
  isWanted: () => boolean;
  /** services (namespace/name) whose proxies have changed; undefined: the server's own health has */
  changed: (services: Iterable<string> | undefined) => void;
  clock?: Pick<Clock, 'now'>;
}

const allTypes = ['http', 'https', 'tcp', 'udp'];
const periodMs = 2000;
const timeoutMs = 5000;
/** A single answer that is missing says nothing yet. */
const failuresUntilUnreachable = 2;
/** After an outage of the server the sidecars dial again within seconds. */
const graceMs = 15_000;

export class ServerView {
  readonly #options: ServerViewOptions;
  readonly #loop = new Loop();
  #said: Answer = nothing;
  /** by gateway, of gateways elsewhere */
  #told = new Map<string, Answer>();
  #health: ServerHealth = { status: 'unknown' };
  #failures = 0;
  #graceUntil = 0;

  constructor(options: ServerViewOptions) {
    this.#options = options;
  }

  start(): void {
    this.#loop.start(async () => {
      if (this.#options.isWanted()) await this.poll();
    }, periodMs);
  }

  close(): Promise<void> {
    return this.#loop.close();
  }

  get health(): ServerHealth {
    return this.#health;
  }

  /** Until then a backend that is not registered may still be on its way. */
  get graceUntil(): number {
    return this.#graceUntil;
  }

  /** @param service namespace/name */
  countsOf(service: string, id: string): ProxyCounts | undefined {
    return this.#said.services.get(service)?.get(id);
  }

  /** How many backends of a pool are in use, of a service (namespace/name) that has several; undefined where that is not known. */
  upIn(service: string, pool: string | undefined): number | undefined {
    return this.#said.pools.get(service)?.get(pool);
  }

  /** Why the gateway leaves a service (namespace/name) out, in HAProxy's words; undefined where it does not. */
  refusalOf(service: string): string | undefined {
    return this.#said.refused.get(service);
  }

  /** What one of several gateways elsewhere says of a service (namespace/name); undefined where it says nothing at present. */
  toldBy(gateway: string, service: string): { countsOf: (id: string) => ProxyCounts | undefined; refusal: string | undefined } | undefined {
    const said = this.#told.get(gateway);
    return said && { countsOf: (id) => said.services.get(service)?.get(id), refusal: said.refused.get(service) };
  }

  /** Why the gateway refuses tunnels of a service's (namespace/name) Pods; undefined where it does not. */
  refusedTunnelsOf(service: string): Problem | undefined {
    return this.#said.refusedTunnels.get(service);
  }

  /** Backends of a service (namespace/name) that no watch here tells of. What their addresses are, their own cluster knows. */
  elsewhere(service: string): Backend[] {
    return [...(this.#said.services.get(service) ?? [])].flatMap(([id, { elsewhere: name }]) =>
      name === undefined ? [] : [{ id, name, address: '', port: 0 }],
    );
  }

  /** Asks until it is known whether the server answers, where there is anything to ask for. */
  async meet(): Promise<void> {
    while (this.#options.isWanted() && this.#health.status === 'unknown' && !this.#loop.signal.aborted) await this.poll();
  }

  /** Asks once, and tells what has changed. */
  async poll(): Promise<void> {
    const { clock = systemClock } = this.#options;
    try {
      const told: Map<string, Answer> | undefined = this.#toldByGateway();
      const next = told ? mergedOfGateways([...told.values()]) : await this.#ask();
      if (this.#loop.signal.aborted) return;
      const before = this.#said;
      const toldBefore = this.#told;
      if (this.#options.listsUnchecked) rememberServed(before.services, next.services);
      this.#said = next;
      this.#told = told ?? new Map<string, Answer>();
      this.#failures = 0;
      if (this.#health.status === 'unreachable') this.#graceUntil = clock.now() + graceMs;
      if (this.#health.status !== 'reachable') this.#become({ status: 'reachable' });
      else this.#options.changed(new Set([...differing(before, next), ...differingOfGateways(toldBefore, this.#told)]));
    } catch (error) {
      if (this.#loop.signal.aborted || ++this.#failures < failuresUntilUnreachable) return;
      this.#become({ status: 'unreachable', message: (error as Error).message });
    }
  }

  #become(health: ServerHealth): void {
    const isSame = JSON.stringify(health) === JSON.stringify(this.#health);
    this.#health = health;
    if (!isSame) this.#options.changed(undefined);
  }

  #toldByGateway(): Map<string, Answer> | undefined {
    const told = this.#options.told?.();
    return told && new Map(told.map(({ gateway, ...listed }) => [gateway, answerIn([listed])]));
  }

  async #ask(): Promise<Answer> {
    const credentials = this.#options.credentials();
    if (!credentials) throw new Error('the Secret with the credentials is not there yet');
    const { urls } = this.#options;
    const answers = await Promise.allSettled(urls.map((url) => this.#askOne(url, credentials)));
    const known = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
    // A replica that is away says nothing, and takes nothing from what the others say.
    if (known.length > 0) return merged(known);
    const problems = answers.map((answer, index) => `${urls[index]}: ${messageOf((answer as PromiseRejectedResult).reason as Error)}`);
    throw new Error(problems.join('; '));
  }

  async #askOne(url: string, credentials: Credentials): Promise<Answer> {
    const { types = allTypes } = this.#options;
    const lists = await Promise.all(types.map((type) => this.#list(new URL(`/api/proxy/${type}`, url), credentials)));
    return answerIn(lists, this.#options.user);
  }

  async #list(url: URL, credentials: Credentials): Promise<Listed> {
    const signal = AbortSignal.any([this.#loop.signal, AbortSignal.timeout(timeoutMs)]);
    return (await askServerApi(url, { credentials, authorityPem: this.#options.authority?.(), signal })) as Listed;
  }
}

const messageOf = ({ message, cause }: Error): string => (cause instanceof Error && cause.message !== '' ? cause.message : message);
