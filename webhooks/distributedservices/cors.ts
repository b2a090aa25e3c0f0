/** Rules of `spec.security.cors`. */
import { listOf } from '../../src/model/json.ts';
import { unreadable } from './gateway.ts';
import type { Rule } from './rule.ts';
import type { Subject } from './subject.ts';

export const corsRules: readonly Rule[] = [
  {
    id: 'design',
    path: 'spec.security.cors',
    states: 'for http and grpc services only, and for grpc by host name only with `expose.tls`',
    broken: (s) => s.cors !== undefined && unreadable(s) !== undefined,
    message: (s) => unreadable(s)!,
  },
  {
    id: 'design',
    path: 'spec.security.cors.allowOrigins',
    states: 'at least one origin',
    broken: ({ cors }) => cors !== undefined && listOf(cors.allowOrigins).length === 0,
    message: 'names nobody, so no page may read an answer; add an origin such as https://app.example.com, or remove cors',
  },
  {
    id: 'design',
    path: 'spec.security.cors.allowCredentials',
    states: 'not with `*` in allowOrigins',
    broken: ({ cors }) => cors?.allowCredentials === true && listOf(cors.allowOrigins).includes('*'),
    message:
      'with "*" in allowOrigins any page could act as its visitor, which browsers refuse; list the origins, or remove allowCredentials',
  },
];

export const corsWarnings: readonly Rule[] = [
  {
    id: 'design',
    path: 'spec.security.cors.allowHeaders',
    states: 'the header that carries the credentials of `authentication`',
    broken: (s) => s.cors !== undefined && credentials(s).length > 0 && !credentials(s).some((name) => allows(s, name)),
    message: (s) =>
      `has neither "*" nor ${credentials(s).join(' nor ')}, so no page can send the credentials that authentication asks for; add it`,
  },
];

/** Headers that carry them. */
function credentials({ authentication: { type } }: Subject): string[] {
  if (type === undefined || type === 'none') return [];
  return type === 'apikey' ? ['X-API-Key', 'Authorization'] : ['Authorization'];
}

const allows = ({ cors }: Subject, name: string): boolean =>
  listOf(cors?.allowHeaders).some((allowed) => allowed === '*' || String(allowed).toLowerCase() === name.toLowerCase());
