/**
 * Users of a gateway, steadily, while things happen to it one after the other: requests by http and by https, some that
 * must not be sent twice, and connections that stay open. Used by suite 82 and by test/soak/gateway.ts.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { replicaAddress, usersAddress } from './gateway.ts';
import { host, stillHost, stillPort } from './gateway-subjects.ts';
import { LongLived } from './long-lived.ts';
import { PhasedLoad, type Phase } from './phased-load.ts';

export interface Step {
  name: string;
  /** in the long form only: it takes minutes, or the suite of the short form says why */
  isLong?: true;
  /** replicas of the gateway whose open connections it ends */
  ends?: readonly number[];
  /** It takes a Pod away without a word: its address refuses connections until the Service leaves it out. */
  refuses?: true;
  run: (load: GatewayLoad) => Promise<void>;
}

/** What became of the users while a step ran, and of those that it left waiting. */
export interface Told {
  step: Step;
  http: Phase;
  https: Phase;
  /** POST requests; not one of them is promised */
  posts: Phase;
  /** long-lived connections that were cut off */
  cut: { replica: number; text: string }[];
}

/** Between two steps, while requests of the last one are waited for. */
export const between: Step = { name: 'between the steps', run: async () => {} };

/** A request to a sidecar that hangs is tried again after 30 s (advanced.timeout.keepAlive): it is late, not lost. */
const timeoutMs = 45_000;
const unreachable = ['ECONNREFUSED', 'EHOSTUNREACH'];

export interface GatewayLoadOptions {
  /** of idempotent requests by http, a second; a tenth of it comes by https, a twentieth are POSTs */
  rate: number;
  /** milliseconds that a phase lasts at least, for its p99 to mean something */
  leastMs: number;
}

export class GatewayLoad {
  readonly #http: PhasedLoad;
  readonly #https: PhasedLoad;
  readonly #posts: PhasedLoad;
  readonly #leastMs: number;
  readonly longLived: LongLived;

  private constructor(address: string, { rate, leastMs }: GatewayLoadOptions, longLived: LongLived) {
    this.longLived = longLived;
    this.#leastMs = leastMs;
    const options = { phase: between.name, timeoutMs };
    this.#http = new PhasedLoad({ address, port: 80, host }, { ...options, rate });
    this.#https = new PhasedLoad({ address, port: 443, host, tls: true }, { ...options, rate: rate / 10 });
    this.#posts = new PhasedLoad({ address, port: 80, host, method: 'POST' }, { ...options, rate: rate / 20 });
  }

  static async start(options: GatewayLoadOptions): Promise<GatewayLoad> {
    const longLived = await LongLived.open({ replica: replicaAddress, host: stillHost, httpPort: 8080, tcpPort: stillPort });
    return new GatewayLoad(await usersAddress(), options, longLived);
  }

  /** Something that has connections of users in its hands has just died. @param since when it began to, if not now */
  died(since = performance.now()): void {
    for (const load of this.#loads) load.died(since);
  }

  async during(step: Step): Promise<Told> {
    this.#phase(step.name);
    let cut: Told['cut'] = [];
    try {
      await Promise.all([step.run(this), sleep(this.#leastMs)]);
    } finally {
      // Also where the step fails: what it cut is not the next one's doing.
      this.#phase(between.name);
      cut = await this.longLived.cut();
    }
    return this.#told(step, cut);
  }

  /** Ends it. @returns what became of the requests between the steps */
  async end(): Promise<Told> {
    const cut = await this.longLived.cut();
    this.longLived.close();
    await Promise.all(this.#loads.map((load) => load.end()));
    return this.#told(between, cut);
  }

  get #loads(): PhasedLoad[] {
    return [this.#http, this.#https, this.#posts];
  }

  #phase(name: string): void {
    for (const load of this.#loads) load.phase(name);
  }

  async #told(step: Step, cut: Told['cut']): Promise<Told> {
    const [http, https, posts] = await Promise.all(this.#loads.map((load) => load.told(step.name)));
    return { step, http: http!, https: https!, posts: posts!, cut };
  }
}

/** By what failed, how many idempotent requests were lost, and how many found nobody at an address that the Service had not left out yet. */
export function failed({ step, http, https }: Told): Record<'lost' | 'refused', Record<string, number>> {
  const found: ReturnType<typeof failed> = { lost: {}, refused: {} };
  for (const [protocol, { failures }] of Object.entries({ http, https }))
    for (const [what, count] of Object.entries(failures))
      found[step.refuses && unreachable.includes(what) ? 'refused' : 'lost'][`${protocol}: ${what}`] = count;
  return found;
}

/** What was lost that must not be: idempotent requests, and long-lived connections that the step had no reason to end. */
export function losses(told: Told): string[] {
  const requests = Object.entries(failed(told).lost).map(([what, count]) => `${count} × ${what}`);
  return [...requests, ...told.cut.filter(({ replica }) => !told.step.ends?.includes(replica)).map(({ text }) => text)];
}

/** One line: how many, how long, and what was lost by right. @param quiet the phase in which nothing happens */
export function summary(told: Told, quiet?: Phase): string {
  const { http, https, posts, cut } = told;
  const all = [http, https];
  const counted = (what: (phase: Phase) => number) => all.reduce((sum, phase) => sum + what(phase), 0);
  const parts = [
    `${counted((phase) => phase.answered)} of ${counted((phase) => phase.sent)}`,
    `p50 ${http.p50} ms, p99 ${http.p99} ms${quiet ? ` (quiet ${quiet.p99})` : ''}, own lag ${http.lag} ms`,
    `held by who died: ${counted((phase) => phase.held)}`,
    `failed: ${losses(told).join(', ') || 'none'} within ${Math.round(Math.max(http.outageMs, https.outageMs))} ms`,
    `late: ${counted((phase) => phase.late)}, at most ${Math.max(http.slowest, https.slowest)} ms`,
    `POST: ${posts.answered} of ${posts.sent}`,
    `cut off: ${cut.map(({ text }) => text).join(', ') || 'nobody'}`,
  ];
  return parts.join('; ');
}
