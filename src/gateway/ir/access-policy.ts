/** Who may use a service, from the copies of its Secret. What is missing or cannot be read lets nobody in. */
import type { DistributedService } from '../../model/types.ts';
import { isObject } from '../../model/json.ts';
import type { Copies } from '../watches/secret-copies.ts';
import type { Issuers } from '../oidc/issuers.ts';
import type { Access } from './ir.ts';

const unavailable = (reason: string): Access => ({ kind: 'unavailable', reason });

export function accessOf(
  { spec, metadata }: DistributedService,
  copies: Pick<Copies, 'get' | 'value'>,
  issuers: Pick<Issuers, 'keysOf'>,
): Access {
  const { authentication, authorization } = spec.security ?? {};
  const type = authentication?.type ?? 'none';
  if (type === 'none') return authorization?.enabled ? unavailable('authorization is enabled without authentication') : { kind: 'none' };
  if (authentication?.tokenSecret === undefined) return unavailable('spec.security.authentication has no tokenSecret');
  const original = `${metadata.namespace}/${authentication.tokenSecret}`;
  if (!copies.get('credentials', original)) return unavailable(`Secret ${original} is not there, or carries no label frp.io/use: "true"`);
  const value = (key: string) => copies.value('credentials', original, key);
  if (type === 'oauth2') return jwtAccess(original, value, issuers);
  const clients = clientsIn(value('clients.json'));
  if (!clients) return unavailable(`Secret ${original} holds no usable keys`);
  return { kind: 'keys', header: type === 'token' ? 'bearer' : 'apikey', clients };
}

function jwtAccess(original: string, value: (key: string) => string | undefined, issuers: Pick<Issuers, 'keysOf'>): Access {
  const issuer = value('issuer')?.trim();
  const audience = value('audience')?.trim();
  if (!issuer || !audience) return unavailable(`Secret ${original} needs the keys issuer and audience`);
  const keys = issuers.keysOf(issuer, value('jwksURL')?.trim());
  if ('problem' in keys) return unavailable(`the keys of ${issuer} are not known: ${keys.problem}`);
  return { kind: 'jwt', issuer, audience, rolesClaim: value('rolesClaim')?.trim() || 'roles', keys: keys.keys };
}

/** undefined where it is not what the controller writes */
function clientsIn(text: string | undefined): Record<string, string> | undefined {
  try {
    const clients: unknown = JSON.parse(text ?? '');
    if (!isObject(clients)) return undefined;
    const entries = Object.entries(clients).filter(
      (entry): entry is [string, string] => /^[0-9a-f]{64}$/.test(entry[0]) && typeof entry[1] === 'string',
    );
    return entries.length === 0 ? undefined : Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
  } catch {
    return undefined;
  }
}
