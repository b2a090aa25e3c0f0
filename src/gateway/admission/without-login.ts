/**
 * Ends connections that have a certificate and never log in: without a login none of a Pod's or a namespace's limits counts
 * them, and each takes a place that a sidecar could have. frpc gives a login up after ten seconds, and so does frps.
 */
import { Loop } from '../../kube/loop.ts';
import type { Log } from '../../log.ts';
import { portOf } from '../members/tunnel-address.ts';
import type { OnlineClient } from '../members/frps-client.ts';

export interface WithoutLoginOptions {
  tunnels: CountedTunnels;
  /** tunnels of which members are known */
  known: () => number;
  /** @throws where frps cannot be asked */
  loggedIn: () => Promise<readonly OnlineClient[]>;
  log: Pick<Log, 'warn'>;
  /** milliseconds from one look to the next; default 15 s */
  everyMs?: number;
}

/** Connections at the tunnels' HAProxy that have shown a certificate; each rejects where HAProxy is not there. */
export interface CountedTunnels {
  count: () => Promise<number>;
  /** by address and port of the client; port is HAProxy's own towards frps */
  open: () => Promise<readonly { client: string; certificate: string; port: number }[]>;
  /** @returns how many it ended */
  endClients: (clients: ReadonlySet<string>) => Promise<number>;
}

/** So many without a member do no harm, and are not worth asking for: sidecars on their way, and those whose groups are refused. */
const spare = 32;

export class WithoutLogin {
  readonly #options: WithoutLoginOptions;
  readonly #loop = new Loop();
  /** clients that had not logged in at the last look */
  #suspects: ReadonlySet<string> = new Set();

  /** Starts at once. */
  constructor(options: WithoutLoginOptions) {
    this.#options = options;
    const work = () => this.#look().catch((error: Error) => options.log.warn(`who does not log in is not known: ${error.message}`));
    this.#loop.start(work, options.everyMs ?? 15_000);
  }

  close(): Promise<void> {
    return this.#loop.close();
  }

  async #look(): Promise<void> {
    const { tunnels, known, loggedIn, log } = this.#options;
    if ((await tunnels.count().catch(() => 0)) - known() <= spare) {
      this.#suspects = new Set();
      return;
    }
    const open = await tunnels.open();
    const ports = new Set((await loggedIn()).flatMap(({ tunnel }) => (tunnel === undefined ? [] : [portOf(tunnel)])));
    const without = open.filter(({ port }) => !ports.has(port));
    const ended = without.filter(({ client }) => this.#suspects.has(client));
    this.#suspects = new Set(without.map(({ client }) => client));
    if (ended.length === 0) return;
    const count = await tunnels.endClients(new Set(ended.map(({ client }) => client)));
    const certificates = [...new Set(ended.map(({ certificate }) => certificate))];
    log.warn(
      { connections: count, certificates: certificates.slice(0, 5) },
      'ended connections that had a certificate and never logged in',
    );
  }
}
