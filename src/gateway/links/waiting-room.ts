/**
 * Connections that are no links yet: anybody can open one. So many at a time; where one more comes, the one that has waited
 * longest goes, because whoever has a certificate or a token needs a fraction of a second.
 */
import type { Socket } from 'node:net';

const most = 200;
/** Milliseconds. */
const patienceMs = 30_000;

export class WaitingRoom {
  /** in the order in which they came, with what ends their time */
  readonly #waiting = new Map<string, { socket: Socket; timer: NodeJS.Timeout }>();

  /** @param socket of TCP, before its handshake */
  enter(socket: Socket): void {
    const key = keyOf(socket);
    const timer = setTimeout(() => socket.destroy(), patienceMs);
    this.#waiting.set(key, { socket, timer });
    socket.once('close', () => this.leave(key));
    const [oldest] = this.#waiting.values();
    if (this.#waiting.size > most) oldest!.socket.destroy();
  }

  /** It is a link now, or gone. @param key of keyOf() */
  leave(key: string): void {
    clearTimeout(this.#waiting.get(key)?.timer);
    this.#waiting.delete(key);
  }
}

/** The same for a socket of TCP and the one of TLS above it. */
export const keyOf = ({ remoteAddress, remotePort }: Pick<Socket, 'remoteAddress' | 'remotePort'>): string =>
  `${remoteAddress}:${remotePort}`;
