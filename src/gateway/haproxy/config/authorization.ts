/**
 * Rules by path, method and role. A path that is matched needs one rule that lists method and role; a rule without
 * methods or roles lists all. Paths are normalised first, and the backend gets the normalised one, so that both read the same.
 */
import type { DistributedServiceSpec } from '../../../model/types.ts';
import { answer, printable, regexOf, when } from './escape.ts';

type Rule = NonNullable<NonNullable<NonNullable<DistributedServiceSpec['security']>['authorization']>['rules']>[number];

export const needsRules = ({ security }: DistributedServiceSpec): boolean =>
  security?.authorization?.enabled === true && (security.authorization.rules ?? []).length > 0;

/** @param here condition of every line */
export function authorizationLines({ security }: DistributedServiceSpec, here: string | undefined): string[] {
  const isRuled = '{ var(txn.ruled) -m found }';
  const isRefused = '!{ var(txn.allowed) -m found }';
  const needsRole = '{ var(txn.need) -m found }';
  return [
    ...normalizing(here),
    ...['ruled', 'allowed', 'need'].map((name) => `http-request unset-var(txn.${name})${when(here)}`),
    // Servers that know path parameters leave them out when they look for a resource (RFC 3986, 3.3).
    `http-request set-var(txn.rule_path) path,regsub(;[^/]*,,g)${when(here)}`,
    ...(security?.authorization?.rules ?? []).flatMap((rule) => ruleLines(rule, here)),
    answer(403, 'this needs one of the roles: %[var(txn.need)]') + when(here, isRuled, isRefused, needsRole),
    answer(403, 'the method %[method] is not allowed for this path') + when(here, isRuled, isRefused),
  ];
}

/** What could be read in two ways is refused, the rest comes to one form (RFC 3986, 6.2.2). */
function normalizing(here: string | undefined): string[] {
  return [
    answer(400, 'the path has an encoding that is not accepted here: %%2F, %%5C, %%00, a backslash or an incomplete one') +
      when(here, `{ path -m reg -i '%(2f|5c|00|[^0-9a-f]|.[^0-9a-f]|.?$)|\\\\' }`),
    ...[
      'fragment-strip',
      'percent-decode-unreserved strict',
      'percent-to-uppercase strict',
      'path-merge-slashes',
      'path-strip-dot',
      'path-strip-dotdot full',
    ].map((normalizer) => `http-request normalize-uri ${normalizer}${when(here)}`),
  ];
}

function ruleLines({ path, methods = [], roles = [] }: Rule, here: string | undefined): string[] {
  if (path === undefined) return [];
  const matches = `{ var(txn.rule_path) -m reg '${pathRegex(path)}' }`;
  // HEAD asks for what GET would answer (RFC 9110, 9.3.2).
  const named = methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method])).filter((method) => /^[A-Z]+$/.test(method));
  const method = methods.length === 0 ? undefined : `{ method ${named.join(' ')} }`;
  const lines = [`http-request set-var(txn.ruled) bool(true)${when(here, matches)}`];
  const allow = (condition?: string) => lines.push(`http-request set-var(txn.allowed) bool(true)${when(here, matches, method, condition)}`);
  if (roles.length === 0) {
    allow();
    return lines;
  }
  const anyRole = `(${roles.map(regexOf).join('|')})`;
  lines.push(`http-request set-var-fmt(txn.need) "${roles.map(printable).join(', ')}"${when(here, matches, method)}`);
  allow(`{ var(txn.roles_list) -m reg '[|]${anyRole}[|]' }`);
  allow(`{ var(txn.roles_text) -m reg '(^| )${anyRole}( |$)' }`);
  return lines;
}

/** `*` is any text; `/admin/*` is /admin too, which servers seldom tell from /admin/. */
function pathRegex(path: string): string {
  const isTree = path.endsWith('/*');
  const literal = (isTree ? path.slice(0, -2) : path).replace(/%[0-9a-f]{2}/gi, (code) => code.toUpperCase());
  return `^${literal.split('*').map(regexOf).join('.*')}${isTree ? '(/.*)?' : ''}$`;
}
