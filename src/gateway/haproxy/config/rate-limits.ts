/**
 * Limits for each address of users, and for each /64 of IPv6. HAProxy's peers overwrite each other's counters, so each replica counts in a table of
 * its own, which the others get a copy of, and the sum over the tables is what counts.
 */
import { sourceKey } from './addresses.ts';
import { peersName } from './global.ts';
import { notCounted } from './failover.ts';
import { safeName } from './names.ts';
import type { ServiceConfig } from './service-config.ts';
import { answer, when } from './escape.ts';
import type { UsersSettings } from './rendered.ts';

/** Seconds over which a rate is taken. */
const period = 10;

const replicas = ({ peers, localPeer }: UsersSettings): string[] =>
  [...new Set([localPeer, ...peers.map(({ name }) => name)])].map(safeName).sort();
const table = ({ id }: ServiceConfig, replica: string): string => `rate-${id}-${replica}`;
const counter = ({ mode }: ServiceConfig): string => (mode === 'http' ? 'http_req_rate' : 'conn_rate');

/** Sections of a service's tables. */
export const rateTables = (service: ServiceConfig, settings: UsersSettings): string[][] =>
  service.spec.security?.rateLimit
    ? replicas(settings).map((replica) => [
        `backend ${table(service, replica)}`,
        `  stick-table type ipv6 size 100k expire 60s store ${counter(service)}(${period}s),conn_cur peers ${peersName}`,
      ])
    : [];

/** The rules of a backend's section. @param entries services whose requests may come, itself among them */
export function rateLimits(service: ServiceConfig, entries: readonly ServiceConfig[], settings: UsersSettings): { lines: string[] } {
  const limited = entries.filter(({ spec, mode }) => spec.security?.rateLimit && mode === service.mode);
  // HAProxy has three trackers; a request passes one entry and its target.
  return {
    lines: limited.flatMap((entry) => {
      const isEntry = entry === service ? undefined : `{ var(txn.entry) -m str ${entry.id} }`;
      const here = [isEntry, service.mode === 'http' ? notCounted : undefined].filter((condition) => condition !== undefined).join(' ');
      return linesOf(entry, here || undefined, entry === service ? 0 : 1, settings);
    }),
  };
}

function linesOf(entry: ServiceConfig, here: string | undefined, tracker: number, settings: UsersSettings): string[] {
  const { requestsPerSecond, connections } = entry.spec.security?.rateLimit ?? {};
  const isHttp = entry.mode === 'http';
  const rules = isHttp ? 'http-request' : 'tcp-request content';
  const refuse = (text: string) => (isHttp ? answer(429, text, 'Retry-After 1') : 'tcp-request content reject');
  const own = table(entry, safeName(settings.localPeer));
  const lines = [`${rules} track-sc${tracker} ${sourceKey} table ${own}${when(here)}`];
  if (requestsPerSecond !== undefined) {
    lines.push(`${rules} set-var(txn.rate) int(0)${when(here)}`);
    for (const replica of replicas(settings))
      lines.push(`${rules} set-var(txn.rate) ${sourceKey},table_${counter(entry)}(${table(entry, replica)}),add(txn.rate)${when(here)}`);
    lines.push(
      `${refuse(`more than ${requestsPerSecond} requests a second from this address`)}${when(here, `{ var(txn.rate) -m int gt ${requestsPerSecond * period} }`)}`,
    );
  }
  if (connections !== undefined)
    lines.push(
      `${refuse(`more than ${connections} requests at a time from this address`)}${when(here, `{ sc_conn_cur(${tracker}) gt ${connections} }`)}`,
    );
  return lines;
}
