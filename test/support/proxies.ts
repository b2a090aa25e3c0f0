/** Proxies on the way out of a network, as small as they can be: HTTP with CONNECT, and SOCKS 5. */
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

export interface TestProxy {
  /** without user and password */
  url: string;
  /** HOST:PORT that it was asked for */
  asked: string[];
  close(): void;
}

interface Settings {
  /** USER:PASSWORD that it wants */
  wants?: string;
  /** where each connection really goes; the proxy alone can resolve the names that it is asked for */
  to: () => { host: string; port: number };
  host?: string;
}

const at = async (scheme: string, server: Server, host: string, asked: string[]): Promise<TestProxy> => {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => void sockets.add(socket.on('error', () => {})));
  server.listen(0, host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const close = () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  return { url: `${scheme}://${host}:${port}`, asked, close };
};

function join(client: Socket, way: Socket): void {
  way.on('error', () => client.destroy()).on('close', () => client.destroy());
  client.on('close', () => way.destroy());
  client.pipe(way).pipe(client);
}

export function httpProxy({ wants, to, host = '127.0.0.1' }: Settings): Promise<TestProxy> {
  const asked: string[] = [];
  const server = createHttpServer().on('connect', ({ url = '', headers }, client: Socket) => {
    const basic = wants && `Basic ${Buffer.from(wants).toString('base64')}`;
    if (basic !== undefined && headers['proxy-authorization'] !== basic) return client.end('HTTP/1.1 407 Authenticate\r\n\r\n');
    asked.push(url);
    client.write('HTTP/1.1 200 OK\r\n\r\n');
    join(client, connect(to()));
  });
  return at('http', server, host, asked);
}

export function socksProxy({ wants, to, host = '127.0.0.1' }: Settings): Promise<TestProxy> {
  const asked: string[] = [];
  const serve = async (client: Socket) => {
    const next = reader(client);
    const text = async (length: number) => (await next(length)).toString();
    const [, methods = 0] = await next(2);
    const offered = [...(await next(methods))];
    const method = wants === undefined ? 0 : 2;
    client.write(Buffer.from([5, offered.includes(method) ? method : 255]));
    if (!offered.includes(method)) return void client.end();
    if (wants !== undefined) {
      const user = await text((await next(2))[1]!);
      const isRight = `${user}:${await text((await next(1))[0]!)}` === wants;
      client.write(Buffer.from([1, isRight ? 0 : 1]));
      if (!isRight) return void client.end();
    }
    const [, , , kind] = await next(4);
    const name = kind === 3 ? await text((await next(1))[0]!) : [...(await next(kind === 1 ? 4 : 16))].join('.');
    asked.push(`${name}:${(await next(2)).readUInt16BE()}`);
    client.write(Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]));
    join(client, connect(to()));
  };
  return at(
    'socks5',
    createServer((client) => void serve(client).catch(() => client.destroy())),
    host,
    asked,
  );
}

/** The next bytes of a connection, and not one more. */
const reader =
  (socket: Socket) =>
  async (length: number): Promise<Buffer> => {
    for (;;) {
      const bytes = length === 0 ? Buffer.alloc(0) : (socket.read(length) as Buffer | null);
      if (bytes) return bytes;
      if (socket.readableEnded || socket.destroyed) throw new Error('the client has gone');
      await Promise.race([once(socket, 'readable'), once(socket, 'end'), once(socket, 'close')]);
    }
  };
