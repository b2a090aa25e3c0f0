/** Whoever means harm to a gateway by its link: what is below the protocol's own code, said by hand. From another address. */
import { connect as connectHttp2, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { gatewayName } from '../../src/link/identity.ts';
import { alpn, paths, version, type Message } from '../../src/link/protocol.ts';

const localAddress = '127.0.0.2';
const at = { host: '127.0.0.1', port: 7000, localAddress };

export interface Known {
  certPem: string;
  keyPem: string;
}

export const hello = (more: object = {}): object => ({
  type: 'hello',
  version,
  program: 'attack',
  now: Date.now(),
  digest: '',
  kinds: [],
  limits: { message: 2 ** 21, bytes: 2 ** 25, items: 50_000 },
  ...more,
});
export const nothing = { type: 'have', items: [], isSame: true, isLast: true };
export const changes = (number: number, set: object[], isWhole = true, gone: object[] = []): object => ({
  type: 'changes',
  number,
  set,
  delete: gone,
  isWhole,
});
export const podItem = (uid: string, more: object = {}): object => ({
  kind: 'pod',
  key: uid,
  value: { namespace: 'prod', name: uid, isReady: true, ports: {}, ...more },
});

/** A connection that never says a word, not even its ClientHello. */
export const silent = (): Socket => connectTcp(at).on('error', () => {});

/** @param identity absent: a stranger's */
export async function session(identity?: Known, protocol: string = alpn): Promise<ClientHttp2Session> {
  const socket = await new Promise<TLSSocket>((resolve, reject) => {
    const credentials = identity && { cert: identity.certPem, key: identity.keyPem };
    const options = { ...at, ...credentials, servername: gatewayName, ALPNProtocols: [protocol], rejectUnauthorized: false };
    const socket = connectTls(options, () => resolve(socket)).once('error', reject);
    socket.once('close', () => reject(new Error('closed')));
  });
  socket.on('error', () => {});
  const found = connectHttp2('https://gateway', { createConnection: () => socket });
  return found.on('error', () => {});
}

/** A request that has no end yet. */
export const begin = (over: ClientHttp2Session, path: string): ClientHttp2Stream =>
  over.request({ ':method': 'POST', ':path': path }, { endStream: false }).on('error', () => {});

export interface RawLink {
  /** Adds to what is said. @returns resolves when that is on its way, or the link is gone */
  say(message: object | string): Promise<void>;
  said: Message[];
  /** the reason that the gateway gives; undefined: it ended without one */
  ended: Promise<string | undefined>;
  close(): void;
}

/** @param reads whether it reads what the gateway says */
export async function rawLink(identity: Known, { reads = true } = {}): Promise<RawLink> {
  const over = await session(identity);
  const stream = begin(over, paths.link);
  const said: Message[] = [];
  let rest = '';
  if (reads)
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop()!;
      for (const line of lines) said.push(JSON.parse(line) as Message);
    });
  const reason = () => said.flatMap((message) => (message.type === 'end' ? [message.reason] : []))[0];
  return {
    said,
    say: (message) =>
      new Promise((resolve) => {
        const text = typeof message === 'string' ? message : `${JSON.stringify(message)}\n`;
        if (!stream.writable) return setImmediate(resolve);
        stream.write(text, () => resolve());
      }),
    ended: new Promise((resolve) => over.once('close', () => resolve(reason()))),
    close: () => over.destroy(),
  };
}

/** A request with its answer. @returns its status and what it says */
export async function asked(over: ClientHttp2Session, path: string, body: object): Promise<{ status: number; reason?: string }> {
  const stream = begin(over, path);
  stream.end(JSON.stringify(body));
  let status = 0;
  stream.once('response', (headers) => (status = Number(headers[':status'])));
  let text = '';
  for await (const chunk of stream.setEncoding('utf8')) text += String(chunk);
  return { status, ...(JSON.parse(text) as { reason?: string }) };
}
