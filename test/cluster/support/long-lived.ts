/**
 * Connections of users that stay open, through each replica of the gateway: a response that never ends (server-sent
 * events), and streams that are spoken on all the time, of tcp and, where there is an app for it, after an upgrade of http. One
 * that is cut off is told once, and opened anew.
 */
import { request } from 'node:http';
import { connect } from 'node:net';
import { eventually } from './run.ts';

export interface LongLivedTarget {
  /** address of a replica; asked for at each opening */
  replica: (ordinal: number) => Promise<string>;
  /** of an http service with `/stream` */
  host: string;
  httpPort: number;
  /** of a tcp service that echoes */
  tcpPort: number;
  /** of an http service that echoes on connections that are upgraded, as websockets are */
  upgradeHost?: string;
  /** default: both of the gateway in the cluster */
  ordinals?: readonly number[];
}

interface Connection {
  name: string;
  replica: number;
  open: () => Promise<Open>;
}
interface Open {
  /** how often something came */
  heard: number;
  /** why it is over */
  end: string | undefined;
  close: () => void;
}

const everyMs = 250;

export class LongLived {
  readonly #connections: readonly Connection[];
  readonly #open = new Map<Connection, Open>();

  private constructor({ replica, host, httpPort, tcpPort, upgradeHost, ordinals = [0, 1] }: LongLivedTarget) {
    this.#connections = ordinals.flatMap((ordinal) => [
      { name: 'a response', replica: ordinal, open: async () => events(await replica(ordinal), httpPort, host) },
      { name: 'a tcp stream', replica: ordinal, open: async () => echoes(await replica(ordinal), tcpPort) },
      ...(upgradeHost === undefined
        ? []
        : [
            {
              name: 'an upgraded connection',
              replica: ordinal,
              open: async () => echoes(await replica(ordinal), httpPort, `${upgrade(upgradeHost)}\r\n\r\n`),
            },
          ]),
    ]);
  }

  static async open(target: LongLivedTarget): Promise<LongLived> {
    const made = new LongLived(target);
    await made.cut();
    return made;
  }

  /** Those that were cut off, or have gone silent, since the last call; every one is open again. */
  async cut(): Promise<{ replica: number; text: string }[]> {
    const found = await Promise.all(
      this.#connections.map(async (connection) => {
        const { name, replica } = connection;
        const end = await this.#silence(connection);
        if (!this.#open.has(connection)) await this.#openAnew(connection);
        return end === undefined ? [] : [{ replica, text: `${name} through replica ${replica}: ${end}` }];
      }),
    );
    return found.flat();
  }

  /** Ends those through a replica that are well, as users do who have what they wanted: the others are told by `cut`. */
  async finish(replica: number): Promise<void> {
    await Promise.all(
      this.#connections.map(async (connection) => {
        if (connection.replica !== replica || (await this.#hears(connection)) !== undefined) return;
        this.#open.get(connection)?.close();
        this.#open.delete(connection);
      }),
    );
  }

  close(): void {
    for (const { close } of this.#open.values()) close();
    this.#open.clear();
  }

  /** Why nothing more comes; one that is over is put away. */
  async #silence(connection: Connection): Promise<string | undefined> {
    const end = await this.#hears(connection);
    if (end === undefined) return undefined;
    this.#open.get(connection)?.close();
    this.#open.delete(connection);
    return end;
  }

  /** @returns why nothing more comes; undefined where something has come after the call, or nothing is open */
  async #hears(connection: Connection): Promise<string | undefined> {
    const open = this.#open.get(connection);
    if (!open) return undefined;
    const { heard } = open;
    const isClear = eventually(
      'another message',
      () => {
        if (open.end === undefined && open.heard === heard) throw new Error('silent');
        return Promise.resolve();
      },
      20,
    );
    await isClear.catch(() => (open.end ??= 'silent for 20 s'));
    return open.end;
  }

  async #openAnew(connection: Connection): Promise<void> {
    await eventually(`${connection.name} through replica ${connection.replica}`, async () => {
      const open = await connection.open();
      this.#open.set(connection, open);
      const end = await this.#silence(connection);
      if (end !== undefined) throw new Error(end);
    });
  }
}

function events(address: string, port: number, host: string): Open {
  const open: Open = { heard: 0, end: undefined, close: () => outgoing.destroy() };
  const path = `/stream?n=1000000&ms=${everyMs}`;
  const outgoing = request({ host: address, port, path, headers: { host }, agent: false }, (incoming) => {
    if (incoming.statusCode !== 200) open.end = `status ${incoming.statusCode}`;
    incoming.on('data', () => open.heard++);
    incoming.on('end', () => (open.end ??= 'it ended'));
    incoming.on('error', (error) => (open.end ??= error.message));
  });
  outgoing.on('error', (error) => (open.end ??= error.message));
  outgoing.end();
  return open;
}

const upgrade = (host: string): string =>
  [
    'GET /socket HTTP/1.1',
    `Host: ${host}`,
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  ].join('\r\n');

/** For node's `-e`: a server at 8080 that sends back what comes after an upgrade, and answers 200 to all other requests. */
export const upgradingServer = `
  const sha1 = (key) => require('node:crypto').createHash('sha1').update(key + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest('base64');
  require('node:http')
    .createServer((_, answer) => answer.end())
    .on('upgrade', ({ headers }, socket) => {
      const accept = 'Sec-WebSocket-Accept: ' + sha1(headers['sec-websocket-key']);
      socket.write(['HTTP/1.1 101 Switching Protocols', 'Connection: Upgrade', 'Upgrade: websocket', accept, '', ''].join('\\r\\n'));
      socket.on('error', () => {}).pipe(socket);
    })
    .listen(8080);
  process.on('SIGTERM', () => process.exit(0));`;

/** @param before what is sent first */
function echoes(address: string, port: number, before = ''): Open {
  const socket = connect(port, address);
  if (before !== '') socket.write(before);
  const timer = setInterval(() => socket.write('still there?\n'), everyMs);
  const open: Open = { heard: 0, end: undefined, close: () => socket.destroy() };
  socket.on('data', (data) => {
    if (data.includes('still there?')) open.heard++;
  });
  socket.on('error', (error) => (open.end ??= error.message));
  socket.on('close', () => {
    clearInterval(timer);
    open.end ??= 'it ended';
  });
  return open;
}
