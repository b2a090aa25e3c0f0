/** Who may use a service, from the copies of its Secret. What is missing or cannot be read lets nobody in. */
import type { Secret } from '../../kube/types.ts';
import type { DistributedService } from '../../model/types.ts';
import { isObject } from '../../model/json.ts';
import type { Copies } from '../sources/secret-copies.ts';
import type { IssuerReference, Issuers } from '../oidc/issuers.ts';
import type { Access } from './ir.ts';

const anybody: Access = { kind: 'none' };
const unavailable = (reason: string): Access => ({ kind: 'unavailable', reason });

export function accessOf(
  { spec, metadata }: DistributedService,
  copies: Pick<Copies, 'get' | 'value'>,
  issuers: Pick<Issuers, 'keysOf'>,
): Access {
  const { authentication, authorization } = spec.security ?? {};
  const type = authentication?.type ?? 'none';
  if (type === 'none') return authorization?.enabled ? unavailable('authorization is enabled without authentication') : anybody;
  if (authentication?.tokenSecret === undefined) return unavailable('spec.security.authentication has no tokenSecret');
  const original = `${metadata.namespace}/${authentication.tokenSecret}`;
  const copy = copies.get('credentials', original);
  if (!copy) return unavailable(`Secret ${original} is not there, or carries no label frp.io/use: "true"`);
  const value = (key: string) => copies.value('credentials', original, key);
  if (type === 'oauth2') return jwtAccess(original, value, issuers);
  const clients = clientsOf(copy, value);
  if (!clients) return unavailable(`Secret ${original} holds no usable keys`);
  return { kind: 'keys', header: type === 'token' ? 'bearer' : type, clients };
}

/** The issuer that a service's users have their tokens from; undefined where it has none. */
export function issuerOf({ spec, metadata }: DistributedService, copies: Pick<Copies, 'value'>): IssuerReference | undefined {
  const { type, tokenSecret } = spec.security?.authentication ?? {};
  if (type !== 'oauth2' || tokenSecret === undefined) return undefined;
  const { namespace = '' } = metadata;
  return issuerIn(namespace, (key) => copies.value('credentials', `${namespace}/${tokenSecret}`, key));
}

function issuerIn(namespace: string, value: (key: string) => string | undefined): IssuerReference | undefined {
  const issuer = value('issuer')?.trim();
  return issuer ? { issuer, jwksUrl: value('jwksURL')?.trim(), namespace } : undefined;
}

function jwtAccess(original: string, value: (key: string) => string | undefined, issuers: Pick<Issuers, 'keysOf'>): Access {
  const reference = issuerIn(original.split('/')[0]!, value);
  const audience = value('audience')?.trim();
  if (!reference || !audience) return unavailable(`Secret ${original} needs the keys issuer and audience`);
  const { issuer } = reference;
  const keys = issuers.keysOf(reference);
  if ('problem' in keys) return unavailable(`the keys of ${issuer} are not known: ${keys.problem}`);
  return { kind: 'jwt', issuer, audience, rolesClaim: value('rolesClaim')?.trim() || 'roles', keys: keys.keys };
}

/** Of copies that are there: a Secret that changes is another value. */
const clientsOfCopies = new WeakMap<Secret, Readonly<Record<string, string>> | undefined>();

function clientsOf(copy: Secret, value: (key: string) => string | undefined): Readonly<Record<string, string>> | undefined {
  if (!clientsOfCopies.has(copy)) clientsOfCopies.set(copy, clientsIn(value('clients.json')));
  return clientsOfCopies.get(copy);
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
