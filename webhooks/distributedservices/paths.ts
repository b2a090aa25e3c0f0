/** Paths that no request has once the gateway has brought it to its one form (src/gateway/haproxy/config/request-target.ts). */

/** What is wrong and what to do about it, by what a path without its encoding has; the first one that holds is told. */
const problems: readonly [broken: (text: string, encoded: string) => boolean, problem: string][] = [
  [(text) => /[?#]/.test(text), 'a path ends before "?" and "#", encoded ones too; leave out what follows'],
  [
    (text, encoded) => /[\0-\x1f\x7f\\]/.test(text) || /%2f/i.test(encoded) || /%(?![0-9a-f]{2})/i.test(encoded),
    'the gateway refuses encoded slashes, backslashes, control characters and incomplete encodings; write the path without them',
  ],
  [(_, encoded) => !isUtf8(encoded), 'the gateway refuses what is not UTF-8; write whole characters, also beside "*"'],
  [(text) => text.includes(';'), 'path parameters (";x") are left out of what is compared; leave them out'],
  [
    (text) => text.includes('//') || text.split('/').some((segment) => segment === '.' || segment === '..'),
    'the gateway resolves "//", "/./" and "/../"; write the path that is meant',
  ],
];

/**
 * Why no request matches a path of a rule or a route, and the remedy; undefined where one can.
 * @param path encoded; `*` is any text
 */
export const unreachable = (path: string): string | undefined =>
  problems.find(([broken]) => broken(decoded(path).toString('latin1'), path))?.[1];

/** The same of a path that a service is exposed at, which is looked up decoded: what cannot stand in a list of paths is refused too. */
export function unexposable(path: string): string | undefined {
  const problem = unreachable(path.replaceAll(/\/+/g, '/'));
  if (problem !== undefined) return problem;
  return /[ "#%*<>?[\]^`{|}]/.test(decoded(path).toString('latin1'))
    ? 'encoded spaces and characters that no path has without encoding are not looked up; expose the path above it'
    : undefined;
}

const decoded = (text: string): Buffer =>
  Buffer.from(
    text.replace(/%([0-9a-f]{2})/gi, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16))),
    'latin1',
  );

/** Each part, because a rule may be asked about any text in the place of `*`. */
const isUtf8 = (path: string): boolean => path.split('*').every((part) => decoded(part).equals(Buffer.from(decoded(part).toString())));
