/** Where a proxy's backend is: on the machine that frpc ran on, or somewhere that a connector reaches too. */
import { isIP } from 'node:net';
import { hostProblem } from '../net/addresses.ts';

const own = new Set([
  '',
  'localhost',
  '0.0.0.0',
  '::',
  '::1',
  'host.docker.internal',
  'host.containers.internal',
  'gateway.docker.internal',
]);

/** Whether the name or address leads to the machine itself. */
export const isOwnMachine = (host: string): boolean => own.has(host.toLowerCase()) || /^127\.[0-9.]{5,11}$/.test(host);

/** A connector dials no such address unless `connectors.allowAddresses` has this; undefined for every other host. */
export function exceptionFor(host: string): string | undefined {
  const family = isIP(host);
  if (family === 0 || hostProblem(host, { allow: [], apiServer: [] }) === undefined) return undefined;
  return `${host}/${family === 4 ? 32 : 128}`;
}

/** HOST:PORT, with brackets around IPv6; undefined for what is not that. */
export function addressOf(text: string): { host: string; port: number } | undefined {
  const [, bracketed, plain, port = ''] = /^(?:\[([^[\]]{1,100})\]|([^:[\]]{0,253})):([0-9]{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  return host === undefined || !isPort(Number(port)) ? undefined : { host: host === '' ? '127.0.0.1' : host, port: Number(port) };
}

export const isPort = (port: number | undefined): port is number => port !== undefined && port >= 1 && port <= 65_535;
