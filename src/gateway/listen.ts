/** Servers on a port of their own, as promises. */
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import type { AddressInfo, Server } from 'node:net';

export const portOf = (server: Server): number => (server.address() as AddressInfo).port;

export function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve());
  });
}

/** At a Unix socket, in the place of one that an earlier process left. */
export async function listenAt(server: Server, path: string): Promise<void> {
  await rm(path, { force: true });
  server.listen(path);
  await once(server, 'listening');
}
