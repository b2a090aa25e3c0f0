/** One collection of the API server, followed by list and watch for as long as the program runs. */
import { Watch } from '@kubernetes/client-node/dist/watch.js';
import type { Log } from '../log.ts';
import { backoffMs, pause } from './backoff.ts';
import type { KubeClient, ListOptions } from './client.ts';
import { errorFrom, isExpired, isForbidden } from './errors.ts';
import { describe, pathOf, slim, type KubeObject, type Resource } from './types.ts';

/** What to do with the collection. Objects are slim; an exception is logged and the rest goes on. */
export interface Sink<T> {
  /** the whole collection, after each list. @param version of the list */
  replace(objects: T[], version?: string): void;
  set(object: T): void;
  delete(object: T): void;
}

export interface ReflectorOptions<T extends KubeObject> extends ListOptions {
  client: KubeClient;
  resource: Resource<T>;
  sink: Sink<T>;
  log: Log;
  /** a list this often, whatever the watch has said: it heals what a lost event has broken */
  relistMs?: number;
  /** told after each list, after each failed attempt, and when the watch is well again: `hasSynced` or `lastError` may be another */
  onHealth?: () => void;
}

const tenMinutes = 600_000;
const retry = { minMs: 500, maxMs: 30_000 };
/** The API server ends a watch after this many seconds, with a bookmark; the next goes on where it stood. */
const watchSeconds = 80;
/** A watch that is silent for longer is dead, though its connection may not know. Bookmarks in between are not promised. */
const silenceMs = 90_000;

export class Reflector<T extends KubeObject> {
  /** resolves after the first list; it is never rejected, since failures are tried again */
  readonly synced: Promise<void>;
  /** whether the first list is there */
  hasSynced = false;
  /** why the last attempt failed; undefined while all is well */
  lastError: Error | undefined;

  readonly #options: ReflectorOptions<T>;
  readonly #what: string;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #markSynced: () => void = () => {};
  #failures = 0;
  /** where the next watch goes on; undefined: list first */
  #version: string | undefined;
  /** aborted when a refresh has made the watch, or the pause before the next, pointless */
  #attempt = new AbortController();

  /** Starts at once. */
  constructor(options: ReflectorOptions<T>) {
    this.#options = options;
    this.#what = describe(options.resource, options.namespace);
    this.synced = new Promise((resolve) => (this.#markSynced = resolve));
    this.#running = this.#run();
  }

  /**
   * Lists now, and watches anew from there, whatever is under way: a watch that has been cut off would tell older versions
   * once more when it is back, and one that has told of newer ones would not tell them again after the list.
   * @throws KubeError
   */
  async refresh(): Promise<void> {
    this.#version = await this.#list(this.#stop.signal);
    this.#succeeded();
    this.#attempt.abort();
  }

  /** Ends the watch; no callback comes after it has resolved. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    let relistAt = 0;
    while (!signal.aborted) {
      this.#attempt = new AbortController();
      const given = AbortSignal.any([signal, this.#attempt.signal]);
      try {
        if (this.#version === undefined || Date.now() >= relistAt) {
          const version = await this.#list(given);
          if (given.aborted) continue;
          this.#version = version;
          relistAt = Date.now() + (this.#options.relistMs ?? tenMinutes) * (1 + Math.random() / 5);
        }
        await this.#watch(this.#version, relistAt, given);
      } catch (error) {
        if (given.aborted) continue;
        // A list tells at once that a right is back; of a watch nothing is heard until something happens.
        if (isExpired(error) || isForbidden(error)) this.#version = undefined;
        await this.#failed(error as Error, given);
      }
    }
  }

  async #failed(error: Error, signal: AbortSignal): Promise<void> {
    const wait = backoffMs(this.#failures++, retry);
    this.lastError = new Error(`${this.#what} cannot be followed: ${messageOf(error)}`, { cause: error });
    const { log } = this.#options;
    this.#options.onHealth?.();
    log.warn({ attempt: this.#failures, waitMs: Math.round(wait) }, `following ${this.#what} failed, trying again: ${messageOf(error)}`);
    await pause(wait, signal);
  }

  #succeeded(): void {
    this.#failures = 0;
    if (!this.lastError) return;
    this.lastError = undefined;
    this.#options.onHealth?.();
  }

  async #list(signal: AbortSignal): Promise<string> {
    const { client, resource, sink } = this.#options;
    const { items, resourceVersion } = await client.list(resource, this.#options);
    if (signal.aborted) return resourceVersion;
    this.#safely(() => sink.replace(items, resourceVersion));
    this.lastError = undefined;
    this.hasSynced = true;
    this.#markSynced();
    this.#options.onHealth?.();
    return resourceVersion;
  }

  /** Resolves once the server has ended the watch. @throws where it broke */
  async #watch(from: string, until: number, signal: AbortSignal): Promise<void> {
    const started = Date.now();
    let seen = 0;
    const seconds = Math.min(watchSeconds, Math.max(1, Math.ceil((until - started) / 1000)));
    await this.#stream(from, seconds, signal, (type, object) => {
      seen++;
      this.#succeeded();
      this.#version = object.metadata.resourceVersion ?? this.#version;
      if (type === 'BOOKMARK') return;
      this.#safely(() => (type === 'DELETED' ? this.#options.sink.delete(slim(object)) : this.#options.sink.set(slim(object))));
    });
    // A server (or a proxy) that ends every watch at once must not be asked in a tight loop.
    if (seen === 0 && Date.now() - started < 900) throw new Error(`the watch of ${this.#what} ended as soon as it began`);
    this.#succeeded();
  }

  #stream(resourceVersion: string, timeoutSeconds: number, signal: AbortSignal, onEvent: (type: string, object: T) => void): Promise<void> {
    const { client, resource, namespace, labelSelector, fieldSelector } = this.#options;
    const watch = new Watch(client.access.kubeConfig);
    // It has no public setting; its 30 seconds would end every quiet watch between two bookmarks.
    Reflect.set(watch, 'requestTimeoutMs', silenceMs);
    const query = { labelSelector, fieldSelector, resourceVersion, timeoutSeconds, allowWatchBookmarks: true };

    return new Promise((resolve, reject) => {
      let fault: Error | undefined;
      let connection: AbortController | undefined;
      const end = () => connection?.abort();
      const close = () => {
        end();
        reject(new Error('closed'));
      };
      signal.addEventListener('abort', close);
      const onLine = (type: string, object: T) => {
        if (signal.aborted || fault) return;
        if (type !== 'ERROR') return onEvent(type, object);
        fault = errorFrom(`watch ${this.#what}`, 0, object);
        end();
      };
      const onDone = (error: (Error & { statusCode?: number }) | null) => {
        signal.removeEventListener('abort', close);
        const broken = error?.statusCode === undefined ? error : errorFrom(`watch ${this.#what}`, error.statusCode, error);
        const failure = fault ?? broken;
        if (failure) reject(failure);
        else resolve();
      };
      void watch.watch(pathOf(resource, namespace), query, onLine, onDone).then((controller) => {
        connection = controller;
        if (signal.aborted || fault) end();
      }, reject);
    });
  }

  /** client-node swallows what a callback throws; here it is told. */
  #safely(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#options.log.error({ err: error, resource: this.#what }, 'an event was not handled');
    }
  }
}

/** With its cause: undici's own message is only `fetch failed`. */
function messageOf(error: Error): string {
  const { cause } = error;
  return cause instanceof Error && !error.message.includes(cause.message)
    ? `${error.message}: ${cause.message || cause.name}`
    : error.message;
}
