/**
 * Authorities that replicas share, each in a Secret: `frp-ca` of the tunnels, which the controller keeps, and
 * `frp-webhook-authority` of the webhooks, which `serve` keeps.
 */
import { createAuthority, parseAuthority, type Authority } from '../../certs/authority.ts';
import { systemClock, type Clock } from '../../certs/clock.ts';
import { inspectCertificate } from '../../certs/inspect.ts';
import type { AuthorityState } from '../../certs/rotation.ts';
import type { Config } from '../config/schema.ts';
import { annotation, authoritySecretName, label, manager } from '../model/names.ts';
import type { KubeClient } from './client.ts';
import { ignoreNotFound, isAlreadyExists } from './errors.ts';
import { fieldManager } from './managers.ts';
import { secrets, type Secret } from './types.ts';

/**
 * The authority in the Secret; where there is none, a new one. Replicas that start at once agree, because the first
 * to create the Secret wins and the others read it. A damaged Secret is never overwritten: everything trusts its content.
 * @throws KubeError where the API server cannot be asked; Error with the remedy where the Secret is damaged
 */
export async function ensureAuthority(client: KubeClient, config: Config, clock: Clock = systemClock): Promise<Authority> {
  return authorityFrom(await ensureAuthoritySecret(client, config, authoritySecretName, clock), clock);
}

/** The Secret with an authority; where there is none, a new one. @throws KubeError where the API server cannot be asked */
export async function ensureAuthoritySecret(client: KubeClient, config: Config, name: string, clock: Clock): Promise<Secret> {
  const read = () => client.get(secrets, config.namespace, name);
  const found = await read().catch(ignoreNotFound);
  if (found) return found;
  const authority = await createAuthority({ lifetimeMs: config.certificates.authorityLifetime, now: clock.now() });
  await storeAuthority(client, config, authority, name);
  return read();
}

/** Creates the Secret. @returns false where somebody else was faster */
export async function storeAuthority(
  client: KubeClient,
  config: Config,
  authority: Authority,
  name: string = authoritySecretName,
): Promise<boolean> {
  const secret: Secret = {
    metadata: { name, namespace: config.namespace, labels: { [label.managedBy]: manager } },
    type: 'kubernetes.io/tls',
    data: { 'tls.crt': base64(authority.bundlePem), 'tls.key': base64(authority.keyPem) },
  };
  try {
    await client.create(secrets, secret, fieldManager.controller);
    return true;
  } catch (error) {
    if (isAlreadyExists(error)) return false;
    throw error;
  }
}

/** @throws Error that names the Secret, the fault and the remedy */
export function authorityFrom(secret: Secret, clock: Clock = systemClock): Authority {
  const name = `Secret ${secret.metadata.namespace}/${secret.metadata.name}`;
  const isOfTunnels = secret.metadata.name === authoritySecretName;
  const cost = isOfTunnels ? ', which cuts every tunnel until its client certificate is replaced' : '';
  const remedy = `restore it from a backup, or delete it for a new authority${cost}`;
  try {
    const authority = parseAuthority(text(secret, 'tls.crt'), text(secret, 'tls.key'));
    const { notAfter } = inspectCertificate(authority.certPem);
    if (notAfter <= clock.now()) throw new Error(`it expired at ${new Date(notAfter).toISOString()}`);
    return authority;
  } catch (error) {
    throw new Error(`${name} does not hold a usable certificate authority: ${(error as Error).message}; ${remedy}`, { cause: error });
  }
}

/** During a rotation: the private key of the authority that will issue next. */
const nextKey = 'next.key';

/** With where its rotation stands; that is in the Secret itself, so that whoever controls next goes on. @throws as authorityFrom */
export function authorityStateFrom(secret: Secret, clock: Clock = systemClock): AuthorityState {
  const {
    [annotation.rotationPhase]: phase,
    [annotation.rotationSince]: since = '',
    [annotation.rotate]: rotate,
  } = secret.metadata.annotations ?? {};
  const authority = authorityFrom(secret, clock);
  const nextKeyPem = text(secret, nextKey);
  const isBroken = phase === 'spread' && nextKeyPem === '';
  const isRotating = (phase === 'spread' || phase === 'reissue') && !isBroken;
  return {
    authority,
    phase: isRotating ? phase : 'stable',
    since: Date.parse(since) || 0,
    isRequested: rotate !== undefined || isBroken,
    ...(nextKeyPem === '' ? {} : { nextKeyPem }),
  };
}

/** Writes the state over the one that was decided from: where the Secret has changed since, that is a Conflict. @returns the Secret */
export function storeAuthorityState(client: KubeClient, secret: Secret, { authority, phase, since, ...state }: AuthorityState) {
  const isStable = phase === 'stable';
  const patch = {
    metadata: {
      resourceVersion: secret.metadata.resourceVersion,
      annotations: {
        [annotation.rotationPhase]: isStable ? null : phase,
        [annotation.rotationSince]: isStable ? null : new Date(since).toISOString(),
        ...(state.isRequested ? {} : { [annotation.rotate]: null }),
      },
    },
    data: {
      'tls.crt': base64(authority.bundlePem),
      'tls.key': base64(authority.keyPem),
      [nextKey]: state.nextKeyPem === undefined ? null : base64(state.nextKeyPem),
    },
  };
  return client.mergePatch<Secret>(secrets, secret.metadata.namespace, secret.metadata.name, patch);
}

/** The decoded value of a Secret's key; empty where there is none. */
export const text = (secret: Secret, key: string): string => Buffer.from(secret.data?.[key] ?? '', 'base64').toString('utf8');
export const base64 = (value: string): string => Buffer.from(value, 'utf8').toString('base64');
