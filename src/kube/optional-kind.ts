/** Objects of a kind that the cluster may not serve, or not yet: another project's. */
import type { Log } from '../log.ts';
import { pause } from './backoff.ts';
import type { KubeClient } from './client.ts';
import { isNotFound } from './errors.ts';
import { ObjectStore } from './object-store.ts';
import { Reflector } from './reflector.ts';
import type { KubeObject, Resource } from './types.ts';

/** How often a cluster without the kind is asked whether it has it now: one request, whatever the number of services. */
const lookMs = 30_000;

export interface OptionalKindOptions<T extends KubeObject> {
  client: KubeClient;
  log: Log;
  resource: Resource<T>;
  namespace?: string | undefined;
  labelSelector?: string;
  /** told of each object that came, changed or went */
  changed: (object: T) => void;
  /** told when `isServed` is another */
  onServed: () => void;
}

export class OptionalKind<T extends KubeObject> {
  readonly objects: ObjectStore<T>;
  /** undefined: not known yet; true: all of them are in `objects` */
  isServed: boolean | undefined;
  readonly #options: OptionalKindOptions<T>;
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  #reflector: Reflector<T> | undefined;

  constructor(options: OptionalKindOptions<T>) {
    this.#options = options;
    this.objects = new ObjectStore((object) => options.changed(object as T));
  }

  /** Begins to look, once; nothing is asked before. */
  start(): void {
    this.#running ??= this.#run();
  }

  /** Why they are not known; undefined while nothing has failed. */
  get problem(): string | undefined {
    return this.#reflector?.lastError?.message;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const isThere = await this.#isThere();
      if (isThere) await this.#follow();
      else if (isThere === false) this.#setServed(false);
      await pause(lookMs, signal);
    }
  }

  /** undefined where the API server does not say. */
  #isThere(): Promise<boolean | undefined> {
    const { client, resource } = this.#options;
    return client.raw<{ resources?: { name?: string }[] }>(`/apis/${resource.apiVersion}`).then(
      ({ resources = [] }) => resources.some(({ name }) => name === resource.plural),
      (error: unknown) => (isNotFound(error) ? false : undefined),
    );
  }

  /** Until the kind is gone, or this is closed. */
  async #follow(): Promise<void> {
    const { client, log, resource, namespace, labelSelector } = this.#options;
    const { signal } = this.#stop;
    await new Promise<void>((resolve) => {
      const onHealth = () => {
        if (this.#reflector?.hasSynced) this.#setServed(true);
        if (isNotFound(this.#reflector?.lastError?.cause)) resolve();
      };
      const where = { ...(namespace !== undefined && { namespace }), ...(labelSelector !== undefined && { labelSelector }) };
      this.#reflector = new Reflector<T>({ client, log, resource, sink: this.objects, onHealth, ...where });
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    await this.#reflector?.close();
    this.#reflector = undefined;
    if (signal.aborted) return;
    this.objects.replace([]);
    this.#setServed(false);
  }

  #setServed(isServed: boolean): void {
    if (this.isServed === isServed) return;
    this.isServed = isServed;
    this.#options.onServed();
  }
}
