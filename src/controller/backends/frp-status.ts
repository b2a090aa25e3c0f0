/**
 * What the frp server's own API says: which proxies are online (frp server/http, GET /api/proxy/{type}). Never a guess.
 * The gateway's replicas answer in the same form; a backend serves where one of them has it online.
 */
import { ownerOf } from '../../frp/proxy-names.ts';
import { systemClock, type Clock } from '../../../certs/clock.ts';
import { askServerApi, type Credentials } from '../../frp/server-api.ts';
import { Loop } from '../../kube/loop.ts';
import { reasonOfOthers } from '../../model/reasons/text.ts';
import type { Problem } from '../problem.ts';
import type { Backend, ProxyCounts } from './health.ts';

export interface ListedProxy extends Pick<ProxyCounts, 'elsewhere' | 'isRefused' | 'reason'> {
  name: string;
  status: string;
}

/** What a server says, asked by HTTP or told over a link. */
export interface Listed {
  proxies?: ListedProxy[] | null;
  /** the gateway's alone; with a reason, which is one word, what is refused are tunnels of the service's Pods */
  refused?: { service: string; message: string; reason?: string }[];
}

/** What one of several gateways says. */
export interface Told extends Listed {
  gateway: string;
}

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
/** characters of a reason that are kept */
const reasonLimit = 300;
const refusalLimit = 1000;
/** A single answer that is missing says nothing yet. */
const failuresUntilUnreachable = 2;
/** After an outage of the server the sidecars dial again within seconds. */
const graceMs = 15_000;

type Proxies = Map<string, Map<string, ProxyCounts>>;

/** What servers say. */
interface Answer {
  services: Proxies;
  /** why the gateway's HAProxy does not take a service's configuration, by service (namespace/name) */
  refused: Map<string, string>;
  /** why the gateway refuses tunnels of its Pods, by service */
  refusedTunnels: Map<string, Problem>;
}

const nothing = { services: new Map(), refused: new Map(), refusedTunnels: new Map() } satisfies Answer;

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

function answerIn(lists: readonly Listed[], user?: string): Answer {
  const services: Proxies = new Map();
  const refused: Answer['refused'] = new Map();
  const refusedTunnels: Answer['refusedTunnels'] = new Map();
  for (const { service, message, reason } of lists.flatMap((list) => list.refused ?? [])) {
    const text = message.slice(0, refusalLimit);
    if (reason === undefined) refused.set(service, text);
    else refusedTunnels.set(service, { reason: reasonOfOthers(reason), message: text });
  }
  for (const { name, status, elsewhere, isRefused, reason } of lists.flatMap((list) => list.proxies ?? [])) {
    const owner = ownerOf(name, user);
    if (!owner) continue;
    const backends = services.get(owner.service) ?? new Map<string, ProxyCounts>();
    services.set(owner.service, backends);
    const counts = backends.get(owner.id) ?? { online: 0, offline: 0, ...(elsewhere !== undefined && { elsewhere }) };
    if (isRefused) counts.isRefused = true;
    else counts[status === 'online' ? 'online' : 'offline']++;
    if (reason !== undefined) counts.reason = reason.slice(0, reasonLimit);
    backends.set(owner.id, counts);
  }
  return { services, refused, refusedTunnels };
}

/** A backend that has not been online since it came has not failed: its first check is still to come, or to succeed. */
function rememberServed(before: Proxies, next: Proxies): void {
  for (const [service, backends] of next)
    for (const [id, counts] of backends) counts.hasServed = counts.online > 0 || (before.get(service)?.get(id)?.hasServed ?? false);
}

/** Of each backend the answer of the replica that has most of it online; one replica that refuses a service is enough. */
function merged(answers: readonly Answer[]): Answer {
  const [first, ...others] = answers;
  if (others.length === 0) return first!;
  const all: Proxies = new Map();
  for (const [service, backends] of answers.flatMap(({ services }) => [...services])) {
    const best = all.get(service) ?? new Map<string, ProxyCounts>();
    all.set(service, best);
    for (const [id, counts] of backends) if (isBetter(counts, best.get(id))) best.set(id, counts);
  }
  return {
    services: all,
    refused: new Map(answers.flatMap(({ refused }) => [...refused])),
    refusedTunnels: new Map(answers.flatMap(({ refusedTunnels }) => [...refusedTunnels])),
  };
}

/** Where none has it online, why one turns it away says more than that another one does not have it. */
const isBetter = (one: ProxyCounts, other: ProxyCounts | undefined): boolean =>
  !other || one.online > other.online || (one.online === other.online && !other.isRefused);

/** A service that one gateway refuses and another one takes is served. */
function mergedOfGateways(answers: readonly Answer[]): Answer {
  const { refused, ...rest } = merged(answers);
  return { ...rest, refused: new Map([...refused].filter(([service]) => answers.every((answer) => answer.refused.has(service)))) };
}

/** Of one gateway the sum says it. */
const differingOfGateways = (before: ReadonlyMap<string, Answer>, after: ReadonlyMap<string, Answer>): string[] =>
  [...(Math.max(before.size, after.size) < 2 ? [] : new Set([...before.keys(), ...after.keys()]))].flatMap((gateway) => [
    ...differing(before.get(gateway) ?? nothing, after.get(gateway) ?? nothing),
  ]);

function differing(before: Answer, after: Answer): Set<string> {
  const changed = new Set<string>();
  const text = (backends?: Map<string, ProxyCounts>) => JSON.stringify([...(backends ?? [])].sort(([a], [b]) => (a < b ? -1 : 1)));
  for (const service of new Set([...before.services.keys(), ...after.services.keys()]))
    if (text(before.services.get(service)) !== text(after.services.get(service))) changed.add(service);
  for (const service of new Set([...before.refused.keys(), ...after.refused.keys()]))
    if (before.refused.get(service) !== after.refused.get(service)) changed.add(service);
  for (const service of new Set([...before.refusedTunnels.keys(), ...after.refusedTunnels.keys()]))
    if (JSON.stringify(before.refusedTunnels.get(service)) !== JSON.stringify(after.refusedTunnels.get(service))) changed.add(service);
  return changed;
}

const messageOf = ({ message, cause }: Error): string => (cause instanceof Error && cause.message !== '' ? cause.message : message);
