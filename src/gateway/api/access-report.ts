/** Who may use a service, without anything that is secret. */
import type { DistributedServiceSpec } from '../../model/types.ts';
import { matchesPath } from '../haproxy/config/globs.ts';
import type { Access } from '../ir/ir.ts';
import { plainPath } from './request-path.ts';
import type { AccessReport, RuleReport } from './report-types.ts';

export function accessReport(access: Access): AccessReport {
  switch (access.kind) {
    case 'none':
      return { kind: 'anybody' };
    case 'unavailable':
      return access;
    case 'keys':
      return { kind: access.header, clients: Object.keys(access.clients).length };
    case 'jwt': {
      const { issuer, audience, rolesClaim, keys } = access;
      return { kind: 'jwt', issuer, audience, rolesClaim, keys: keys.length };
    }
  }
}

const kinds = { bearer: 'bearer token', apikey: 'API key', basic: 'user and password' } as const;

/** For people: `whoever has an API key (3 clients)`. */
export function describeAccess(access: AccessReport): string {
  switch (access.kind) {
    case 'anybody':
      return 'anybody';
    case 'unavailable':
      return `nobody at present: ${access.reason}`;
    case 'jwt':
      return `whoever has a token of ${access.issuer} for ${access.audience}`;
    case 'bearer':
    case 'apikey':
    case 'basic':
      return `whoever has a ${kinds[access.kind]} (${access.clients} client${access.clients === 1 ? '' : 's'})`.replace('a API', 'an API');
  }
}

/** None where rules are not enabled. */
export function rulesOf({ security }: DistributedServiceSpec): RuleReport[] {
  if (security?.authorization?.enabled !== true) return [];
  return (security.authorization.rules ?? []).map(({ path = '/*', methods = [], roles = [] }) => ({
    path,
    ...(methods.length > 0 && { methods }),
    ...(roles.length > 0 && { roles }),
  }));
}

/** For people: `GET, POST /admin/* for admin, ops`. */
export const describeRule = ({ path, methods, roles }: RuleReport): string =>
  `${methods ? `${methods.join(', ')} ` : ''}${path}${roles ? ` for ${roles.join(', ')}` : ''}`;

export interface RuledRequest {
  method: string;
  /** decoded */
  path: string;
  roles: readonly string[];
}

/**
 * What rules say of a request, as the gateway's HAProxy asks them (config/authorization.ts): a rule allows what it matches with
 * and without path parameters and what follows an encoded `?` or `#`, and binds what it matches either way.
 */
export function verdictOf(
  rules: readonly RuleReport[],
  { method, path, roles }: RuledRequest,
): { allowed: boolean; by?: RuleReport; text: string } {
  const forms = [path, plainPath(path)];
  const binding = rules.filter((rule) => forms.some((form) => matchesPath(rule.path, form)));
  if (binding.length === 0) return { allowed: true, text: 'no rule is for this path' };
  const matching = binding.filter((rule) => forms.every((form) => matchesPath(rule.path, form)) && hasMethod(rule, method));
  const by = matching.find((rule) => !rule.roles || rule.roles.some((role) => roles.includes(role)));
  if (by) return { allowed: true, by, text: `allowed by rule "${describeRule(by)}"` };
  const roleWanted = matching.findLast((rule) => rule.roles !== undefined);
  return roleWanted
    ? {
        allowed: false,
        by: roleWanted,
        text: `rule "${describeRule(roleWanted)}": this needs one of the roles: ${roleWanted.roles!.join(', ')}`,
      }
    : {
        allowed: false,
        by: binding[0]!,
        text: `rule "${describeRule(binding[0]!)}": the method ${method} is not allowed for this path`,
      };
}

/** HEAD asks for what GET would answer (RFC 9110, 9.3.2). */
const hasMethod = ({ methods }: RuleReport, method: string): boolean =>
  methods === undefined || methods.includes(method) || (method === 'HEAD' && methods.includes('GET'));
