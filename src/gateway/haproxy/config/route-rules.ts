/** The rules that find the backend of a request (routes.ts), for frontends in mode http and tcp. */
import { type RouteTable, portSite } from './routes.ts';
import { answer, when } from './escape.ts';
import { hasParameters, withoutParameters } from './request-target.ts';

export const hostsMap = 'maps/hosts.map';
export const wildcardsMap = 'maps/wildcards.map';
export const pathsMap = 'maps/paths.map';
export const redirectsMap = 'maps/redirects.map';

/** What a route table is in the map of paths: its id, the id of its entry, and the backend without conditions. */
export const routeTableValue = ({ id, entry, defaultBackend }: RouteTable): string => `${id}:${entry.id}:${defaultBackend.backend}`;

/** Sets txn.routes, txn.entry and txn.target by the path of the request and its site. @param site rules that set txn.site */
export const lookupRules = (site: readonly string[]): string[] => [
  ...site,
  // Decoded, as most backends read it: another spelling of a path must not lead elsewhere.
  'http-request set-var(txn.path) path,url_dec',
  `http-request set-var(txn.found) var(txn.site),concat(,txn.path,/),map_beg(${pathsMap})`,
  // Without its parameters, or what follows an encoded ? or #, a path may be another one to a server: both must lead to the same place.
  `http-request set-var(txn.plain) ${withoutParameters} if ${hasParameters}`,
  `http-request set-var(txn.plain) var(txn.site),concat(,txn.plain,/),map_beg(${pathsMap}) if { var(txn.plain) -m found }`,
  `${answer(400, 'the path leads elsewhere without its parameters')} if { var(txn.plain) -m found } !{ var(txn.plain),strcmp(txn.found) eq 0 }`,
  answer(404, 'no service is published under this path of the host') + ' if !{ var(txn.found) -m found }',
  'http-request set-var(txn.routes) var(txn.found),field(1,:)',
  'http-request set-var(txn.entry) var(txn.found),field(2,:)',
  'http-request set-var(txn.target) var(txn.found),field(3,:)',
];

/** The site is what a port belongs to. */
export const portRules = (port: number): string[] => [`http-request set-var(txn.site) str(${portSite(port)})`];

/** The name that was asked for, without port and final dot; lookups are by it. */
export const hostNameRule = 'http-request set-var(txn.host) req.fhdr(host),host_only,rtrim(.)';

/** The site is what the host belongs to. */
export const hostRules: readonly string[] = [
  `http-request set-var(txn.site) var(txn.host),map_str(${hostsMap})`,
  `http-request set-var(txn.site) var(txn.host),map_end(${wildcardsMap}) if !{ var(txn.site) -m found }`,
  answer(404, 'no service is published under this host name') + ' if !{ var(txn.site) -m found }',
];

/** Conditions and weights: they change txn.target. A condition for each header would not fit into a line, so they have names. */
export function choiceRules(tables: Iterable<RouteTable>, ruleset = 'http-request'): string[] {
  const lines: string[] = [];
  for (const { id, choices } of tables)
    for (const [index, { headers, groups }] of choices.entries()) {
      const names = headers.map((_, at) => `${id}-${index}-${at}`);
      lines.push(...headers.map(({ name, hash }, at) => `acl ${names[at]} req.fhdr(${name}),sha2(256),hex,lower -m str ${hash}`));
      const here = [`{ var(txn.routes) -m str ${id} }`, '!{ var(txn.decided) -m found }', ...names];
      const total = groups.reduce((sum, { weight }) => sum + weight, 0);
      lines.push(`${ruleset} set-var(txn.draw) rand(${total})${when(...here)}`);
      let below = total;
      for (const { target, weight } of groups) {
        lines.push(`${ruleset} set-var(txn.target) str(${target.backend})${when(...here, `{ var(txn.draw) -m int lt ${below} }`)}`);
        below -= weight;
      }
      lines.push(`${ruleset} set-var(txn.decided) bool(true)${when(...here)}`);
    }
  return lines;
}
