/** Where things are; no test hooks, so that benchmarks and the soak can use what imports it. */
import { resolve } from 'node:path';

export const root = resolve(import.meta.dirname, '../../..');
export const system = 'frp-system';
/** Where the client Pod is; it stays for all suites. */
export const clientNamespace = 'frp-test-client';
export const gatewayNamespace = 'frp-gateway';
