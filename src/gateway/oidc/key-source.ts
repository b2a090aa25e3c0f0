/** Public keys (RFC 7517) that are fetched from elsewhere: kept, refreshed, and never lost to a failure. */
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import { systemClock, type Clock } from '../../../certs/clock.ts';
import { pause } from '../../kube/backoff.ts';

export interface KeySourceOptions {
  /** @throws where the keys cannot be had; then those of before stay */
  load: () => Promise<JSONWebKeySet>;
  /** how often they are fetched anew; milliseconds */
  everyMs?: number;
  /** a key that is not known leads to a fetch, but not before the last one is this old; milliseconds */
  unknownKeyMs?: number;
  /** after a failure it is tried again in 2 s, and after each further one in twice the time, up to this; milliseconds, default 2000 */
  slowestMs?: number;
  /** told once of each failure that differs from the one before */
  onFailure: (message: string) => void;
  /** told when the keys differ from before */
  changed?: () => void;
  clock?: Pick<Clock, 'now'>;
}

const retryMs = 2000;

export class KeySource {
  readonly #options: Required<KeySourceOptions>;
  readonly #stop = new AbortController();
  /** resolves after the first attempt, however it ended */
  readonly attempted: Promise<void>;
  readonly #running: Promise<void>;
  #set: JSONWebKeySet | undefined;
  #local: ReturnType<typeof createLocalJWKSet> | undefined;
  #fetching: Promise<void> | undefined;
  #fetchedAt = -Infinity;
  #problem: string | undefined;
  #failures = 0;

  /** Starts at once. */
  constructor(options: KeySourceOptions) {
    this.#options = { everyMs: 300_000, unknownKeyMs: 10_000, slowestMs: retryMs, changed: () => {}, clock: systemClock, ...options };
    this.attempted = this.#refresh();
    this.#running = this.#run();
  }

  /** undefined before the first success */
  get set(): JSONWebKeySet | undefined {
    return this.#set;
  }

  /** why the last fetch failed; undefined where it did not */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** For jose's jwtVerify. A token of a key that is not known is worth one fetch, at most every `unknownKeyMs`. */
  readonly resolve: JWTVerifyGetKey = async (header, token) => {
    try {
      return await this.#find(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      const age = this.#options.clock.now() - this.#fetchedAt;
      if (this.#fetching === undefined && age < this.#options.unknownKeyMs) throw error;
      await this.#refresh();
      return this.#find(header, token);
    }
  };

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  #find(...[header, token]: Parameters<JWTVerifyGetKey>) {
    if (!this.#local) throw new errors.JWKSNoMatchingKey();
    return this.#local(header, token);
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    await this.attempted;
    while (!signal.aborted) {
      await pause(this.#pauseMs(), signal);
      if (!signal.aborted) await this.#refresh();
    }
  }

  #pauseMs(): number {
    const { everyMs, slowestMs } = this.#options;
    return this.#failures === 0 ? everyMs : Math.min(retryMs * 2 ** Math.min(this.#failures - 1, 30), slowestMs, everyMs);
  }

  /** Never rejects; calls while one is under way share it. */
  #refresh(): Promise<void> {
    this.#fetching ??= this.#fetch().finally(() => (this.#fetching = undefined));
    return this.#fetching;
  }

  async #fetch(): Promise<void> {
    this.#fetchedAt = this.#options.clock.now();
    try {
      const set = await this.#options.load();
      this.#problem = undefined;
      this.#failures = 0;
      if (JSON.stringify(set) === JSON.stringify(this.#set)) return;
      this.#local = createLocalJWKSet(set);
      this.#set = set;
    } catch (error) {
      const { message } = error as Error;
      this.#failures++;
      if (message !== this.#problem) this.#options.onFailure(message);
      this.#problem = message;
      return;
    }
    this.#options.changed();
  }
}

/** @throws Error where the value is not a set of keys */
export function keySet(value: unknown): JSONWebKeySet {
  const { keys } = (value ?? {}) as { keys?: unknown };
  if (!Array.isArray(keys)) throw new Error('it is no set of keys: an object with a list "keys" (RFC 7517) is wanted');
  return { keys: keys as JSONWebKeySet['keys'] };
}

export interface JwtKey {
  /** key id; undefined: the key that tokens without `kid` are verified with */
  kid: string | undefined;
  alg: 'RS256' | 'RS384' | 'RS512' | 'ES256' | 'ES384' | 'ES512';
  publicKeyPem: string;
}
