/**
 * A port of this machine's loopback that leads to a page elsewhere, for the browser of one person: whoever else is on the machine,
 * and whatever else runs in the browser, is not let in.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { createServer, request, type IncomingMessage, type OutgoingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';

export interface DoorOptions {
  /** of this machine; 0: any that is free */
  port: number;
  /** a connection to the page. @throws Error why there is none */
  connect: () => Promise<Duplex>;
  /** what the page wants of whoever asks */
  headers: () => Promise<Readonly<Record<string, string>>>;
}

export interface Door {
  /** opens the page, once: the browser that comes first has it */
  url: string;
  close: () => void;
}

const host = '127.0.0.1';
/** Of the answer of the page; the others are of the connection, or of nobody's concern. */
const passed = [
  'content-type',
  'content-security-policy',
  'x-content-type-options',
  'x-frame-options',
  'referrer-policy',
  'cross-origin-opener-policy',
  'cross-origin-resource-policy',
  'cache-control',
];

/** @throws Error where the port is taken */
export async function openDoor({ port: wanted, connect, headers }: DoorOptions): Promise<Door> {
  const [key, session] = [secret(), secret()];
  let isUsed = false;
  const server = createServer((incoming, response) => {
    const { port } = server.address() as AddressInfo;
    const cookie = `frp-k8s-${port}`;
    // Another name may have been made to lead to this address by somebody else's page.
    if (incoming.headers.host !== `${host}:${port}`) return note(response, 403, `say http://${host}:${port}`);
    if (incoming.method !== 'GET') return note(response, 405, 'the page can be looked at, and nothing else');
    const target = URL.parse(incoming.url ?? '/', `http://${host}`);
    if (target?.pathname === '/enter') {
      if (isUsed || !isSame(target.searchParams.get('key') ?? '', key))
        return note(response, 403, 'this address opens the page once; start frp-k8s dashboard again for another one');
      isUsed = true;
      response.setHeader('set-cookie', `${cookie}=${session}; HttpOnly; SameSite=Strict; Path=/`);
      return enter(response);
    }
    if (!isSame(cookieIn(incoming, cookie) ?? '', session))
      return note(response, 403, 'this browser is not let in: open the address that frp-k8s dashboard has printed');
    forward(incoming, response, connect, headers).catch((error: Error) =>
      note(response, 502, `the page cannot be reached: ${error.message}`),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(wanted, host, resolve);
  });
  return {
    url: `http://${host}:${(server.address() as AddressInfo).port}/enter?key=${key}`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

const secret = (): string => randomBytes(24).toString('base64url');

function isSame(given: string, wanted: string): boolean {
  const [one, other] = [Buffer.from(given), Buffer.from(wanted)];
  return one.length === other.length && timingSafeEqual(one, other);
}

function cookieIn({ headers: { cookie = '' } }: IncomingMessage, name: string): string | undefined {
  const found = cookie.split(';').find((each) => each.trim().startsWith(`${name}=`));
  return found?.trim().slice(name.length + 1);
}

async function forward(
  incoming: IncomingMessage,
  response: ServerResponse,
  connect: DoorOptions['connect'],
  headersOf: DoorOptions['headers'],
): Promise<void> {
  const [headers, stream] = await Promise.all([headersOf(), connect()]);
  response.on('close', () => stream.destroy());
  await new Promise<void>((resolve, reject) => {
    const last = incoming.headers['last-event-id'];
    const outgoing = request(
      {
        host: 'localhost',
        path: incoming.url,
        headers: { ...headers, ...(typeof last === 'string' && { 'last-event-id': last }) },
        createConnection: () => stream,
      },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, headersIn(answer));
        response.flushHeaders();
        answer.on('error', () => response.destroy());
        answer.on('end', resolve);
        answer.pipe(response);
      },
    );
    outgoing.on('error', (error) => (response.headersSent ? response.destroy() : reject(error)));
    stream.on('error', () => {});
    outgoing.end();
  });
}

function headersIn({ headers }: IncomingMessage): OutgoingHttpHeaders {
  return Object.fromEntries(passed.flatMap((name) => (headers[name] === undefined ? [] : [[name, headers[name]]])));
}

const own = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
};

function note(response: ServerResponse, status: number, text: string): void {
  if (response.headersSent) return void response.destroy();
  response.writeHead(status, { ...own, 'content-type': 'text/plain; charset=utf-8' });
  response.end(`${text}\n`);
}

/** The page is asked for from here, so that the browser has the cookie for it and the key is not in its address any more. */
function enter(response: ServerResponse): void {
  response.writeHead(200, { ...own, 'content-type': 'text/html; charset=utf-8' });
  response.end(
    '<!doctype html><html lang="en"><title>frp-k8s</title><meta http-equiv="refresh" content="0;url=/"><p><a href="/">Open the page</a></p></html>\n',
  );
}
