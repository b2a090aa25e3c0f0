/** The cluster's end, held up: dialled again whenever it ends, with pauses that grow, and with what is known of why. */
import { createSigningRequest } from '../../certs/signing-request.ts';
import { inspectCertificate, isSignedBy, splitBundle } from '../../certs/inspect.ts';
import { clockProblem } from './clock-words.ts';
import { converse } from './conversation.ts';
import { ask, dial, fetchAuthority, openLink } from './dial.ts';
import { renewBeforeMs } from './identity.ts';
import type { Inbox } from './inbox.ts';
import { downKinds } from './items.ts';
import { joinAnswer } from './joining.ts';
import type { Outbox } from './outbox.ts';
import { defaultLimits, LinkError, paths, type Hello } from './protocol.ts';
import type { JoinToken } from './token.ts';

/** By which a cluster is known to a gateway, and knows it. */
export interface LinkIdentity {
  certPem: string;
  keyPem: string;
  /** of the gateway */
  authorityPem: string;
  /** HOST:PORT; each is tried in turn */
  addresses: readonly string[];
  /** each address is that of a replica, which has links of its own */
  isReplicated?: boolean | undefined;
  /** the gateway's name of the cluster */
  cluster: string;
}

export type LinkState =
  | { isUp: true; since: number; address: string; program: string; clock: string | undefined }
  | { isUp: false; since: number; address: string; reason: LinkError['reason']; message: string };

export interface HeldLinkOptions {
  /** asked before each attempt; undefined: there is nothing to dial with yet */
  identity: () => LinkIdentity | undefined;
  /** keeps what the gateway has renewed. @throws where it cannot be kept: it is tried again with the next link */
  renewed: (identity: LinkIdentity) => Promise<void>;
  outbox: Outbox;
  inbox: Inbox;
  /** asked before each attempt: a proxy on the way (DialOptions.proxy). @throws LinkError */
  proxy?: (() => string | undefined) | undefined;
  /** told when the state differs from before */
  changed: (state: LinkState) => void;
  onUnknown?: (what: string) => void;
  /** default: 0.5 s to 30 s; milliseconds */
  backoff?: { minMs: number; maxMs: number };
  heartbeat?: { everyMs: number; patienceMs: number };
  now?: () => number;
}

const defaultBackoff = { minMs: 500, maxMs: 30_000 };
/** A link that lasted this long was a good one: the next attempt comes soon. Milliseconds. */
const goodMs = 20_000;
const renewalLookMs = 3_600_000;

export class HeldLink {
  readonly #options: HeldLinkOptions;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #state: LinkState;
  #wake = () => {};
  /** Looks whether the certificate is to be renewed, while there is a link. */
  #renew = () => {};

  /** Starts at once. */
  constructor(options: HeldLinkOptions) {
    this.#options = options;
    this.#state = { isUp: false, since: this.#now(), address: '', reason: 'Starting', message: 'the link has not been dialled yet' };
    this.#running = this.#run();
  }

  get state(): LinkState {
    return this.#state;
  }

  /** There is another identity, or reason to think that it works now. */
  wake(): void {
    this.#wake();
    this.#renew();
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#wake();
    await this.#running;
  }

  #now(): number {
    return (this.#options.now ?? Date.now)();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    let failures = 0;
    for (let attempt = 0; !signal.aborted; attempt++) {
      const identity = this.#options.identity();
      const start = this.#now();
      if (identity && identity.addresses.length > 0) {
        await this.#once(identity, identity.addresses[attempt % identity.addresses.length]!);
        failures = this.#now() - start > goodMs ? 0 : failures + 1;
      } else this.#down('', 'NotJoined', 'the cluster has not joined a gateway yet');
      if (!signal.aborted) await this.#pause(failures);
    }
  }

  /** Never rejects; resolves when the link has ended. */
  async #once(identity: LinkIdentity, address: string): Promise<void> {
    const end = new AbortController();
    const signal = AbortSignal.any([this.#stop.signal, end.signal]);
    let renewal: NodeJS.Timeout | undefined;
    try {
      const session = await dial({
        ...identity,
        address,
        proxy: this.#options.proxy?.(),
        identity,
        signal,
        heartbeat: this.#options.heartbeat,
      });
      this.#renew = () => void this.#renewIfDue(this.#options.identity() ?? identity, session).catch(() => {});
      const ended = new Promise<never>((_, reject) => {
        session.once('error', reject);
        session.once('close', () => reject(new LinkError('Closed', `${address}: the gateway ended the connection`)));
      });
      ended.catch(() => {});
      const stream = await Promise.race([openLink(session, paths.link), ended]);
      stream.on('error', () => {});
      this.#renew();
      renewal = setInterval(this.#renew, renewalLookMs);
      const talk = converse({
        input: stream,
        output: stream,
        outbox: this.#options.outbox,
        inbox: this.#options.inbox,
        kinds: Object.keys(downKinds),
        limits: defaultLimits,
        onHello: (hello) => this.#up(address, hello),
        onUnknown: (what) => this.#options.onUnknown?.(what),
        signal: this.#stop.signal,
      });
      await Promise.race([talk, ended]);
      throw new LinkError('Closed', `${address}: the gateway ended the link`);
    } catch (error) {
      const { reason, message } =
        error instanceof LinkError ? error : new LinkError('Unreachable', `${address}: ${(error as Error).message}`);
      const where = message.includes(address) ? '' : `${address}: `;
      if (!this.#stop.signal.aborted) this.#down(address, reason, `${where}${message}`);
    } finally {
      clearInterval(renewal);
      this.#renew = () => {};
      end.abort();
    }
  }

  #up(address: string, { program, now }: Hello): void {
    this.#become({ isUp: true, since: this.#now(), address, program, clock: clockProblem(this.#now(), now) });
  }

  #down(address: string, reason: LinkError['reason'], message: string): void {
    const since = this.#state.isUp ? this.#now() : this.#state.since;
    this.#become({ isUp: false, since, address, reason, message });
  }

  #become(state: LinkState): void {
    const isSame = JSON.stringify(state) === JSON.stringify(this.#state);
    this.#state = state;
    if (!isSame) this.#options.changed(state);
  }

  async #renewIfDue(identity: LinkIdentity, session: Parameters<typeof ask>[0]): Promise<void> {
    const isEnding = inspectCertificate(identity.certPem).notAfter - this.#now() <= renewBeforeMs;
    // The first of the authorities issues for links; another one than before is there in a rotation.
    if (!isEnding && isSignedBy(identity.certPem, splitBundle(identity.authorityPem)[0] ?? '')) return;
    const { requestPem, keyPem } = await createSigningRequest(identity.cluster);
    const answer = joinAnswer.parse(await ask(session, paths.renew, { request: requestPem, now: this.#now() }));
    await this.#options.renewed(identityOf(answer, keyPem));
  }

  #pause(failures: number): Promise<void> {
    const { minMs, maxMs } = this.#options.backoff ?? defaultBackoff;
    const full = Math.min(maxMs, minMs * 2 ** Math.min(failures, 20));
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(), full / 2 + (full / 2) * Math.random());
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** Joins with a token. @throws LinkError why not, of the last address that was tried */
export async function joinWith(token: JoinToken, signal: AbortSignal, proxy?: string, now = Date.now): Promise<LinkIdentity> {
  let last: unknown;
  for (const address of token.addresses) {
    const end = new AbortController();
    try {
      const common = { address, proxy, signal: AbortSignal.any([signal, end.signal]) };
      const authorityPem = await fetchAuthority(common, token.pin);
      const session = await dial({ ...common, authorityPem });
      const { requestPem, keyPem } = await createSigningRequest('cluster');
      const request = { id: token.id, secret: token.secret, request: requestPem, now: now() };
      return identityOf(joinAnswer.parse(await ask(session, paths.join, request)), keyPem);
    } catch (error) {
      last = error;
      // What the gateway itself refuses, no other address of it will take.
      if (error instanceof LinkError && !['Unreachable', 'HandshakeFailed', 'NoLink', 'ProxyFailed'].includes(error.reason)) throw error;
    } finally {
      end.abort();
    }
  }
  throw last instanceof Error ? last : new LinkError('Unreachable', 'the token names no address');
}

const identityOf = (answer: ReturnType<typeof joinAnswer.parse>, keyPem: string): LinkIdentity => ({
  certPem: answer.certificate,
  keyPem,
  authorityPem: answer.authority,
  addresses: answer.addresses,
  ...(answer.isReplicated && { isReplicated: true }),
  cluster: answer.cluster,
});
