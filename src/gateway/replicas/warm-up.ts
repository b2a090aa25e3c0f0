/**
 * A restarted replica is Ready to users once each service that has backends on a peer has one here, or after 30 s:
 * sidecars come back to it within seconds, and a request must not find it empty.
 */
import { pause } from '../../kube/backoff.ts';

export interface WarmUpDeps {
  /** of each other replica: its services with backends; rejects where it cannot be asked */
  peers: () => Promise<Set<string>>[];
  own: () => Promise<Set<string>>;
  limitMs?: number;
  everyMs?: number;
}

export class WarmUp {
  readonly #stop = new AbortController();
  #problem: string | undefined = 'the other replicas have not been asked yet';
  readonly done: Promise<void>;

  /** Starts at once. */
  constructor({ peers, own, limitMs = 30_000, everyMs = 500 }: WarmUpDeps) {
    this.done = this.#run(peers, own, performance.now() + limitMs, everyMs);
  }

  /** undefined once this replica may have users */
  get problem(): string | undefined {
    return this.#problem;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.done;
  }

  async #run(peers: WarmUpDeps['peers'], own: WarmUpDeps['own'], until: number, everyMs: number): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted && performance.now() < until) {
      this.#problem = await missing(peers(), own);
      if (this.#problem === undefined) return;
      await pause(everyMs, signal);
    }
    this.#problem = undefined;
  }
}

async function missing(peers: Promise<Set<string>>[], own: () => Promise<Set<string>>): Promise<string | undefined> {
  const answers = await Promise.allSettled(peers);
  const unknown = answers.filter(({ status }) => status === 'rejected').length;
  if (unknown > 0) return `${unknown} of ${answers.length} other replicas cannot be asked`;
  try {
    const here = await own();
    const there = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [...answer.value] : []));
    const services = [...new Set(there)].filter((service) => !here.has(service));
    return services.length === 0
      ? undefined
      : `no backend yet of ${services.length} services that another replica has, such as ${services[0]}`;
  } catch (error) {
    return `HAProxy cannot be asked: ${(error as Error).message}`;
  }
}
