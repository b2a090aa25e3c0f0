/**
 * Pools of a primary and of its replicas. Every member is a server of both, and its check asks for the role, at a port of its
 * own: that of the member's second tunnel.
 */
import { checkAgent } from '../../../model/health-check.ts';
import { roleCheckOf } from '../../../model/read-write.ts';
import { quote, safePath } from './escape.ts';
import type { RouteTable } from './routes.ts';
import type { ServiceConfig } from './service-config.ts';

/** Where a check learns the port at which a server tells its role. */
export const rolesMap = 'maps/roles.map';

/** A port of loopback at which nobody is: a member without that tunnel has no role. */
const nobody = 1;

/** Lines of that map. */
export const rolesMapLines = (servers: Iterable<{ name: string; rolePort?: number | undefined }>): string =>
  [...servers].map(({ name, rolePort }) => (rolePort === undefined ? '' : `${name} ${rolePort}\n`)).join('');

/** Directives of the section of a pool with a role. A redirect is no answer to the question. */
export function roleCheckLines({ spec, role }: ServiceConfig): string[] {
  const check = roleCheckOf(spec);
  if (!check || role === undefined) return [];
  return [
    'option httpchk',
    `http-check connect port srv_name,map_str_int(${rolesMap},${nobody})`,
    `http-check send meth GET uri ${quote(safePath(check.paths[role]))} ver HTTP/1.1 hdr Host localhost hdr User-Agent ${checkAgent}`,
    'http-check expect status 200',
  ];
}

/**
 * Of a port, once `txn.target` is known. Who reads comes to the primary while there is no replica. While several backends say
 * that they are the primary, nobody may write: which one is right cannot be told from here, and what is written to the wrong
 * one is lost. That passes by itself where the role has just moved, and the old one has not been asked again.
 */
export function roleRules({ entry, defaultBackend, standIn }: RouteTable): string[] {
  if (entry.role === 'primary') return [`tcp-request content reject if { nbsrv(${defaultBackend.pool}) gt 1 }`];
  return standIn === undefined
    ? []
    : [`tcp-request content set-var(txn.target) str(${standIn.backend}) if { nbsrv(${defaultBackend.pool}) eq 0 }`];
}
