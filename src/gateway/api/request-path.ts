/** The path of a request as the gateway's HAProxy reads it (config/request-target.ts), decoded. */

const unaccepted = /%(?:2F|5C|0[0-9A-F]|1[0-9A-F]|7F)|[\\\x00-\x20\x7f#]|%(?![0-9A-F]{2})/i;
const ambiguous = /\/\/|\/\.\.?(\/|;|%3B|%3F|%23|$)|\/(;|%3B)[^/]*\//i;

/** @param path with or without a query */
export function requestPath(path: string): { path: string } | { problem: string } {
  const [given = ''] = path.split('?', 1);
  const absolute = given.startsWith('/') ? given : `/${given}`;
  if (unaccepted.test(absolute)) return { problem: 'the path has a character or an encoding that is not accepted here' };
  const merged = absolute.replace(/%2E/gi, '.').replace(/\/+/g, '/');
  const resolved = withoutDots(merged);
  if (ambiguous.test(resolved))
    return { problem: 'the path has a segment of nothing but dots or parameters, which can be read in two ways' };
  if (/;|%3B/i.test(resolved) && /%3F|%23/i.test(resolved))
    return { problem: 'the path has parameters and an encoded ? or #, which can be read in several ways' };
  try {
    return { path: decodeURIComponent(resolved) };
  } catch {
    return { problem: 'the path has a character or an encoding that is not accepted here' };
  }
}

/** As servers read a decoded path that leave out its parameters, or what follows an encoded `?` or `#` (withoutParameters in that file). */
export const plainPath = (path: string): string => path.replace(/[?#].*/s, '').replace(/;[^/]*/g, '');

/** Dot segments resolved (RFC 3986, 5.2.4). */
function withoutDots(path: string): string {
  const kept: string[] = [];
  const segments = path.split('/').slice(1);
  for (const [index, segment] of segments.entries()) {
    const isLast = index === segments.length - 1;
    if (segment === '..') kept.pop();
    if (segment !== '.' && segment !== '..') kept.push(segment);
    else if (isLast) kept.push('');
  }
  return `/${kept.join('/')}`;
}
