/** The cluster's end: a connection to the gateway, and why there is none, in words. */
import { connect as connectHttp2, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2';
import { connect as connectTls, type DetailedPeerCertificate, type TLSSocket } from 'node:tls';
import { clockProblem, durationWords } from './clock-words.ts';
import { watchSession } from './heartbeat.ts';
import { gatewayName } from './identity.ts';
import { reasonOfOthers } from '../model/reasons/text.ts';
import { throughProxy } from './proxy.ts';
import { alpn, LinkError } from './protocol.ts';
import { pinOf } from './token.ts';

export interface DialOptions {
  /** HOST:PORT; a name is resolved at each call */
  address: string;
  /** URL (proxy-url.ts) of a proxy that is dialled instead, and connects to it; absent: none */
  proxy?: string | undefined;
  /** PEM of the gateway's authority */
  authorityPem: string;
  /** of the cluster; absent: to join */
  identity?: { certPem: string; keyPem: string } | undefined;
  signal: AbortSignal;
  timeoutMs?: number;
  heartbeat?: { everyMs: number; patienceMs: number } | undefined;
}

const dialMs = 10_000;
/** Of an answer to a single request. */
const answerBytes = 1024 * 1024;

/** @throws LinkError */
export async function dial(options: DialOptions): Promise<ClientHttp2Session> {
  const { authorityPem, identity } = options;
  const credentials = { ca: authorityPem, ...(identity && { cert: identity.certPem, key: identity.keyPem }) };
  const socket = await secureSocket(options, credentials);
  const session = connectHttp2('https://gateway', { createConnection: () => socket, settings: { enablePush: false } });
  session.on('error', () => {}); // Each stream has its own.
  watchSession(session, options.heartbeat);
  options.signal.addEventListener('abort', () => session.destroy(), { once: true });
  return session;
}

/**
 * The gateway's authority, whose certificate it presents: the one with the pin. @returns PEM
 * @throws LinkError PinDiffers where somebody else answers
 */
export async function fetchAuthority(options: Omit<DialOptions, 'authorityPem'>, pin: string): Promise<string> {
  const socket = await secureSocket(options, { rejectUnauthorized: false });
  const chain = chainOf(socket.getPeerCertificate(true));
  socket.destroy();
  const found = chain.find((der) => pinOf(der) === pin);
  if (found)
    return `-----BEGIN CERTIFICATE-----\n${(found.toString('base64').match(/.{1,64}/g) ?? []).join('\n')}\n-----END CERTIFICATE-----\n`;
  throw pinDiffers(options.address);
}

const pinDiffers = (address: string) =>
  new LinkError(
    'PinDiffers',
    `the certificate at ${address} is not the gateway's: pin differs; the token is of another gateway, or somebody else answers there`,
  );

/** Of the certificates that the other end has sent; the last one's issuer is itself. */
function chainOf(leaf: DetailedPeerCertificate): Buffer[] {
  const chain: Buffer[] = [];
  for (let at: DetailedPeerCertificate | undefined = leaf; at?.raw && chain.length < 10; at = at.issuerCertificate) {
    if (chain.some((der) => der.equals(at.raw))) break;
    chain.push(at.raw);
  }
  return chain;
}

async function secureSocket(
  { address, proxy, signal, timeoutMs = dialMs }: Omit<DialOptions, 'authorityPem'>,
  credentials: { ca?: string; cert?: string; key?: string; rejectUnauthorized?: boolean },
): Promise<TLSSocket> {
  const [, host = '', port = '7000'] = /^(.*?)(?::([0-9]+))?$/.exec(address) ?? [];
  const way = proxy === undefined ? undefined : await throughProxy(proxy, `${host}:${port}`, signal, timeoutMs);
  return new Promise((resolve, reject) => {
    const socket = connectTls({
      ...(way ? { socket: way } : { host: host.replace(/^\[(.*)\]$/, '$1'), port: Number(port) }),
      servername: gatewayName,
      ALPNProtocols: [alpn],
      minVersion: 'TLSv1.2',
      ...credentials,
    });
    const fail = (error: Error) => {
      finish();
      socket.destroy();
      reject(error);
    };
    const late = () => fail(new LinkError('Unreachable', `${address} did not answer in ${Math.round(timeoutMs / 1000)} s`));
    const aborted = () => fail(new LinkError('Closed', 'the program is ending'));
    const failed = (error: NodeJS.ErrnoException) => fail(inWords(error, address, socket));
    const ended = () => fail(noLink(address));
    const timer = setTimeout(late, timeoutMs);
    const finish = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', aborted);
      socket.off('error', failed).off('close', ended);
    };
    signal.addEventListener('abort', aborted, { once: true });
    if (signal.aborted) return aborted();
    socket.on('error', failed).on('close', ended);
    socket.once('secureConnect', () => {
      if (socket.alpnProtocol !== alpn) return fail(noLink(address));
      finish();
      socket.on('error', () => {});
      resolve(socket);
    });
  });
}

const noLink = (address: string) =>
  new LinkError('NoLink', `what answers at ${address} takes no links of version 1: it is no gateway, or one of another version`);

const sentences: Record<string, string> = {
  ECONNREFUSED: 'connection refused',
  ENOTFOUND: 'the name cannot be resolved: no such host',
  EAI_AGAIN: 'the name cannot be resolved: the name server does not answer',
  ETIMEDOUT: 'no answer',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'no route to the network',
  ECONNRESET: 'the connection was reset',
};

/** A LinkError for what connecting to an address came to. */
function inWords(error: NodeJS.ErrnoException, address: string, socket: TLSSocket): LinkError {
  const { code = '', message } = (error instanceof AggregateError ? (error.errors[0] as NodeJS.ErrnoException) : error) ?? error;
  const cause = { cause: error };
  if (Object.hasOwn(sentences, code)) return new LinkError('Unreachable', `${address}: ${sentences[code]}`, cause);
  if (code === 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL' || /no application protocol/i.test(message)) return noLink(address);
  if (code === 'CERT_NOT_YET_VALID' || code === 'CERT_HAS_EXPIRED') return clockDiffers(code, address, socket);
  if (/^(UNABLE_|SELF_SIGNED_|DEPTH_ZERO_|CERT_|ERR_TLS_CERT)/.test(code)) return pinDiffers(address);
  if (/alert|SSL/i.test(message))
    return new LinkError('HandshakeFailed', `${address}: the gateway refuses the handshake: ${message}`, cause);
  return new LinkError('Unreachable', `${address}: ${message}`, cause);
}

function clockDiffers(code: string, address: string, socket: TLSSocket): LinkError {
  const { valid_from: from, valid_to: to } = socket.getPeerCertificate();
  const now = Date.now();
  const iso = (time: number) => (Number.isNaN(time) ? 'a time that is not known' : new Date(time).toISOString());
  if (code === 'CERT_NOT_YET_VALID') {
    const behind = clockProblem(now, Date.parse(from)) ?? `clock is ${durationWords(0)} behind`;
    return new LinkError(
      'ClockDiffers',
      `${address}: ${behind}, or more: it says ${iso(now)}, and the gateway's certificate begins at ${iso(Date.parse(from))}`,
    );
  }
  return new LinkError(
    'ClockDiffers',
    `${address}: the gateway's certificate ended at ${iso(Date.parse(to))}, and the clock says ${iso(now)}: it is ahead, or the gateway's is behind`,
  );
}

/** A request of one message, answered by one. @throws LinkError, with the gateway's reason where it refuses */
export async function ask(session: ClientHttp2Session, path: string, body: unknown, timeoutMs = dialMs): Promise<unknown> {
  const stream = session.request({ ':method': 'POST', ':path': path, 'content-type': 'application/json' });
  stream.setTimeout(timeoutMs, () => stream.destroy(new LinkError('Unreachable', 'the gateway did not answer in time')));
  stream.end(JSON.stringify(body));
  const { status, text } = await answerOf(stream);
  const value = parsed(text);
  if (status === 200) return value;
  throw refusalError(value, status);
}

/** Opens the link's own stream. @throws LinkError, with the gateway's reason where it refuses */
export async function openLink(session: ClientHttp2Session, path: string): Promise<ClientHttp2Stream> {
  const stream = session.request({ ':method': 'POST', ':path': path }, { endStream: false });
  const status = await new Promise<number>((resolve, reject) => {
    stream.once('response', (headers) => resolve(Number(headers[':status'])));
    stream.once('error', reject);
    stream.once('close', () => reject(new LinkError('Unreachable', 'the gateway ended the connection')));
  });
  if (status === 200) return stream;
  throw refusalError(parsed(await textOf(stream)), status);
}

async function answerOf(stream: ClientHttp2Stream): Promise<{ status: number; text: string }> {
  let status = 0;
  stream.once('response', (headers) => (status = Number(headers[':status'])));
  return { text: await textOf(stream), status };
}

async function textOf(stream: ClientHttp2Stream): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > answerBytes) throw new LinkError('MessageTooLarge', `the gateway answers with more than ${answerBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function refusalError(value: unknown, status: number): LinkError {
  const { reason, message } = (value ?? {}) as { reason?: unknown; message?: unknown };
  if (typeof reason !== 'string' || typeof message !== 'string')
    return new LinkError('Refused', `the gateway answered with status ${status}`);
  return new LinkError(reasonOfOthers(reason), `the gateway refuses: ${message.slice(0, 2000)}`);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
