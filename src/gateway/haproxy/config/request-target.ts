/**
 * One form of every request, before anything looks at its path: routes, rules, limits, redirects and the backend all
 * read the same. What stays readable in two ways is refused.
 */
import { answer } from './escape.ts';

/** Not an HTTP request for a path: HAProxy itself refuses what begins with neither a slash nor `scheme://authority`. */
const otherForms = 'if { method CONNECT } or { url -m str * }';

const continuation = '%[89ab][0-9a-f]';
/** Well-formed UTF-8 beyond ASCII (RFC 3629, 4), encoded. */
const wellFormed = [
  `%(?:c[2-9a-f]|d[0-9a-f])${continuation}`,
  `%(?:e0%[ab][0-9a-f]|e[1-9a-cef]${continuation}|ed%[89][0-9a-f])${continuation}`,
  `%(?:f0%[9ab][0-9a-f]|f[1-3]${continuation}|f4%8[0-9a-f])${continuation}${continuation}`,
].join('|');

/**
 * What a path may be made of, case aside: printable ASCII without backslash, fragment and encoded slash or backslash, and
 * well-formed UTF-8, encoded. Other bytes, sequences that are longer than they need be among them, are read by some servers
 * as another character. Possessive, so a path is read once; where PCRE gives up, the path is refused.
 */
const accepted = `^(?:[!"$&-\\[\\]-~]++|%(?:2[0-9a-e]|[346][0-9a-f]|5[0-9abd-f]|7[0-9a-e])|${wellFormed})*+$`;

/**
 * Left after dot segments and double slashes are gone: dots, or nothing, with path parameters or an encoded end of the path.
 * Servers that know these (RFC 3986, 3.3) would resolve such a segment, others would not. A last segment may be parameters alone.
 */
const ambiguous = '//|/\\.\\.?(/|;|%3B|%3F|%23|$)|/(;|%3B)[^/]*/';

/**
 * Of a frontend: the path comes to one form (RFC 3986, 6.2.2), without scheme and host. The query stays as it is, and
 * so do path parameters (`/a;x=1`), because to other servers they are a part of the name.
 */
export const requestTargetRules: readonly string[] = [
  `${answer(400, 'a request must be for a path: CONNECT and * are not accepted here')} ${otherForms}`,
  // A server that answers it sends back the headers it was given, those of the gateway and of cookies among them.
  `${answer(405, 'TRACE is not accepted here', 'Allow "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"')} if { method TRACE }`,
  'http-request set-var(txn.query) query',
  'http-request set-uri / if !{ path -m beg / }',
  'http-request set-uri %[path]',
  `${answer(400, 'the path has a character or an encoding that is not accepted here: a backslash, a control character, %%2F, %%5C, %%00 to %%1F, %%7F, an incomplete one, or bytes that are not UTF-8')} if !{ path -m reg -i '${accepted}' }`,
  ...['percent-decode-unreserved', 'percent-to-uppercase', 'path-merge-slashes', 'path-strip-dot', 'path-strip-dotdot full'].map(
    (normalizer) => `http-request normalize-uri ${normalizer}`,
  ),
  `${answer(400, 'the path has a segment of nothing but dots or parameters, which can be read in two ways')} if { path -m reg '${ambiguous}' }`,
  // A server may leave out either of them, both in any order, or none.
  `${answer(400, 'the path has parameters and an encoded ? or #, which can be read in several ways')} if { path -m sub ; %3B } { path -m sub %3F %23 }`,
  'http-request set-uri %[path]?%[var(txn.query)] if { var(txn.query) -m found }',
];

/** Names with dots between, or an IPv6 address; and a port: at most 260 characters. */
const host = '^([a-z0-9_-]+(\\.[a-z0-9_-]+)*\\.?|\\[[0-9a-f:.]+\\])(:[0-9]*)?$';

/** Of a frontend: a Host that is none is refused, for it goes into redirects, headers and look-ups by the end of a name. */
export const hostRule = `${answer(400, 'the header Host is not a host name')} if { req.fhdr(host),length gt 260 } or { req.fhdr(host) -m found } !{ req.fhdr(host) -m reg -i '${host}' }`;

/**
 * Of a request whose path is in that form: the path decoded, without path parameters, and up to an encoded `?` or `#`, where
 * the path ends to servers that decode before they split. In quotes, for `#` would begin a comment.
 */
export const withoutParameters = '"path,url_dec,field(1,?#),regsub(;[^/]*,,g)"';

/** Condition: a path for which that is another one. */
export const hasParameters = '{ path -m sub ; %3B %3F %23 }';
