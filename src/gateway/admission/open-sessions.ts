/**
 * How many sessions a Pod, a namespace and a cluster that has joined have open at frps. Each login that is let in is counted; where a limit seems to be
 * reached frps is asked which of them are still there, so that no question is asked as long as everybody stays below.
 */
import { systemClock, type Clock } from '../../../certs/clock.ts';
import type { OnlineClient } from '../members/frps-client.ts';
import { identityIn, type Identity } from '../pod-identity.ts';
import { refused, type Refusal } from './refusals.ts';

export interface OpenSessionsOptions {
  list: () => Promise<readonly OnlineClient[]>;
  /** of all, at a time: a namespace may have half of it, a cluster that has joined three quarters */
  room: number;
  clock?: Pick<Clock, 'now'>;
}

/** A sidecar has one for each of the gateway's addresses; one whose connection was lost may still be there for seconds. */
const maxOfPod = 32;
/** Until frps lists a login that was let in. */
const pendingMs = 15_000;
/** Between two questions. */
const pauseMs = 1000;
/** Logins after which frps is asked in any case. */
const manyEnded = 10_000;

interface Session {
  pod: string;
  namespace: string;
  /** undefined: the gateway's own */
  cluster: string | undefined;
  /** when it was let in, milliseconds; undefined: frps has listed it */
  at: number | undefined;
}

export class OpenSessions {
  readonly #options: Required<OpenSessionsOptions>;
  /** by run id */
  readonly #sessions = new Map<string, Session>();
  /** by Pod, by namespace and by cluster */
  readonly #counts = new Map<string, number>();
  #askedAt = -Infinity;
  /** sessions after the last answer */
  #listed = 0;
  #asking: Promise<void> | undefined;

  constructor(options: OpenSessionsOptions) {
    this.#options = { clock: systemClock, ...options };
  }

  /** One more. @param runId of the session; one that is open already is replaced by frps */
  async take(identity: Identity, runId: string): Promise<{ ok: true } | Refusal> {
    // Those that have ended are forgotten with the next answer.
    const isOld = this.#askedAt === -Infinity || this.#sessions.size > 2 * this.#listed + manyEnded;
    if (isOld || this.#excess(identity, runId)) await this.#refresh();
    const excess = this.#excess(identity, runId);
    if (excess) return excess;
    this.#add(runId, { ...keysOf(identity), at: this.#options.clock.now() });
    return { ok: true };
  }

  #excess(identity: Identity, runId: string): Refusal | undefined {
    if (this.#sessions.has(runId)) return undefined;
    const { cluster, namespace, pod } = identity;
    const keys = keysOf(identity);
    const { room } = this.#options;
    const [ofNamespace, ofCluster] = [Math.floor(room / 2), Math.floor((room * 3) / 4)];
    if (this.#count(keys.pod) >= maxOfPod)
      return refused(
        'TooManyTunnels',
        `Pod ${namespace}/${pod} has ${maxOfPod} tunnels open, and that is the limit; see who else has its token and certificate`,
      );
    if (this.#count(keys.namespace) >= ofNamespace)
      return refused(
        'TooManyTunnels',
        `namespace ${namespace} has ${ofNamespace} tunnels open, which is half of what the gateway has room for; raise the memory limit of its tunnels' HAProxy, or have fewer Pods`,
      );
    if (keys.cluster !== undefined && this.#count(keys.cluster) >= ofCluster)
      return refused(
        'TooManyTunnels',
        `cluster ${cluster} has ${ofCluster} tunnels open, which is three quarters of what the gateway has room for; raise the memory limit of its tunnels' HAProxy, or have fewer Pods`,
      );
    return undefined;
  }

  #refresh(): Promise<void> {
    this.#asking ??= this.#ask().finally(() => (this.#asking = undefined));
    return this.#asking;
  }

  /** Where frps does not answer, all that was let in is still there. */
  async #ask(): Promise<void> {
    const now = this.#options.clock.now();
    if (now - this.#askedAt < pauseMs) return;
    this.#askedAt = now;
    const clients = await this.#options.list().catch(() => undefined);
    if (!clients) return;
    const pending = [...this.#sessions].filter(([, { at }]) => at !== undefined && now - at < pendingMs);
    this.#sessions.clear();
    this.#counts.clear();
    for (const { runId, user } of clients) {
      const identity = identityIn(user);
      if (identity) this.#add(runId, { ...keysOf(identity), at: undefined });
    }
    for (const [runId, session] of pending) if (!this.#sessions.has(runId)) this.#add(runId, session);
    this.#listed = this.#sessions.size;
  }

  #add(runId: string, session: Session): void {
    if (!this.#sessions.has(runId))
      for (const key of [session.pod, session.namespace, session.cluster])
        if (key !== undefined) this.#counts.set(key, this.#count(key) + 1);
    this.#sessions.set(runId, session);
  }

  #count(key: string): number {
    return this.#counts.get(key) ?? 0;
  }
}

const keysOf = ({ cluster, namespace, uid }: Identity): Pick<Session, 'pod' | 'namespace' | 'cluster'> => ({
  pod: `pod/${cluster}/${uid}`,
  namespace: `namespace/${cluster}/${namespace}`,
  cluster: cluster === '' ? undefined : `cluster/${cluster}`,
});
