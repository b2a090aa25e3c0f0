/** Addresses and ports in HAProxy's configuration. */
import { createServer, isIPv6 } from 'node:net';

/**
 * Which ports cannot be had, by trying as HAProxy does; to be called in the network namespace of HAProxy.
 * @param ports that HAProxy does not listen on yet
 * @param addresses that it would listen at; absent: every IPv4 address
 */
export async function unusablePorts(ports: Iterable<number>, addresses: readonly string[] = ['0.0.0.0']): Promise<Set<number>> {
  const found = new Set<number>();
  for (const port of new Set(ports))
    for (const address of addresses) if (!found.has(port) && !(await isFree(port, address))) found.add(port);
  return found;
}

/** Others of the same user who share their ports are no hindrance (SO_REUSEPORT): the fallback listener is one. */
const isFree = (port: number, host: string): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host, reusePort: true, exclusive: true }, () => server.close(() => resolve(true)));
  });

/**
 * What a `bind` line of HAProxy says for every address. A socket for each family: one for both would tell a user with IPv4
 * as ::ffff:192.0.2.1 to backends, and `balance source` would see another address than with IPv4 alone.
 */
export const everyAddress = (port: number, hasIpv6: boolean): string => (hasIpv6 ? `:${port},:::${port} v6only` : `:${port}`);

/** IP address and port, as HAProxy and URLs have it. */
export const endpoint = (address: string, port: number): string => `${address.includes(':') ? `[${address}]` : address}:${port}`;

/**
 * What a table that counts by the source of a connection has as its key. A network of IPv6 is given out with 64 bits or fewer
 * of prefix (RFC 6177, RFC 7421): whoever has one could come from another address each time.
 */
export const sourceKey = 'src,ipmask(32,64)';

/** Whether the kernel has IPv6 (it has none with `ipv6.disable=1`); to be asked in the network namespace of HAProxy. */
export const hasIpv6 = (): Promise<boolean> => isFree(0, '::');

/** Which of one's own addresses to dial another one from; undefined: the system's choice. */
export const sourceFor = (target: string, own: readonly string[]): string | undefined =>
  own.find((address) => isIPv6(address) === isIPv6(target));

/** The address of an endpoint. */
export const ipOf = (text: string): string => text.replace(/:[0-9]+$/, '').replace(/^\[|\]$/g, '');
