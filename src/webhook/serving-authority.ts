/**
 * The authority of the webhooks' serving certificate, kept in a Secret that all replicas share. It is one of its own: who
 * has its key can pose as the webhooks, and opens no tunnel.
 */
import type { Authority } from '../../certs/authority.ts';
import type { Clock } from '../../certs/clock.ts';
import { nextAuthority, rotationReason } from '../../certs/rotation.ts';
import type { Config } from '../config/schema.ts';
import { authorityStateFrom, ensureAuthoritySecret, storeAuthorityState } from '../kube/authority-secret.ts';
import type { KubeClient } from '../kube/client.ts';
import { isConflict } from '../kube/errors.ts';
import type { Log } from '../log.ts';
import { webhookAuthoritySecretName } from '../model/names.ts';

export interface ServingAuthorityDeps {
  client: KubeClient;
  config: Config;
  clock: Clock;
  log: Log;
  /** whether the API server trusts the whole bundle: the caBundle of every webhook configuration is it */
  isTrusted: () => boolean;
}

/**
 * The authority as it is now; where its time has come, the next step of its rotation is taken first. Every replica asks
 * once a minute or more often, so what one of them stores is in all of them before a phase, of 3 minutes or more, is over;
 * the first to store a step wins, and the others take it up.
 * @throws KubeError where the API server cannot be asked; Error with the remedy where the Secret is damaged
 */
export async function servingAuthority(deps: ServingAuthorityDeps): Promise<Authority> {
  const { client, config, clock, log } = deps;
  const { authorityLifetime, lifetime, rotationPause } = config.certificates;
  const secret = await ensureAuthoritySecret(client, config, webhookAuthoritySecretName, clock);
  const state = authorityStateFrom(secret, clock);
  const settings = { lifetimeMs: authorityLifetime, leafLifetimeMs: lifetime, pauseMs: rotationPause };
  const now = clock.now();
  const next = await nextAuthority(state, settings, {
    now,
    bundlesSince: deps.isTrusted() ? state.since : undefined,
    leavesSince: state.since,
  });
  if (!next) return state.authority;
  try {
    await storeAuthorityState(client, secret, next);
  } catch (error) {
    // Another replica was faster; its step is seen at the next look.
    if (isConflict(error)) return state.authority;
    throw error;
  }
  const reason = rotationReason(state, settings, now);
  log.info({ phase: next.phase, ...(reason === undefined ? {} : { reason }) }, `rotation of the webhooks' authority: ${next.phase}`);
  return next.authority;
}
