/**
 * Takes users' connections while HAProxy cannot: it crashed and its container is being started anew, or it has stopped
 * listening because the Pod ends. HAProxy listens at the addresses of the Pod and this at every address, and the kernel gives
 * a connection to whoever listens at the more specific one; so between HAProxy's end and this there is no moment at which
 * a user is refused. A connection that it takes is brought to HAProxy as soon as it is there, or to another replica.
 *
 * Both may listen at one port because both say SO_REUSEPORT and are the same user (socket(7)).
 */
import { BlockList, connect, createServer, isIPv6, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../../log.ts';
import { streamId } from '../haproxy/index.ts';
import { opened, type OtherReplicas } from './other-replicas.ts';
import { endsOf, proxyHeader, type Ends } from './proxy-protocol.ts';

export interface FallbackOptions {
  /** path of the socket where HAProxy takes what came to a port, after a PROXY protocol header */
  socketOf: (port: number) => string;
  /** who takes them meanwhile */
  replicas: Pick<OtherReplicas, 'connections'>;
  /** networks whose connections begin with a PROXY protocol header of their own */
  proxies: BlockList;
  /** for tests; default every address of each family */
  addresses?: readonly string[];
  hasIpv6?: boolean;
  /** milliseconds that a connection waits for somebody who takes it */
  patienceMs?: number;
  onFallback: () => void;
  log: Pick<Log, 'info' | 'warn'>;
}

/** HAProxy is back within one or two seconds; where it crashes again and again, within ten. */
const defaultPatienceMs = 10_000;
const pauseMs = 50;
/** Each is some kilobytes, and they do not wait long. */
const most = 10_000;

export class FallbackListener {
  readonly #options: FallbackOptions;
  readonly #servers = new Map<number, Server[]>();
  readonly #sockets = new Set<Socket>();
  readonly #stop = new AbortController();

  constructor(options: FallbackOptions) {
    this.#options = options;
  }

  /** From now on these ports, and no others. */
  listen(ports: Iterable<number>): void {
    const wanted = new Set(this.#stop.signal.aborted ? [] : ports);
    for (const [port, servers] of this.#servers) {
      if (wanted.has(port)) continue;
      this.#servers.delete(port);
      for (const server of servers) server.close();
    }
    for (const port of wanted) if (!this.#servers.has(port)) this.#servers.set(port, this.#open(port));
  }

  close(): void {
    this.#stop.abort();
    this.listen([]);
    for (const socket of this.#sockets) socket.destroy();
  }

  #open(port: number): Server[] {
    const { addresses, hasIpv6 = true, log } = this.#options;
    return (addresses ?? ['0.0.0.0', ...(hasIpv6 ? ['::'] : [])]).map((host) => {
      const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (socket) => void this.#take(socket, port));
      server.on('error', (error) => log.warn(`port ${port} of ${host} has no listener while HAProxy is away: ${error.message}`));
      server.listen({ port, host, ipv6Only: true, reusePort: true, exclusive: true, backlog: 4096 });
      return server;
    });
  }

  async #take(user: Socket, port: number): Promise<void> {
    user.on('error', () => user.destroy());
    const ends = endsOf(user);
    if (!ends || this.#sockets.size >= most) return void user.destroy();
    this.#options.onFallback();
    this.#keep(user);
    // A trusted proxy's connection begins with the user's address.
    const hasHeader = this.#options.proxies.check(ends.source, isIPv6(ends.source) ? 'ipv6' : 'ipv4');
    const taker = await this.#taker(user, port, { ends, hasHeader });
    if (!taker) return void user.destroy();
    this.#keep(taker);
    taker.on('error', () => user.destroy());
    taker.on('close', () => user.destroy());
    user.on('close', () => taker.destroy());
    user.pipe(taker);
    taker.pipe(user);
  }

  /** HAProxy here as soon as it is there; meanwhile another replica. @returns a connection where the address has been told */
  async #taker(user: Socket, port: number, { ends, hasHeader }: { ends: Ends; hasHeader: boolean }): Promise<Socket | undefined> {
    const { socketOf, replicas, patienceMs = defaultPatienceMs } = this.#options;
    const until = performance.now() + patienceMs;
    while (!user.destroyed && !this.#stop.signal.aborted && performance.now() < until) {
      const here = await opened(connect({ path: socketOf(port), allowHalfOpen: true }), 'connect');
      if (here) {
        if (!hasHeader) here.write(proxyHeader(ends));
        return here;
      }
      for (const open of replicas.connections()) {
        const there = await open();
        if (!there) continue;
        there.write(proxyHeader(ends, streamId(port, hasHeader)));
        return there;
      }
      await sleep(pauseMs);
    }
    return undefined;
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
  }
}
