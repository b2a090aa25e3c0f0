/** A steady load of requests, told in phases: how many were answered, what failed, and how long they took. */
import { Agent, request } from 'node:http';

export interface LoadTarget {
  address: string;
  port: number;
  host: string;
  path?: string;
  method?: string;
  headers?: Record<string, string>;
}

export interface Phase {
  name: string;
  sent: number;
  answered: number;
  /** what went wrong, each with how often */
  failures: Record<string, number>;
  /** milliseconds of the answered requests */
  p50: number;
  p99: number;
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Sends requests on time, whatever becomes of the ones before; each has a connection of its own. */
export class PhasedLoad {
  readonly #target: LoadTarget;
  readonly #agent = new Agent({ keepAlive: false });
  readonly #timer: NodeJS.Timeout;
  readonly #phases: Recorder[] = [];
  readonly #timeoutMs: number;
  readonly #started = Date.now();
  readonly #rate: number;
  #sent = 0;
  #open = 0;

  /** Starts at once. @param rate requests a second */
  constructor(target: LoadTarget, { rate, phase = 'quiet', timeoutMs = 10_000 }: { rate: number; phase?: string; timeoutMs?: number }) {
    this.#target = target;
    this.#timeoutMs = timeoutMs;
    this.#rate = rate;
    this.phase(phase);
    // A timer that is late makes up for it.
    this.#timer = setInterval(() => this.#catchUp(), 5);
  }

  /** From now on requests count for another phase; each counts for the one that it was sent in. */
  phase(name: string): void {
    this.#phases.push(new Recorder(name));
  }

  /** Stops sending, waits for the answers, and tells of every phase. */
  async end(): Promise<Phase[]> {
    clearInterval(this.#timer);
    for (const limit = Date.now() + this.#timeoutMs + 1000; this.#open > 0 && Date.now() < limit;) await sleep(50);
    this.#agent.destroy();
    return this.#phases.map((phase) => phase.result());
  }

  #catchUp(): void {
    const due = Math.floor(((Date.now() - this.#started) / 1000) * this.#rate);
    // Never in one burst what a stalled process has left out.
    if (due - this.#sent > this.#rate) this.#sent = due - this.#rate;
    while (this.#sent < due) {
      this.#sent++;
      this.#send(this.#phases.at(-1)!);
    }
  }

  #send(phase: Recorder): void {
    const { address, port, host, path = '/', method = 'GET', headers } = this.#target;
    const start = performance.now();
    phase.sent++;
    this.#open++;
    let isOver = false;
    const end = (failure?: string) => {
      if (isOver) return;
      isOver = true;
      if (failure === undefined) phase.times.push(performance.now() - start);
      else phase.failures[failure] = (phase.failures[failure] ?? 0) + 1;
      this.#open--;
    };
    const outgoing = request(
      { host: address, port, path, method, headers: { host, ...headers }, agent: this.#agent, timeout: this.#timeoutMs },
      (incoming) => {
        incoming.resume();
        incoming.on('end', () => end(incoming.statusCode === 200 ? undefined : `status ${incoming.statusCode}`));
        incoming.on('error', (error) => end(error.message));
      },
    );
    outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer in ${this.#timeoutMs / 1000} s`)));
    outgoing.on('error', (error) => end(error.message));
    outgoing.end();
  }
}

class Recorder {
  readonly name: string;
  sent = 0;
  readonly times: number[] = [];
  readonly failures: Record<string, number> = {};

  constructor(name: string) {
    this.name = name;
  }

  result(): Phase {
    const sorted = this.times.sort((a, b) => a - b);
    const at = (share: number) => Math.round((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN) * 10) / 10;
    return { name: this.name, sent: this.sent, answered: sorted.length, failures: this.failures, p50: at(0.5), p99: at(0.99) };
  }
}

/** All failures of all phases, for a message. */
export const failuresOf = (phases: readonly Phase[]): string[] =>
  phases.flatMap(({ name, failures }) => Object.entries(failures).map(([what, count]) => `${name}: ${count} × ${what}`));
