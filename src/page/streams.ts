/** Who looks at a view is told what has changed, by server-sent events: each change once, to a bounded number at a time. */
import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { changesBetween, versionOf, type Fragment } from './fragment.ts';
import { announcement, type View } from './view.ts';
import type { Verdict } from './authorize.ts';

export interface StreamsOptions {
  /** how often is looked whether there is anything new; milliseconds */
  everyMs: number;
  /** streams at a time */
  most: number;
  /** how often is asked whether somebody may still look; milliseconds */
  reviewMs: number;
}

export interface Followed {
  /** the view as it is now; undefined where there is no such view any more */
  view: () => Promise<View | undefined>;
  /** version that the browser has; empty: none */
  since: string;
  isAllowed: () => Promise<Verdict>;
}

/** Views by version, so that a browser that comes, or comes back, gets only what is new to it. */
const mostViews = 64;
/** Bytes that may wait for a slow browser; it is told nothing more before it has taken them. */
const mostWaiting = 1_000_000;
/** A proxy on the way ends a connection that says nothing. Milliseconds. */
const aliveMs = 15_000;

export class Streams {
  readonly #options: StreamsOptions;
  readonly #stop = new AbortController();
  readonly #views = new Map<string, readonly Fragment[]>();
  #open = 0;

  constructor(options: StreamsOptions) {
    this.#options = options;
  }

  /** Whether another one may come. */
  get isFull(): boolean {
    return this.#open >= this.#options.most;
  }

  get size(): number {
    return this.#open;
  }

  /** What a browser is about to get as a document. */
  remember(fragments: readonly Fragment[]): void {
    const version = versionOf(fragments);
    this.#views.delete(version);
    this.#views.set(version, fragments);
    if (this.#views.size > mostViews) this.#views.delete(this.#views.keys().next().value!);
  }

  /** Until the browser goes, may not look any more, or the server ends. Never rejects. @param response whose head is not sent */
  async follow(response: ServerResponse, headers: Readonly<Record<string, string>>, followed: Followed): Promise<void> {
    this.#open++;
    const gone = new AbortController();
    response.on('close', () => gone.abort());
    response.on('error', () => gone.abort());
    try {
      response.writeHead(200, { ...headers, 'content-type': 'text/event-stream; charset=utf-8', 'x-accel-buffering': 'no' });
      response.flushHeaders();
      await this.#tell(response, followed, AbortSignal.any([gone.signal, this.#stop.signal]));
    } finally {
      this.#open--;
      response.end();
    }
  }

  async #tell(response: ServerResponse, { view, since, isAllowed }: Followed, signal: AbortSignal): Promise<void> {
    const { everyMs, reviewMs } = this.#options;
    let fragments = this.#views.get(since) ?? [];
    let states: ReadonlyMap<string, string> = new Map();
    let [reviewedAt, saidAt] = [Date.now(), Date.now()];
    while (!signal.aborted) {
      if (Date.now() - reviewedAt >= reviewMs) {
        const verdict = await isAllowed();
        if (!verdict.isAllowed) return void send(response, 'end', verdict.message);
        reviewedAt = Date.now();
      }
      if (response.writableLength < mostWaiting) {
        const next = await view().catch(() => 'failed' as const);
        if (!next) return void send(response, 'end', 'it is not there any more');
        if (next !== 'failed') {
          const changes = changesBetween(fragments, next.fragments);
          const said = announcement(states, next.states);
          if (changes.length > 0) {
            this.remember(next.fragments);
            send(response, 'changes', changes, versionOf(next.fragments));
          }
          if (said !== undefined) send(response, 'said', said);
          if (changes.length > 0 || said !== undefined) saidAt = Date.now();
          ({ fragments, states } = next);
        }
      }
      if (Date.now() - saidAt >= aliveMs) {
        response.write(':\n\n');
        saidAt = Date.now();
      }
      await sleep(everyMs, undefined, { signal }).catch(() => {});
    }
  }

  close(): void {
    this.#stop.abort();
  }
}

/** JSON has no line ends of its own, which would end the event. */
function send(response: ServerResponse, event: string, data: unknown, id?: string): void {
  response.write(`${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
}
