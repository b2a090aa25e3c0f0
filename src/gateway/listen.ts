/** Servers on a port of their own, as promises. */
import type { AddressInfo, Server } from 'node:net';

export const portOf = (server: Server): number => (server.address() as AddressInfo).port;

export function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve());
  });
}
