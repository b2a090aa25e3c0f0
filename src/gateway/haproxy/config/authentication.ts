/**
 * Who may use a service. Credentials are compared as SHA-256, so no secret is in a file or a log. A
 * service that is reached by a route of another one asks for what both ask for: nothing is exposed without its protection.
 */
import type { Access } from '../../ir/ir.ts';
import { authorizationLines, needsRules } from './authorization.ts';
import { unknownChallenge } from './challenges.ts';
import { validPublicKey } from './pem.ts';
import { jwtLines } from './jwt.ts';
import type { ServiceConfig } from './service-config.ts';
import { answer, hashRole, printable, when, unauthorized } from './escape.ts';

export interface AccessRules {
  lines: string[];
  files: Map<string, string>;
  problems: string[];
}

/** The rules of a backend's section. @param entries services whose requests may come, itself among them */
export function accessOf(service: ServiceConfig, entries: readonly ServiceConfig[]): AccessRules {
  const rules: AccessRules = { lines: [], files: new Map(), problems: [] };
  if (service.mode === 'tcp') {
    if (entries.some(({ access }) => access.kind !== 'none')) rules.lines.push('tcp-request content reject');
    return rules;
  }
  for (const entry of entries) {
    const here = entry === service ? undefined : `{ var(txn.entry) -m str ${entry.id} }`;
    if (entry.access.kind !== 'none' || needsRules(entry.spec)) rules.lines.push(unknownChallenge(here));
    rules.lines.push(...authenticationLines(entry, here, rules));
    if (needsRules(entry.spec)) rules.lines.push(...authorizationLines(entry.spec, here));
  }
  if (rules.lines.length > 0) rules.lines.push('http-request set-header X-Frp-Client %[var(txn.client)] if { var(txn.client) -m found }');
  return rules;
}

/** Sets txn.client, the client's name, and txn.roles, the hash of each role between bars. @param here condition of every rule */
function authenticationLines({ id, key, access }: ServiceConfig, here: string | undefined, rules: AccessRules): string[] {
  const fresh = ['txn.client', 'txn.credential', 'txn.role', 'txn.roles'].map((name) => `http-request unset-var(${name})${when(here)}`);
  switch (access.kind) {
    case 'none':
      return [];
    case 'unavailable':
      return [unavailable(here)];
    case 'keys': {
      const map = `maps/keys-${id}.map`;
      rules.files.set(map, keysMap(access));
      return [...fresh, ...keyLines(access.header, here, map)];
    }
    case 'jwt': {
      const keys = access.keys.flatMap((jwtKey, index) => {
        const pem = validPublicKey(jwtKey);
        if (pem === undefined) {
          rules.problems.push(`${key}: key ${index + 1} of its issuer cannot be used for ${printable(jwtKey.alg)}`);
          return [];
        }
        const file = `keys/${id}-${index}.pem`;
        rules.files.set(file, pem);
        return [{ ...jwtKey, path: file }];
      });
      const lines = jwtLines(access, keys, here);
      if (lines !== undefined) return [...fresh, oneAuthorization(here), ...lines];
      rules.problems.push(`${key}: rolesClaim must be names of letters, digits, _ and -, with dots between them`);
      return [unavailable(here)];
    }
  }
}

const unavailable = (here: string | undefined): string =>
  answer(503, 'who may use this service is not known to the gateway at present') + when(here);

type KeyHeader = Extract<Access, { kind: 'keys' }>['header'];

/** The app must not read another one than the gateway did, which is the first; values of a list are as good as headers. */
const oneAuthorization = (here: string | undefined, ...conditions: string[]): string =>
  answer(400, 'the request has more than one Authorization') + when(here, '{ req.hdr_cnt(authorization) gt 1 }', ...conditions);

const isAbsent = '!{ var(txn.credential) -m found }';

const words: Record<KeyHeader, { what: string; how: string }> = {
  bearer: { what: 'token', how: 'a token, as header Authorization: Bearer' },
  apikey: { what: 'API key', how: 'an API key, as header X-API-Key or Authorization: Bearer' },
  basic: { what: 'user or password', how: 'a user and a password, as header Authorization: Basic' },
};

/** Sets txn.credential, where there is one. */
function credentialLines(header: KeyHeader, here: string | undefined): string[] {
  if (header === 'basic')
    return [
      oneAuthorization(here),
      `http-request set-var(txn.password) http_auth_pass${when(here)}`,
      `http-request set-var(txn.credential) http_auth_user,concat(:,txn.password)${when(here, '{ var(txn.password) -m found }')}`,
      `http-request unset-var(txn.password)${when(here)}`,
    ];
  return [
    ...(header === 'apikey' ? [`http-request set-var(txn.credential) req.fhdr(x-api-key)${when(here)}`] : []),
    oneAuthorization(here, isAbsent),
    `http-request set-var(txn.credential) http_auth_bearer${when(here, isAbsent)}`,
  ];
}

/** One SHA-256 and one look-up, whether the credential is right or wrong. */
function keyLines(header: KeyHeader, here: string | undefined, map: string): string[] {
  const { what, how } = words[header];
  const refused = (text: string) => unauthorized(text, header === 'basic' ? 'Basic' : 'Bearer');
  return [
    ...credentialLines(header, here),
    refused(`this service needs ${how}`) + when(here, isAbsent),
    `http-request set-var(txn.client) var(txn.credential),sha2(256),hex,lower,map_str(${map})${when(here)}`,
    `http-request unset-var(txn.credential)${when(here)}`,
    refused(`the ${what} is not known`) + when(here, '!{ var(txn.client) -m found }'),
    // Rules may name a client as a role.
    `http-request set-var(txn.role) var(txn.client),${hashRole}${when(here)}`,
    `http-request set-var(txn.roles) str(|),concat(,txn.role,|)${when(here)}`,
  ];
}

const keysMap = ({ clients }: Extract<Access, { kind: 'keys' }>): string =>
  Object.entries(clients)
    .filter(([hash]) => /^[0-9a-f]{64}$/.test(hash))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([hash, name]) => `${hash} ${name.replace(/[^A-Za-z0-9._@+-]/g, '_') || '_'}\n`)
    .join('');
