/** A steady load of requests, told in phases: how many were answered, what failed, and how long they took. */
import { Agent, request, type IncomingMessage } from 'node:http';
import { Agent as TlsAgent, request as requestTls } from 'node:https';

export interface LoadTarget {
  address: string;
  port: number;
  host: string;
  path?: string;
  method?: string;
  /** with whatever certificate there is */
  tls?: boolean;
}

export interface LoadOptions {
  /** requests a second */
  rate: number;
  /** of the first phase */
  phase?: string;
  /** milliseconds until a request counts as lost */
  timeoutMs?: number;
}

export interface Phase {
  name: string;
  sent: number;
  answered: number;
  /** what went wrong, each with how often: an error's code, or a status */
  failures: Record<string, number>;
  /** when the first of these failures were, for a look into logs */
  failedAt: string[];
  /** milliseconds from the first to the last request that failed */
  outageMs: number;
  /** cut off in the hands of a process that died */
  held: number;
  /** answered after more than `lateMs` */
  late: number;
  /** milliseconds of the answered requests */
  p50: number;
  p99: number;
  slowest: number;
  /** 99th percentile of this process's own delays, milliseconds: what p50 and p99 have of it and not of the gateway */
  lag: number;
}

/** More than any request takes that nothing has happened to, however busy the machine is. */
export const lateMs = 2000;
const tickMs = 5;
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Sends requests on time, whatever becomes of the ones before; each has a connection of its own. */
export class PhasedLoad {
  readonly #target: LoadTarget;
  readonly #agent: Agent;
  readonly #timer: NodeJS.Timeout;
  readonly #phases = new Map<string, Recorder>();
  readonly #deaths: Death[] = [];
  readonly #timeoutMs: number;
  readonly #started = performance.now();
  readonly #rate: number;
  #now: Recorder;
  #tickedAt = this.#started;
  #sent = 0;

  /** Starts at once. */
  constructor(target: LoadTarget, { rate, phase = 'quiet', timeoutMs = 10_000 }: LoadOptions) {
    this.#target = target;
    this.#timeoutMs = timeoutMs;
    this.#rate = rate;
    this.#agent = target.tls ? new TlsAgent({ keepAlive: false, maxCachedSessions: 0 }) : new Agent({ keepAlive: false });
    this.#now = this.#recorder(phase);
    this.#timer = setInterval(() => this.#tick(), tickMs);
  }

  /** From now on requests count for another phase, or for one of before again; each counts for the one that it was sent in. */
  phase(name: string): void {
    this.#now = this.#recorder(name);
  }

  /**
   * Something has just died. What was sent before and is cut off was in its hands; what is sent from now on never was.
   * @param since when it stopped working, where it died later than that: what was cut off before was not in its hands
   */
  died(since = performance.now()): void {
    this.#deaths.push({ since, until: performance.now() });
  }

  /** What became of a phase, once each of its requests has ended. */
  async told(name: string): Promise<Phase> {
    const phase = this.#recorder(name);
    while (phase.open > 0) await sleep(50);
    return phase.result(this.#deaths);
  }

  /** Stops sending, waits for the answers, and tells of every phase. */
  async end(): Promise<Phase[]> {
    clearInterval(this.#timer);
    const phases = await Promise.all([...this.#phases.keys()].map((name) => this.told(name)));
    this.#agent.destroy();
    return phases;
  }

  #recorder(name: string): Recorder {
    const recorder = this.#phases.get(name) ?? new Recorder(name);
    this.#phases.set(name, recorder);
    return recorder;
  }

  /** A timer that is late makes up for it. */
  #tick(): void {
    const now = performance.now();
    this.#now.lags.push(Math.max(0, now - this.#tickedAt - tickMs));
    this.#tickedAt = now;
    const due = Math.floor(((now - this.#started) / 1000) * this.#rate);
    // Never in one burst what a stalled process has left out.
    if (due - this.#sent > this.#rate) this.#sent = due - this.#rate;
    while (this.#sent < due) {
      this.#sent++;
      this.#send(this.#now);
    }
  }

  #send(phase: Recorder): void {
    const { address, port, host, path = '/', method = 'GET', tls } = this.#target;
    const start = performance.now();
    phase.sent++;
    phase.open++;
    let isOver = false;
    const over = (failure?: string) => {
      if (isOver) return;
      isOver = true;
      phase.open--;
      clearTimeout(limit);
      const end = performance.now();
      if (failure === undefined) phase.times.push(end - start);
      else phase.failures.push({ what: failure, start, end, at: new Date().toISOString() });
    };
    const failed = (error: NodeJS.ErrnoException) => over(error.code ?? error.message);
    const options = { host: address, port, path, method, headers: { host }, agent: this.#agent };
    const answered = (incoming: IncomingMessage) => {
      incoming.resume();
      incoming.on('end', () => over(incoming.statusCode === 200 ? undefined : `status ${incoming.statusCode}`));
      incoming.on('error', failed);
    };
    const outgoing = tls ? requestTls({ ...options, servername: host, rejectUnauthorized: false }, answered) : request(options, answered);
    const limit = setTimeout(() => outgoing.destroy(new Error(`no answer in ${this.#timeoutMs / 1000} s`)), this.#timeoutMs);
    outgoing.on('error', failed);
    outgoing.end();
  }
}

/** Ended by the other side on a connection that was established; one that was never established is refused. */
const isCut = (failure: string): boolean => failure === 'ECONNRESET' || failure === 'EPIPE';

/** From when something did not work to when it was gone, milliseconds. */
interface Death {
  since: number;
  until: number;
}

interface Failure {
  what: string;
  /** milliseconds */
  start: number;
  end: number;
  at: string;
}

const isHeld = ({ what, start, end }: Failure, deaths: readonly Death[]): boolean =>
  isCut(what) && deaths.some(({ since, until }) => start <= until && end >= since);

class Recorder {
  readonly name: string;
  sent = 0;
  open = 0;
  readonly times: number[] = [];
  readonly lags: number[] = [];
  readonly failures: Failure[] = [];

  constructor(name: string) {
    this.name = name;
  }

  /** A death is known after what it cut off has failed, so whose doing a failure was is decided here. */
  result(deaths: readonly Death[]): Phase {
    const { name, sent } = this;
    const failed = this.failures.filter((failure) => !isHeld(failure, deaths));
    const failures: Record<string, number> = {};
    for (const { what } of failed) failures[what] = (failures[what] ?? 0) + 1;
    const times = this.times.toSorted((a, b) => a - b);
    return {
      name,
      sent,
      answered: times.length,
      failures,
      failedAt: failed.slice(0, 20).map(({ at, what }) => `${at} ${what}`),
      outageMs: failed.length === 0 ? 0 : failed.at(-1)!.end - failed[0]!.end,
      held: this.failures.length - failed.length,
      late: times.filter((ms) => ms > lateMs).length,
      p50: quantile(times, 0.5),
      p99: quantile(times, 0.99),
      slowest: quantile(times, 1),
      lag: quantile(
        this.lags.toSorted((a, b) => a - b),
        0.99,
      ),
    };
  }
}

/** In tenths of a millisecond. */
const quantile = (sorted: readonly number[], share: number): number =>
  Math.round((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN) * 10) / 10;

/** All failures of all phases, for a message. */
export const failuresOf = (phases: readonly Phase[]): string[] =>
  phases.flatMap(({ name, failures }) => Object.entries(failures).map(([what, count]) => `${name}: ${count} × ${what}`));
