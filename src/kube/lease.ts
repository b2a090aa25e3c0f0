/** Leader election by a Lease, as client-go does it (tools/leaderelection): one replica leads, another takes over when it falls silent. */
import type { Log } from '../log.ts';
import { pause } from './backoff.ts';
import type { KubeClient } from './client.ts';
import { isAlreadyExists, isConflict, isNotFound } from './errors.ts';
import { fieldManager } from './managers.ts';
import { leases, type Lease } from './types.ts';

export interface ElectionOptions {
  client: KubeClient;
  log: Log;
  namespace: string;
  name: string;
  /** of this replica: no other has it, not even this one after a restart */
  identity: string;
  /** others wait this long after the last renewal that they saw */
  durationMs?: number;
  /** a leader that could not renew for so long has ended by then; shorter than durationMs */
  deadlineMs?: number;
  retryMs?: number;
  onLeading: () => void;
  /** this replica led and does no longer; it must write nothing more */
  onLost: () => void;
}

export class Election {
  readonly #options: Required<ElectionOptions>;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #isLeading = false;
  #seen: { version: string; at: number } | undefined;
  /** when the Lease, as it was seen last, runs out for others */
  #freeAt = 0;

  /** Takes part at once. */
  constructor(options: ElectionOptions) {
    this.#options = { durationMs: 15_000, deadlineMs: 10_000, retryMs: 2000, ...options };
    this.#running = this.#run();
  }

  get isLeading(): boolean {
    return this.#isLeading;
  }

  /** Lets go of the Lease, so that another replica need not wait. The caller has finished its writes. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    if (!this.#isLeading) return;
    this.#isLeading = false;
    const { client, namespace, name, identity, log } = this.#options;
    try {
      const lease = await client.get(leases, namespace, name);
      if (lease.spec?.holderIdentity === identity) await this.#write(lease, { holderIdentity: '', leaseDurationSeconds: 1 });
    } catch (error) {
      log.warn({ err: error }, 'the Lease could not be released; another replica waits until it has run out');
    }
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    const { deadlineMs, log, onLost, onLeading } = this.#options;
    let renewedAt = 0;
    while (!signal.aborted) {
      // Measured from before the request: the Lease may have been written as soon as it was sent.
      const started = Date.now();
      const held = await this.#tryToHold().catch((error: unknown) => {
        log.warn({ err: error }, this.#isLeading ? 'the Lease could not be renewed' : 'the Lease could not be asked for');
        return undefined;
      });
      if (signal.aborted) {
        if (held) this.#isLeading = true;
        return;
      }
      if (held) renewedAt = started;
      if (held && !this.#isLeading) {
        this.#isLeading = true;
        log.info({ identity: this.#options.identity }, 'leading');
        onLeading();
      }
      if (this.#isLeading && (held === false || Date.now() - renewedAt > deadlineMs)) {
        this.#isLeading = false;
        log.error('the Lease is lost');
        return onLost();
      }
      await pause(this.#nextMs(), signal);
    }
  }

  /** Who waits for a Lease that runs out sooner comes back then: a fail-over takes no longer than it must. */
  #nextMs(): number {
    const retryMs = this.#options.retryMs * (0.9 + Math.random() / 5);
    const leftMs = this.#freeAt - Date.now();
    return leftMs > 0 && leftMs < retryMs ? leftMs + Math.random() * 100 : retryMs;
  }

  /** @returns whether this replica holds it now. @throws where the API server could not tell */
  async #tryToHold(): Promise<boolean> {
    const { client, namespace, name, identity } = this.#options;
    try {
      const lease = await withTimeout(client.get(leases, namespace, name), this.#options.deadlineMs / 2);
      const version = lease.metadata.resourceVersion ?? '';
      if (this.#seen?.version !== version) this.#seen = { version, at: Date.now() };
      const { holderIdentity = '', leaseDurationSeconds = 0 } = lease.spec ?? {};
      const isMine = holderIdentity === identity;
      // By this machine's clock, from when the change was seen: clocks of two machines need not agree.
      this.#freeAt = isMine || holderIdentity === '' ? 0 : this.#seen.at + leaseDurationSeconds * 1000;
      if (Date.now() < this.#freeAt) return false;
      const now = microTime();
      const transitions = (lease.spec?.leaseTransitions ?? 0) + (isMine ? 0 : 1);
      const taken = isMine ? {} : { holderIdentity: identity, acquireTime: now, leaseTransitions: transitions };
      await withTimeout(
        this.#write(lease, { ...taken, leaseDurationSeconds: this.#seconds, renewTime: now }),
        this.#options.deadlineMs / 2,
      );
      return true;
    } catch (error) {
      // Of a leader's own Lease a Conflict is a question for the next attempt, not a loss.
      if (isConflict(error) && !this.#isLeading) return false;
      if (!isNotFound(error)) throw error;
    }
    return this.#create();
  }

  async #create(): Promise<boolean> {
    const { client, namespace, name, identity } = this.#options;
    const now = microTime();
    const spec = { holderIdentity: identity, leaseDurationSeconds: this.#seconds, acquireTime: now, renewTime: now, leaseTransitions: 0 };
    try {
      await client.create(leases, { metadata: { name, namespace }, spec }, fieldManager.controller);
      return true;
    } catch (error) {
      if (isAlreadyExists(error)) return false;
      throw error;
    }
  }

  get #seconds(): number {
    return Math.max(1, Math.round(this.#options.durationMs / 1000));
  }

  /** With the version that the decision was made from: two that take it at once cannot both succeed. */
  #write({ metadata }: Lease, spec: NonNullable<Lease['spec']>): Promise<Lease> {
    const { client, namespace, name } = this.#options;
    return client.mergePatch(leases, namespace, name, { metadata: { resourceVersion: metadata.resourceVersion }, spec });
  }
}

const microTime = (): string => new Date().toISOString().replace('Z', '000Z');

/** The client's own timeout is longer than a leader may be silent. */
function withTimeout<T>(answer: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms);
  });
  return Promise.race([answer, late]).finally(() => clearTimeout(timer));
}
