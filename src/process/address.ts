/** What to listen on where the configuration names no address. */
import { networkInterfaces } from 'node:os';

/** Every address of the machine: `::` takes IPv4 as well, and is refused where the kernel has no IPv6. */
export const everyAddress = (): string =>
  Object.values(networkInterfaces()).some((addresses) => addresses?.some(({ family }) => family === 'IPv6')) ? '::' : '0.0.0.0';
