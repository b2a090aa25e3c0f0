/** Keeps `caBundle` of the installation's webhook configurations equal to the bundle that verifies our serving certificate. */
import { every, systemClock, type Clock } from '../../certs/clock.ts';
import type { Log } from '../log.ts';
import { base64 } from './authority-secret.ts';
import type { KubeClient } from './client.ts';
import { ignoreNotFound } from './errors.ts';
import { fieldManager, webhookConfigurationName } from './managers.ts';
import { mutatingWebhooks, validatingWebhooks, type Resource, type WebhookConfiguration } from './types.ts';

export interface CaBundleOptions {
  client: KubeClient;
  /** PEM bundle that the API server must verify us with, as it is now */
  bundle: () => string;
  log: Log;
  clock?: Clock;
  /** how often to look; it needs no right but get and patch of two objects */
  pollMs?: number;
  /** other installations, and tests */
  name?: string;
}

export interface CaBundleKeeper {
  /** whether every configuration that exists has carried the bundle once: the gate of the first readiness */
  hasMatched: () => boolean;
  /** why the last look failed */
  problem: () => string | undefined;
  /** Looks now, for instance after the bundle has changed. */
  check: () => Promise<void>;
  close: () => void;
}

/** Looks at once, and then every `pollMs`. A configuration that does not exist calls nobody, and so is no mismatch. */
export function keepCaBundle(options: CaBundleOptions): CaBundleKeeper {
  const { clock = systemClock, pollMs = 5000, log } = options;
  let matched = false;
  let problem: string | undefined;

  const check = async () => {
    try {
      const wanted = base64(options.bundle());
      const repaired = [await heal(options, mutatingWebhooks, wanted), await heal(options, validatingWebhooks, wanted)].flat();
      if (repaired.length > 0)
        log[matched ? 'warn' : 'info']({ webhooks: repaired }, 'wrote the caBundle of webhooks that carried another');
      matched = true;
      problem = undefined;
    } catch (error) {
      const message = `the caBundle of the webhook configurations could not be checked: ${(error as Error).message}`;
      if (message !== problem) log.error({ err: error }, message);
      problem = message;
    }
  };
  void check();
  const close = every(clock, pollMs, check);
  return { hasMatched: () => matched, problem: () => problem, check, close };
}

/** @returns names of the webhooks whose bundle was replaced */
async function heal(
  { client, name = webhookConfigurationName }: CaBundleOptions,
  resource: Resource<WebhookConfiguration>,
  caBundle: string,
) {
  const configuration = await client.get(resource, undefined, name).catch(ignoreNotFound);
  const webhooks = configuration?.webhooks ?? [];
  const different = webhooks.filter(({ clientConfig }) => clientConfig.caBundle !== caBundle);
  if (different.length === 0) return [];
  // The uid: applying must not make a half configuration where somebody has just deleted it.
  const applied = {
    metadata: { name, uid: configuration?.metadata.uid },
    webhooks: webhooks.map((webhook) => ({ name: webhook.name, clientConfig: { caBundle } })),
  };
  await client.apply(resource, applied, { fieldManager: fieldManager.caBundle, force: true });
  return different.map((webhook) => webhook.name);
}
