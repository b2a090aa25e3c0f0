/** The way out of a network by a proxy: HTTP (CONNECT) or SOCKS 5, as frpc has them. */
import type { Socket } from 'node:net';
import { connectByHttp } from './http-proxy.ts';
import { LinkError } from './protocol.ts';
import { parseProxy, type Proxy } from '../net/proxy-url.ts';
import { connectBySocks } from './socks-proxy.ts';

/** Asks a proxy for a connection. Errors say what the proxy did, and have no user and no password. */
export type Connect = (proxy: Proxy, address: string, signal: AbortSignal) => Promise<Socket>;

/**
 * A connection that the proxy has made; names are resolved there.
 * @param proxy URL (proxy-url.ts)
 * @param address HOST:PORT
 * @throws LinkError ProxyFailed in words
 */
export async function throughProxy(url: string, address: string, signal: AbortSignal, timeoutMs: number): Promise<Socket> {
  const proxy = parseProxy(url);
  const connect: Connect = proxy.scheme === 'socks5' ? connectBySocks : connectByHttp;
  // Of the whole exchange: who sends a byte now and then is late as well.
  const late = AbortSignal.timeout(timeoutMs);
  try {
    return await connect(proxy, address, AbortSignal.any([signal, late]));
  } catch (error) {
    const said = late.aborted ? `does not answer in ${Math.round(timeoutMs / 1000)} s` : (error as Error).message;
    throw new LinkError('ProxyFailed', `${address}: the proxy ${proxy.name} (gateway.proxyURL) ${said}`, { cause: error });
  }
}
