/**
 * How long requests take, by quantile. HAProxy's statistics know means only, so its log tells: one request in ten, drawn by
 * HAProxy itself (configuration manual 4.2, "log … sample"), as a datagram on loopback. Nothing waits for it, and what is
 * lost under load is lost to the sample alone.
 */
import { createSocket } from 'node:dgram';
import { systemClock, type Clock } from '../../../certs/clock.ts';

/** Buckets of 5 percent, from 1 ms to a day; a quantile is exact to that. */
const step = Math.log(1.05);
const size = Math.ceil(Math.log(86_400_001) / step) + 1;
/** A quantile is of the last one to two of these. Milliseconds. */
const windowMs = 60_000;

/** One in how many requests HAProxy tells of. */
export const sampled = 10;

export interface Timed {
  /** names in HAProxy's configuration */
  backend: string;
  server: string;
  milliseconds: number;
}

/** A line of `option httplog` (configuration manual 8.2.3); undefined for others, and where no server was reached. */
export function parseLogLine(line: string): Timed | undefined {
  // frontend backend/server TR/Tw/Tc/Tr/Ta status
  const [, backend, server, time] =
    / (be-[0-9a-f]+)\/(s-[0-9a-f]+) -?[0-9]+\/-?[0-9]+\/-?[0-9]+\/-?[0-9]+\/\+?([0-9]+) [0-9]{3} /.exec(line) ?? [];
  return backend === undefined ? undefined : { backend, server: server!, milliseconds: Number(time) };
}

export class RequestTimes {
  #current = new Map<string, Uint32Array>();
  #previous = new Map<string, Uint32Array>();
  #since: number;
  readonly #clock: Pick<Clock, 'now'>;

  constructor(clock: Pick<Clock, 'now'> = systemClock) {
    this.#clock = clock;
    this.#since = clock.now();
  }

  add({ backend, server, milliseconds }: Timed): void {
    this.#turn();
    const key = `${backend}/${server}`;
    let counts = this.#current.get(key);
    if (!counts) this.#current.set(key, (counts = new Uint32Array(size)));
    counts[Math.min(size - 1, Math.round(Math.log(milliseconds + 1) / step))]!++;
  }

  /** Seconds, of all these servers together; none where there was no request of late. @param servers backend/server */
  quantiles(servers: readonly string[], wanted: readonly number[]): Map<number, number> {
    this.#turn();
    const counts = servers.flatMap((key) => [this.#current.get(key), this.#previous.get(key)]).filter((found) => found !== undefined);
    const total = counts.reduce((sum, found) => sum + found.reduce((a, b) => a + b, 0), 0);
    const result = new Map<number, number>();
    if (total === 0) return result;
    for (const quantile of wanted) {
      let left = Math.ceil(quantile * total);
      let bucket = 0;
      while ((left -= counts.reduce((sum, found) => sum + found[bucket]!, 0)) > 0) bucket++;
      result.set(quantile, (Math.exp(bucket * step) - 1) / 1000);
    }
    return result;
  }

  #turn(): void {
    const age = this.#clock.now() - this.#since;
    if (age < windowMs) return;
    this.#previous = age < 2 * windowMs ? this.#current : new Map<string, Uint32Array>();
    this.#current = new Map();
    this.#since = this.#clock.now();
  }
}

export interface LogReceiver {
  /** of UDP, on 127.0.0.1 */
  port: number;
  close: () => void;
}

/** @param port 0: any */
export function receiveLog(port: number, times: RequestTimes): Promise<LogReceiver> {
  const socket = createSocket('udp4');
  socket.on('message', (message) => {
    const timed = parseLogLine(message.toString('latin1'));
    if (timed) times.add(timed);
  });
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(port, '127.0.0.1', () => {
      socket.off('error', reject);
      socket.on('error', () => {});
      resolve({ port: socket.address().port, close: () => socket.close() });
    });
  });
}
