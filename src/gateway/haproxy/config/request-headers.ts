/** Headers of users that would mean something to a backend which only the gateway may say. */
import { quote } from './escape.ts';

const separator = '[^a-z0-9]';
const inHyphens = '-';

/** Headers that the gateway sets, or that a trusted proxy does. */
const ours = [`x${separator}frp`, `x${separator}forwarded`, `x${separator}real${separator}ip`];

/** What some frameworks take for the path in place of the request's own. */
const otherPaths = `^x${separator}(original|rewrite)${separator}ur[il]$`;

/** CGI makes the variable HTTP_PROXY of it, through which programs then send their own requests. */
const proxyOfPrograms = 'proxy';

/**
 * Of a frontend: CGI and its descendants read `X_Frp_Client` and `X-Frp-Client` as the same name, so what is spelled
 * without hyphens goes, whoever sends it. And nobody may name a header in `Connection` for the next proxy to take out
 * (RFC 9110, 7.6.1).
 * @param isTrusted condition of requests whose X-Forwarded-* and X-Real-IP are believed
 */
export const headerRules = (isTrusted: string): string[] => [
  `http-request del-header x-forwarded- -m beg if !${isTrusted}`,
  `http-request del-header forwarded if !${isTrusted}`,
  `http-request del-header x-real-ip if !${isTrusted}`,
  'http-request del-header x-frp- -m beg',
  `http-request del-header ${quote(`^(${ours.map(misspelled).join('|')})`)} -m reg`,
  `http-request del-header ${quote(otherPaths)} -m reg`,
  `http-request del-header ${proxyOfPrograms}`,
  // An upgrade to HTTP/2 would be a tunnel that no rule looks into.
  'http-request del-header upgrade if { req.hdr(upgrade) -m sub -i h2c }',
  'http-request set-var(txn.upgrades) bool(true) if { req.hdr(upgrade) -m found } { req.hdr(connection) -m str -i upgrade }',
  'http-request set-header Connection upgrade if { var(txn.upgrades) -m bool }',
  'http-request del-header connection if !{ var(txn.upgrades) -m bool }',
  'http-request del-header upgrade if !{ var(txn.upgrades) -m bool }',
];

/** The name with any other separator than hyphens throughout. */
const misspelled = (name: string): string => `(?!${name.replaceAll(separator, inHyphens)}(-|$))${name}`;
