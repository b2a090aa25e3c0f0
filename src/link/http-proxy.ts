/** A connection by an HTTP proxy (RFC 9110, CONNECT; RFC 7617, Basic). */
import { request } from 'node:http';
import type { Socket } from 'node:net';
import type { Proxy } from '../net/proxy-url.ts';

/** @param address HOST:PORT @throws Error that goes on after "the proxy …" */
export function connectByHttp({ host, port, credentials }: Proxy, address: string, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const basic = credentials && Buffer.from(`${credentials.user}:${credentials.password}`).toString('base64');
    const outgoing = request({
      host,
      port,
      method: 'CONNECT',
      path: address,
      headers: { host: address, ...(basic && { 'proxy-authorization': `Basic ${basic}` }) },
      signal,
      agent: false,
    });
    outgoing.on('connect', ({ statusCode = 0 }, socket, head) => {
      if (statusCode !== 200) {
        socket.destroy();
        return reject(new Error(`answers ${statusCode}${meaningOf(statusCode, credentials !== undefined)}`));
      }
      if (head.length > 0) socket.unshift(head);
      resolve(socket);
    });
    outgoing.on('response', ({ statusCode }) => {
      outgoing.destroy();
      reject(new Error(`answers ${statusCode}: it does not take CONNECT`));
    });
    outgoing.on('error', (error: NodeJS.ErrnoException) =>
      reject(error.code?.startsWith('HPE_') ? new Error('answers something else than HTTP', { cause: error }) : unreachable(error)),
    );
    outgoing.end();
  });
}

function meaningOf(status: number, hasCredentials: boolean): string {
  if (status === 407)
    return hasCredentials
      ? ': it does not take the user and password of gateway.proxySecret'
      : ': it wants a user and a password; name a Secret with them in gateway.proxySecret';
  if (status === 403) return ': it does not let this address through';
  return status >= 500 ? ': it cannot reach this address itself' : '';
}

/** What came of connecting to the proxy. */
export const unreachable = ({ code, message }: NodeJS.ErrnoException): Error =>
  new Error(code === 'ECONNRESET' ? 'ends the connection without an answer' : `cannot be reached: ${message}`);
