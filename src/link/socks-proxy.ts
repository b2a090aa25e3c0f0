/** A connection by a SOCKS 5 proxy (RFC 1928; RFC 1929, user and password). */
import { once } from 'node:events';
import { connect, isIPv4, isIPv6, type Socket } from 'node:net';
import { wordsOf } from '../net/addresses.ts';
import { unreachable } from './http-proxy.ts';
import type { Proxy } from '../net/proxy-url.ts';

const version = 5;
const noCredentials = 0;
const withCredentials = 2;
const connectCommand = 1;
/** By number, from 1 (RFC 1928, section 6). */
const failures = [
  'it has failed',
  'it does not let this address through',
  'it has no way to the network',
  'it has no way to the host',
  'the gateway refuses its connection',
  'its connection took too long',
  'it does not take CONNECT',
  'it does not know this kind of address',
];

/** @param address HOST:PORT @throws Error that goes on after "the proxy …" */
export async function connectBySocks({ host, port, credentials }: Proxy, address: string, signal: AbortSignal): Promise<Socket> {
  const socket = connect({ host, port, signal });
  try {
    await once(socket, 'connect').catch((error: NodeJS.ErrnoException) => {
      throw unreachable(error);
    });
    const method = credentials ? withCredentials : noCredentials;
    socket.write(Buffer.from([version, 1, method]));
    const [spoken, chosen] = await take(socket, 2);
    if (spoken !== version) throw new Error('answers something else than SOCKS 5');
    if (chosen !== method)
      throw new Error(
        credentials
          ? 'takes no user and password; leave out gateway.proxySecret'
          : 'wants a user and a password; name a Secret with them in gateway.proxySecret',
      );
    if (credentials) {
      socket.write(Buffer.concat([Buffer.from([1]), ...[credentials.user, credentials.password].map(counted)]));
      const [, refused] = await take(socket, 2);
      if (refused !== 0) throw new Error('does not take the user and password of gateway.proxySecret');
    }
    socket.write(requestFor(address));
    const [, failure = 0, , kind] = await take(socket, 4);
    if (failure !== 0) throw new Error(`refuses: ${failures[failure - 1] ?? `code ${failure}`}`);
    // The address that it comes from, which nobody needs: IPv4, IPv6 or a name; and the port.
    const length = kind === 1 ? 4 : kind === 4 ? 16 : (await take(socket, 1))[0]!;
    await take(socket, length + 2);
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

const counted = (text: string): Buffer => {
  const bytes = Buffer.from(text);
  if (bytes.length > 255) throw new Error('takes 255 bytes of a user, a password or a name at the most');
  return Buffer.concat([Buffer.from([bytes.length]), bytes]);
};

function requestFor(address: string): Buffer {
  const [, host = '', port] = /^(.*):([0-9]{1,5})$/.exec(address) ?? [];
  const plain = host.replace(/^\[(.*)\]$/, '$1');
  const target = isIPv4(plain)
    ? Buffer.from([1, ...plain.split('.').map(Number)])
    : isIPv6(plain)
      ? Buffer.from([4, ...wordsOf(plain).flatMap((word) => [word >> 8, word & 255])])
      : Buffer.concat([Buffer.from([3]), counted(plain)]);
  return Buffer.concat([Buffer.from([version, connectCommand, 0]), target, Buffer.from([Number(port) >> 8, Number(port) & 255])]);
}

/** The next bytes, and not one more. @throws Error where the connection ends before */
async function take(socket: Socket, length: number): Promise<Buffer> {
  for (;;) {
    const bytes = socket.read(length) as Buffer | null;
    if (bytes && bytes.length === length) return bytes;
    if (bytes || socket.readableEnded || socket.destroyed) throw new Error('ends the connection without an answer');
    await Promise.race([once(socket, 'readable'), once(socket, 'end'), once(socket, 'close')]).catch((error: NodeJS.ErrnoException) => {
      throw unreachable(error);
    });
  }
}
