/** The way out of a network by an HTTP proxy (RFC 9110, CONNECT). */
import { request } from 'node:http';
import type { Socket } from 'node:net';
import { LinkError } from './protocol.ts';

/**
 * A connection that the proxy has made; names are resolved there.
 * @param proxy such as http://proxy.example.com:3128
 * @param address HOST:PORT
 * @throws LinkError ProxyFailed in words
 */
export function throughProxy(proxy: string, address: string, signal: AbortSignal, timeoutMs: number): Promise<Socket> {
  const { hostname, port } = new URL(proxy);
  const name = new URL(proxy).host;
  return new Promise((resolve, reject) => {
    const fail = (text: string) => reject(new LinkError('ProxyFailed', `${address}: ${text}`));
    const outgoing = request({
      host: hostname.replace(/^\[|\]$/g, ''),
      port: port === '' ? 80 : Number(port),
      method: 'CONNECT',
      path: address,
      headers: { host: address },
      signal,
      timeout: timeoutMs,
      agent: false,
    });
    outgoing.on('connect', ({ statusCode = 0 }, socket, head) => {
      if (statusCode === 200 && head.length === 0) return resolve(socket.setTimeout(0));
      socket.destroy();
      const meaning =
        statusCode === 407 ? ': it wants a user and a password' : statusCode === 403 ? ': it does not let this address through' : '';
      fail(`the proxy ${name} (gateway.proxyURL) answers ${statusCode}${meaning}`);
    });
    outgoing.on('response', ({ statusCode }) => {
      outgoing.destroy();
      fail(`the proxy ${name} (gateway.proxyURL) answers ${statusCode}: it does not take CONNECT`);
    });
    outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer in ${Math.round(timeoutMs / 1000)} s`)));
    outgoing.on('error', ({ message }) => fail(`cannot reach the proxy ${name} (gateway.proxyURL): ${message}`));
    outgoing.end();
  });
}
