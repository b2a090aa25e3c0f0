/**
 * Takes users' connections while HAProxy cannot: it crashed and its container is being started anew, or it has stopped
 * listening because the Pod ends. HAProxy listens at the addresses of the Pod and this at every address, and the kernel gives
 * a connection to whoever listens at the more specific one; so between HAProxy's end and this there is no moment at which
 * a user is refused. A connection that it takes is brought to HAProxy as soon as it is there, or to another replica.
 *
 * Both may listen at one port because both say SO_REUSEPORT and are the same user (socket(7)).
 */
import { chmodSync, rmSync } from 'node:fs';
import { BlockList, connect, createServer, isIPv6, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../../log.ts';
import { streamId } from '../haproxy/index.ts';
import { opened, type OtherReplicas } from './other-replicas.ts';
import { endsOf, proxyHeader, takeHeader, type Ends } from './proxy-protocol.ts';

export interface FallbackOptions {
  /** path of the socket where HAProxy takes what came to a port, after a PROXY protocol header */
  socketOf: (port: number) => string;
  /** who takes them meanwhile */
  replicas: Pick<OtherReplicas, 'connections'>;
  /** networks whose connections begin with a PROXY protocol header of their own */
  proxies: BlockList;
  /**
   * a port of users that somebody else takes connections of too, and brings those that HAProxy does not take to the socket
   * `path`, after a PROXY protocol header; `isBrought`: that one has the port for itself
   */
  shared?: { port: number; path: string; isBrought: boolean } | undefined;
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
    const { addresses, hasIpv6 = true, shared, log } = this.#options;
    const open = (where: string, take: (user: Socket) => Promise<void>) =>
      createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (user) => void take(user)).on('error', (error) =>
        log.warn(`${where} has no listener while HAProxy is away: ${error.message}`),
      );
    const servers: Server[] = [];
    if (shared?.port === port) {
      rmSync(shared.path, { force: true });
      const server = open(shared.path, (user) => this.#take(user, port, true));
      servers.push(server.listen({ path: shared.path, backlog: 4096 }, () => chmodSync(shared.path, 0o600)));
      if (shared.isBrought) return servers;
    }
    for (const host of addresses ?? ['0.0.0.0', ...(hasIpv6 ? ['::'] : [])]) {
      const server = open(`port ${port} of ${host}`, (user) => this.#take(user, port));
      servers.push(server.listen({ port, host, ipv6Only: true, reusePort: true, exclusive: true, backlog: 4096 }));
    }
    return servers;
  }

  /** @param isBrought whether a PROXY protocol header is first, of somebody here who has accepted it */
  async #take(user: Socket, port: number, isBrought = false): Promise<void> {
    user.on('error', () => user.destroy());
    if (this.#sockets.size >= most) return void user.destroy();
    this.#keep(user);
    const ends = isBrought ? await takeHeader(user) : endsOf(user);
    if (!ends) return void user.destroy();
    this.#options.onFallback();
    // A trusted proxy's connection begins with the user's address; who brings one has read it.
    const hasHeader = !isBrought && this.#options.proxies.check(ends.source, isIPv6(ends.source) ? 'ipv6' : 'ipv4');
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
