/**
 * The members of all groups at this replica: proxies that are online at frps. What frps' own API says is the truth;
 * plugin calls only tell that it is time to ask, and which member has just gone. So an agent that restarts knows all.
 *
 * A registration is a name and a port: a port is not given out again for a minute, so an event of an earlier session
 * with the same name cannot be taken for one of this.
 */
import { systemClock, type Clock } from '../../../certs/clock.ts';
import { originsIn } from '../../frp/origins.ts';
import { portIn } from '../../model/ports.ts';
import { isProxyPort, Ports } from './port-pool.ts';
import { tunnelIn } from './tunnel-address.ts';
import { identityIn, parseProxyName, type Identity } from '../pod-identity.ts';
import type { ListProxies, OnlineProxy } from './frps-client.ts';

import type { Log } from '../../log.ts';

export interface Member {
  /** of the proxy */
  name: string;
  /** namespace/name */
  service: string;
  backendId: string;
  /** name of the backend's port that it says that it leads to (model/ports.ts), where backends have several */
  portName?: string;
  identity: Identity;
  /** of a connector's: which of the service's endpoints it says that it is of (frp/origins.ts) */
  origins: readonly string[];
  /** HAProxy's end of its tunnel's connection to frps (tunnel-address.ts) */
  tunnel?: string;
  /** on loopback */
  port: number;
}

export interface MembersOptions {
  list: ListProxies;
  changed: () => void;
  /** whether a port is somebody else's, or users' requests may still be sent to it for who had it before */
  isTaken: (port: number) => boolean;
  log: Log;
  clock?: Pick<Clock, 'now'>;
}

interface Registration {
  name: string;
  port: number;
  /** of the frp session; undefined for what was there before this agent */
  session: string | undefined;
  identity: Identity;
  /** milliseconds */
  at: number;
}

const periodMs = 10_000;
const retryMs = 1000;
/** frps listens within milliseconds of its answer; what has not come by then will not come. */
const pendingMs = 15_000;
/** Between two questions, and in any case four times what the last one took: a storm of logins is asked about as one. */
const gapMs = 10;

export class Members {
  readonly #options: MembersOptions;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #ports: Ports;
  /** given out, and not online yet; by port */
  readonly #pending = new Map<number, Registration>();
  /** by name of the proxy */
  #online = new Map<string, Member>();
  /** of the members online, where this agent has seen their registration; by port */
  readonly #sessions = new Map<number, string>();
  /** when this agent first saw each of the members online, by port; not of those that were there before it; milliseconds */
  readonly #since = new Map<number, number>();
  /** ports of proxies that were closed since the last answer of frps was asked for */
  #closed = new Set<number>();
  #timer: NodeJS.Timeout | undefined;
  #dueAt = Infinity;
  #asking: Promise<void> | undefined;
  /** an answer that is on its way may be older than what has just happened */
  #isStale = false;
  #lastMs = 0;
  #attempts = 0;
  #stopped = false;
  #problem: string | undefined;
  /** whether frps has answered once */
  hasSynced = false;

  constructor(options: MembersOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#ports = new Ports(this.#clock);
  }

  /** @returns after the first attempt; asks again every 10 s */
  async start(): Promise<void> {
    await this.sync();
  }

  async close(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#asking;
  }

  get all(): Iterable<Member> {
    return this.#online.values();
  }

  /** When a member joined, in milliseconds since the epoch; undefined where it was there before this agent. */
  sinceOf({ port }: Member): number | undefined {
    return this.#since.get(port);
  }

  /** @returns as in Member, of members of such Pods */
  tunnelsOf(isWanted: (identity: Identity) => boolean): string[] {
    return [...this.#online.values()].flatMap(({ identity, tunnel }) => (tunnel !== undefined && isWanted(identity) ? [tunnel] : []));
  }

  get size(): number {
    return this.#online.size;
  }

  /** why frps could not be asked */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Registrations of the Pod, of its namespace in its cluster, and of its cluster, those under way included. */
  loadOf({ cluster, uid, namespace }: Identity): Load {
    const load: Load = { ofPod: 0, ofNamespace: 0, ofCluster: 0 };
    const count = ({ identity }: { identity: Identity }) => {
      if (identity.cluster !== cluster) return;
      load.ofCluster++;
      if (identity.uid === uid) load.ofPod++;
      if (identity.namespace === namespace) load.ofNamespace++;
    };
    for (const pending of this.#pending.values()) count(pending);
    for (const member of this.#online.values()) count(member);
    return load;
  }

  /** The port of a proxy that frps is about to open; undefined where none is free. */
  assign(name: string, identity: Identity, session: string): number | undefined {
    const port = this.#ports.assign(this.#options.isTaken);
    if (port === undefined) return undefined;
    this.#pending.set(port, { name, port, session, identity, at: this.#clock.now() });
    this.#attempts = 0;
    this.#syncIn(gapMs);
    return port;
  }

  /** frps has closed a proxy. Of a session that has been replaced, that is no news. */
  closed(name: string, session: string | undefined): void {
    const member = this.#online.get(name);
    if (member && session !== undefined && this.#sessions.get(member.port) === session) {
      this.#closed.add(member.port);
      this.#remove(member);
      this.#options.changed();
    }
    for (const pending of this.#pending.values())
      if (pending.name === name && pending.session === session) {
        this.#closed.add(pending.port);
        this.#forgetPending(pending.port);
      }
    this.#isStale = true;
    this.#syncIn(0);
  }

  /** frps has ended, and everything in it. */
  lost(): void {
    if (this.#online.size > 0)
      this.#options.log.warn({ members: this.#online.size }, 'frps has ended; its members are gone until it is back');
    for (const member of [...this.#online.values()]) this.#remove(member);
    for (const port of [...this.#pending.keys()]) this.#forgetPending(port);
    this.#options.changed();
  }

  /** Asks frps now, or shares the answer that is on its way. */
  sync(): Promise<void> {
    this.#asking ??= this.#ask().finally(() => (this.#asking = undefined));
    return this.#asking;
  }

  async #ask(): Promise<void> {
    clearTimeout(this.#timer);
    this.#dueAt = Infinity;
    this.#closed = new Set();
    this.#isStale = false;
    const started = performance.now();
    let next = periodMs;
    try {
      const proxies = await this.#options.list();
      this.#problem = undefined;
      const hasChanged = this.#take(proxies);
      this.hasSynced = true;
      if (hasChanged) this.#options.changed();
    } catch (error) {
      const { message } = error as Error;
      if (message !== this.#problem) this.#options.log.warn(`the members are not known: ${message}`);
      this.#problem = message;
      next = retryMs;
    }
    this.#lastMs = performance.now() - started;
    if (this.#pending.size > 0) next = Math.min(retryMs, gapMs * 2 ** this.#attempts++);
    this.#syncIn(this.#isStale ? 0 : next);
  }

  #syncIn(ms: number): void {
    const dueAt = performance.now() + Math.max(ms, Math.min(retryMs, 4 * this.#lastMs));
    if (this.#stopped || dueAt >= this.#dueAt) return;
    clearTimeout(this.#timer);
    this.#dueAt = dueAt;
    this.#timer = setTimeout(() => {
      // While frps' answer is on its way this asks nothing: what comes after it must find the way free.
      this.#dueAt = Infinity;
      void this.sync();
    }, dueAt - performance.now());
  }

  /** @returns whether a member came or went */
  #take(proxies: readonly OnlineProxy[]): boolean {
    const found = new Map<string, Member>();
    for (const proxy of proxies) {
      if (this.#closed.has(proxy.port)) continue;
      const member = memberOf(proxy);
      if (member) found.set(proxy.name, member);
      else this.#options.log.warn({ proxy: proxy.name.slice(0, 300), port: proxy.port }, 'frps has a proxy that is not of this agent');
    }
    let hasChanged = false;
    for (const member of this.#online.values())
      if (found.get(member.name)?.port !== member.port) {
        this.#remove(member);
        hasChanged = true;
      }
    for (const member of found.values()) {
      if (this.#online.has(member.name)) continue;
      this.#add(member);
      hasChanged = true;
    }
    for (const { port, at } of this.#pending.values()) if (this.#clock.now() - at >= pendingMs) this.#forgetPending(port);
    return hasChanged;
  }

  #add(member: Member): void {
    const { session } = this.#pending.get(member.port) ?? {};
    this.#pending.delete(member.port);
    this.#ports.use(member.port);
    if (session !== undefined) this.#sessions.set(member.port, session);
    if (session !== undefined || this.hasSynced) this.#since.set(member.port, this.#clock.now());
    this.#online.set(member.name, member);
  }

  #remove({ name, port }: Member): void {
    this.#online.delete(name);
    this.#sessions.delete(port);
    this.#since.delete(port);
    this.#ports.free(port);
  }

  #forgetPending(port: number): void {
    this.#pending.delete(port);
    this.#ports.free(port);
  }
}

/** The name was checked when frps asked whether it may be; the identity is the one that was verified then. */
function memberOf({ name, port, user, metadata }: OnlineProxy): Member | undefined {
  const identity = identityIn(user);
  const parsed = identity && parseProxyName(name, identity);
  if (!parsed || !isProxyPort(port)) return undefined;
  const { service, backendId } = parsed;
  const tunnel = tunnelIn(metadata);
  const member = { name, port, identity, service: `${identity.namespace}/${service}`, backendId, origins: originsIn(metadata) };
  const portName = portIn(metadata);
  return { ...member, ...(portName !== undefined && { portName }), ...(tunnel !== undefined && { tunnel }) };
}

/** Registrations that there are already. */
export interface Load {
  ofPod: number;
  ofNamespace: number;
  ofCluster: number;
}
