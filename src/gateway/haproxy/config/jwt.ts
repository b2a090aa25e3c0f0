/** JSON web tokens (RFC 7519): signature by the key that the token names, expiry, issuer, audience, roles. */
import type { Access, JwtKey } from '../../ir/ir.ts';
import { hashRole, sha256, unauthorized, when } from './escape.ts';

type JwtAccess = Extract<Access, { kind: 'jwt' }>;

/** Entries of an `aud` list that are looked at. */
const audiences = 8;
/** Roles of a token that are looked at. */
const maxRoles = 64;
/** Seconds that `nbf` may be ahead: clocks differ. */
const leeway = 30;

const query = (path: string, type = ''): string => `var(txn.jwt),jwt_payload_query('$.${path}'${type})`;
const hashed = (expression: string, text: string): string => `{ ${expression},sha2(256),hex,lower -m str ${sha256(text)} }`;

/**
 * Rules that leave the subject in txn.client and the roles, a list or words of a text, in txn.roles (the hash of each
 * between bars). Undefined where the name of the roles claim cannot be asked for.
 * @param keys with the path of each PEM file
 */
export function jwtLines(
  { issuer, audience, rolesClaim }: JwtAccess,
  keys: readonly (JwtKey & { path: string })[],
  here: string | undefined,
): string[] | undefined {
  if (!/^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/.test(rolesClaim)) return undefined;
  const set = (name: string, expression: string, ...conditions: string[]) =>
    `http-request set-var(txn.${name}) ${expression}${when(here, ...conditions)}`;
  const refuse = (text: string, ...conditions: string[]) => unauthorized(text) + when(here, ...conditions);
  const found = (name: string) => `{ var(txn.${name}) -m found }`;
  const names = ['jwt', 'jwt_alg', 'jwt_kid', 'jwt_valid', 'jwt_exp', 'jwt_nbf', 'jwt_aud', 'role', 'roles_text', 'roles_end'];
  return [
    ...names.map((name) => `http-request unset-var(txn.${name})${when(here)}`),
    set('jwt', 'http_auth_bearer'),
    refuse('this service needs a token, as header Authorization: Bearer', `!${found('jwt')}`),
    set('jwt_alg', "var(txn.jwt),jwt_header_query('$.alg')"),
    set('jwt_kid', "var(txn.jwt),jwt_header_query('$.kid')"),
    // The algorithm is the key's, never the token's choice (RFC 8725, 3.1).
    ...keys.map(({ kid, alg, path }) =>
      set(
        'jwt_valid',
        'bool(true)',
        `{ var(txn.jwt_alg) -m str ${alg} }`,
        kid === undefined ? `!${found('jwt_kid')}` : hashed('var(txn.jwt_kid)', kid),
        `{ var(txn.jwt),jwt_verify(txn.jwt_alg,"${path}") -m int 1 }`,
      ),
    ),
    refuse('the token is not one that the issuer of this service signed', `!${found('jwt_valid')}`),
    set('jwt_now', 'date'),
    set('jwt_exp', query('exp', ",'int'")),
    refuse('the token does not say when it expires', `!${found('jwt_exp')}`),
    refuse('the token has expired', '{ var(txn.jwt_exp),sub(txn.jwt_now) le 0 }'),
    set('jwt_nbf', query('nbf', ",'int'")),
    refuse('the token is not valid yet', found('jwt_nbf'), `{ var(txn.jwt_nbf),sub(txn.jwt_now) gt ${leeway} }`),
    refuse('the token is of another issuer', `!${hashed(query('iss'), issuer)}`),
    set('jwt_aud', 'bool(true)', hashed(query('aud'), audience)),
    ...Array.from({ length: audiences }, (_, index) =>
      set('jwt_aud', 'bool(true)', `!${found('jwt_aud')}`, hashed(query(`aud[${index}]`), audience)),
    ),
    refuse('the token is for another audience', `!${found('jwt_aud')}`),
    set('client', `${query('sub')},regsub([^!-~],_,g)`),
    ...roleLines(rolesClaim, set, here),
    `http-request unset-var(txn.jwt)${when(here)}`,
  ];
}

/**
 * HAProxy 2.6 gives single elements of a list, and single words of a text, so they are asked for until there is none.
 */
function roleLines(
  claim: string,
  set: (name: string, expression: string, ...conditions: string[]) => string,
  here: string | undefined,
): string[] {
  const found = (name: string) => `{ var(txn.${name}) -m found }`;
  return [
    set('roles_text', query(claim)),
    set('roles', 'str(|)'),
    ...Array.from({ length: maxRoles }, (_, index) => [
      `http-request unset-var(txn.role)${when(here, `!${found('roles_end')}`)}`,
      set('role', `${query(`${claim}[${index}]`)},${hashRole}`, `!${found('roles_end')}`, `!${found('roles_text')}`),
      set('role', `var(txn.roles_text),word(${index + 1},\\ ),${hashRole}`, `!${found('roles_end')}`, found('roles_text')),
      set('roles_end', 'bool(true)', `!${found('role')}`),
      set('roles', 'var(txn.roles),concat(,txn.role,|)', `!${found('roles_end')}`),
    ]).flat(),
  ];
}
