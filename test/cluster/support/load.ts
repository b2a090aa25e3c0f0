/** A steady load on a virtual host of the frp server, and what failed of it. */
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Outage {
  at: string;
  seconds: number;
  failed: number;
  first: string;
}

/** Sends requests on time, whatever becomes of the ones before; each has a connection of its own. */
export class Load {
  sent = 0;
  answered = 0;
  readonly outages: Outage[] = [];
  #down: { since: number; failed: number; first: string } | undefined;
  readonly #agent = new Agent({ keepAlive: false });
  readonly #timer: NodeJS.Timeout;
  readonly #say: (text: string) => void;

  /** @param rate requests a second @param say told of each outage when it is over */
  constructor(address: string, host: string, rate: number, say: (text: string) => void = () => {}) {
    this.#say = say;
    this.#timer = setInterval(() => this.#send(address, host), 1000 / rate);
  }

  async end(): Promise<void> {
    clearInterval(this.#timer);
    await sleep(6000);
    if (this.#down) this.#up();
  }

  #send(address: string, host: string): void {
    this.sent++;
    const outgoing = request({ host: address, port: 80, headers: { host }, agent: this.#agent, timeout: 5000 }, (incoming) => {
      incoming.resume();
      incoming.on('error', (error) => this.#failed(error.message));
      incoming.on('end', () => (incoming.statusCode === 200 ? this.#good() : this.#failed(`status ${incoming.statusCode}`)));
    });
    outgoing.on('timeout', () => outgoing.destroy(new Error('no answer in 5 s')));
    outgoing.on('error', (error) => this.#failed(error.message));
    outgoing.end();
  }

  #good(): void {
    this.answered++;
    if (this.#down) this.#up();
  }

  #failed(first: string): void {
    this.#down ??= { since: Date.now(), failed: 0, first };
    this.#down.failed++;
  }

  #up(): void {
    const { since, failed, first } = this.#down!;
    this.outages.push({ at: new Date(since).toISOString(), seconds: (Date.now() - since) / 1000, failed, first });
    this.#say(`outage of ${((Date.now() - since) / 1000).toFixed(1)} s: ${failed} failed, the first with: ${first}`);
    this.#down = undefined;
  }
}
