/** What members of a plain frp server need besides their own certificate: its auth token, and who signed its certificate. */
import { splitBundle, parseCertificate } from '../../../certs/inspect.ts';
import type { Config } from '../../config/schema.ts';
import { base64, text } from '../../kube/authority-secret.ts';
import { missing } from '../../kube/secret-references.ts';
import { frpsAuthorityKey, frpsTokenKey } from '../../model/names.ts';
import { not } from './client-certificate.ts';
import type { IdentityDeps } from './deps.ts';
import type { Refused } from './owned-secrets.ts';
import type { StatusReason } from '../../model/reasons/status.ts';

type Deps = Pick<IdentityDeps, 'config' | 'userSecrets'>;
type Found = { value: string } | { refused: Refused };

/** Names of the administrator's Secrets, in the installation's namespace, that every plain service depends on. */
export const frpsSecretsOf = ({ frps: { auth, caSecret } }: Config): string[] => [
  ...(auth === undefined ? [] : [auth.tokenSecret]),
  ...(caSecret === undefined ? [] : [caSecret]),
];

/**
 * Entries of the group's Secret of a service that goes to it, in base64 by key.
 * @returns or why its sidecars cannot log in, with the remedy
 */
export function frpsMaterialOf(deps: Deps): { data: Record<string, string> } | { refused: Refused } {
  const { auth, caSecret } = deps.config.frps;
  const data: Record<string, string> = {};
  if (auth) {
    const token = tokenIn(deps, auth.tokenSecret);
    if ('refused' in token) return token;
    data[frpsTokenKey] = base64(token.value);
  }
  if (caSecret !== undefined) {
    const authority = authorityIn(deps, caSecret);
    if ('refused' in authority) return authority;
    data[frpsAuthorityKey] = base64(authority.value);
  }
  return { data };
}

/** Editors and `--from-file` end a file with a newline, which frp takes off too. */
function tokenIn(deps: Deps, name: string): Found {
  const found = valueIn(deps, { name, key: 'token', field: 'frps.auth.tokenSecret', what: "frps' auth.token" });
  return 'refused' in found ? found : { value: found.value.trim() };
}

function authorityIn(deps: Deps, name: string): Found {
  const field = 'frps.caSecret';
  const found = valueIn(deps, { name, key: 'ca.crt', field, what: "who signed the frp server's certificate, as PEM" });
  if ('refused' in found) return found;
  try {
    const authorities = splitBundle(found.value);
    if (authorities.length === 0) throw new Error('it has no certificate');
    authorities.forEach(parseCertificate);
  } catch (error) {
    return refused('Unreadable', `Secret ${deps.config.namespace}/${name} (${field}): key ca.crt: ${(error as Error).message}`);
  }
  return found;
}

function valueIn(
  { config, userSecrets }: Deps,
  { name, key, field, what }: { name: string; key: string; field: string; what: string },
): Found {
  const { namespace } = config;
  const secret = userSecrets.get(namespace, name);
  if (!secret) {
    const { reason, message } = missing({ secret: name, field }, namespace);
    return refused(reason, message);
  }
  const value = text(secret, key);
  if (value.trim() !== '') return { value };
  return refused('SecretMissing', `Secret ${namespace}/${name} (${field}): key ${key} is absent or empty; put there ${what}`);
}

const refused = (reason: StatusReason, message: string): { refused: Refused } => ({ refused: not(reason, message) });
