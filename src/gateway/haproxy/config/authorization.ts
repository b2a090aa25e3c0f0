/**
 * Rules by path, method and role. A path that is matched needs one rule that lists method and role; a rule without
 * path, methods or roles is for all. Paths are compared decoded, and by case; where a path has parameters (`/a;x=1`) or an
 * encoded `?` or `#`, with and without what some servers leave out: a rule allows what it matches both ways, and binds what it
 * matches either way.
 */
import type { DistributedServiceSpec } from '../../../model/types.ts';
import { answer, printable, roleHash, when } from './escape.ts';
import { pathRegexes } from './globs.ts';
import { withoutParameters } from './request-target.ts';

type Rule = NonNullable<NonNullable<NonNullable<DistributedServiceSpec['security']>['authorization']>['rules']>[number];

/** Characters of a path that rules are asked about; what one request may cost is bounded by it. */
const longestPath = 4096;
/** Characters of a list of roles, in an answer. */
const longestList = 200;

export const needsRules = ({ security }: DistributedServiceSpec): boolean =>
  security?.authorization?.enabled === true && (security.authorization.rules ?? []).length > 0;

/** @param here condition of every line */
export function authorizationLines({ security }: DistributedServiceSpec, here: string | undefined): string[] {
  const isRuled = '{ var(txn.ruled) -m found }';
  const isRefused = '!{ var(txn.allowed) -m found }';
  const needsRole = '{ var(txn.need) -m found }';
  const rules = security?.authorization?.rules ?? [];
  return [
    answer(400, `the path is longer than ${longestPath} characters`) + when(here, `{ path,length gt ${longestPath} }`),
    ...['ruled', 'allowed', 'need'].map((name) => `http-request unset-var(txn.${name})${when(here)}`),
    // Some frameworks take these for the method.
    ...(rules.some(({ methods }) => methods !== undefined)
      ? [`http-request del-header '^x[^a-z0-9](http[^a-z0-9])?method([^a-z0-9]override)?$' -m reg${when(here)}`]
      : []),
    `http-request set-var(txn.rule_plain) ${withoutParameters}${when(here)}`,
    `http-request set-var(txn.rule_path) "path,url_dec,concat(\\n,txn.rule_plain)"${when(here)}`,
    ...rules.flatMap((rule) => ruleLines(rule, here)),
    answer(403, 'this needs one of the roles: %[var(txn.need)]') + when(here, isRuled, isRefused, needsRole),
    answer(403, 'the method %[method] is not allowed for this path') + when(here, isRuled, isRefused),
  ];
}

function ruleLines({ path = '/*', methods = [], roles = [] }: Rule, here: string | undefined): string[] {
  const { both, neither } = pathRegexes(path);
  const isMatched = `{ var(txn.rule_path) -m reg '${both}' }`;
  const bound = `http-request set-var(txn.ruled) bool(true)${when(here, `!{ var(txn.rule_path) -m reg '${neither}' }`)}`;
  // HEAD asks for what GET would answer (RFC 9110, 9.3.2).
  const named = methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method])).filter((method) => /^[A-Z]+$/.test(method));
  if (methods.length > 0 && named.length === 0) return [bound];
  const method = methods.length === 0 ? undefined : `{ method ${named.join(' ')} }`;
  const allow = (condition?: string) => `http-request set-var(txn.allowed) bool(true)${when(here, isMatched, method, condition)}`;
  if (roles.length === 0) return [bound, allow()];
  return [
    bound,
    `http-request set-var-fmt(txn.need) "${listed(roles)}"${when(here, isMatched, method)}`,
    allow(`{ var(txn.roles) -m reg '[|](${roles.map(roleHash).join('|')})[|]' }`),
  ];
}

function listed(roles: readonly string[]): string {
  const all = roles.map(printable).join(', ');
  return all.length > longestList ? `${all.slice(0, longestList)} ...` : all;
}
