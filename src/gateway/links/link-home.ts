/**
 * What the replicas of a gateway in a cluster take joins with: an authority of their own, which signs nothing but the two ends
 * of links, and the Secrets that say who has joined. The first replica that starts makes the authority.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { createAuthority, type Authority } from '../../../certs/authority.ts';
import { systemClock } from '../../../certs/clock.ts';
import type { Config } from '../../config/schema.ts';
import { authorityFrom, base64, text } from '../../kube/authority-secret.ts';
import { backoffMs } from '../../kube/backoff.ts';
import { isForbidden } from '../../kube/errors.ts';
import type { Log } from '../../log.ts';
import { addressText, gatewayAddresses } from '../../model/gateway.ts';
import type { LinkSecrets } from './link-secrets.ts';

/** Its authority, and for commands where clusters find it: tls.crt, tls.key, addresses (JSON). */
export const homeSecretName = 'frp-gateway-links';

const authorityLifetimeMs = 3650 * 86_400_000;
const retry = { minMs: 500, maxMs: 15_000 };

export interface LinkHome {
  authority: Authority;
  /** HOST:PORT of each replica, as clusters and sidecars dial it */
  addresses: string[];
}

/** @returns undefined where no gateway that takes joins has been started @throws Error where the Secret is damaged */
export function linkHomeIn(secrets: LinkSecrets): LinkHome | undefined {
  const secret = secrets.get(homeSecretName);
  return secret && { authority: authorityFrom(secret), addresses: addressesIn(text(secret, 'addresses')) };
}

/** @returns the authority of now: another one in the Secret is taken up at once, one that cannot be read is not */
export function followAuthority(secrets: LinkSecrets, first: Authority, log: Log): () => Authority {
  let current = first;
  secrets.subscribe(({ metadata }) => {
    if (metadata.name !== homeSecretName) return;
    try {
      current = linkHomeIn(secrets)?.authority ?? current;
    } catch (error) {
      log.error(`the authority of links stays as it was: ${(error as Error).message}`);
    }
  });
  return () => current;
}

function addressesIn(json: string): string[] {
  try {
    return JSON.parse(json) as string[];
  } catch {
    return [];
  }
}

/**
 * Finds or makes it, and says in it where this gateway is; waits for an API server that is away.
 * @returns undefined where this gateway may not, which the log says: it then takes no joins, and serves
 */
export async function openLinkHome(secrets: LinkSecrets, { config, log }: { config: Config; log: Log }): Promise<LinkHome | undefined> {
  for (let attempt = 0; ; attempt++) {
    try {
      const home = linkHomeIn(secrets) ?? (await make(secrets));
      return { ...home, addresses: await tellAddresses(secrets, home.addresses, config, log) };
    } catch (error) {
      const { message } = error as Error;
      if (isForbidden(error) || secrets.get(homeSecretName)) {
        log.error({ err: error }, `no cluster can join this gateway: ${message}`);
        return undefined;
      }
      log.warn(`the gateway cannot make its authority for links yet: ${message}`);
      await sleep(backoffMs(attempt, retry));
    }
  }
}

async function make(secrets: LinkSecrets): Promise<LinkHome> {
  if (!(await secrets.look(homeSecretName))) {
    const { bundlePem, keyPem } = await createAuthority({ lifetimeMs: authorityLifetimeMs, now: systemClock.now() });
    await secrets.create(homeSecretName, { 'tls.crt': base64(bundlePem), 'tls.key': base64(keyPem) });
  }
  if (!(await secrets.look(homeSecretName))) throw new Error(`Secret ${homeSecretName} was deleted as soon as it was there`);
  return linkHomeIn(secrets)!;
}

/** What commands print is a little late at most: the next start says it again. */
async function tellAddresses(secrets: LinkSecrets, known: readonly string[], config: Config, log: Log): Promise<string[]> {
  const addresses = gatewayAddresses(config).map(addressText);
  if (known.join() !== addresses.join())
    await secrets
      .put(homeSecretName, { addresses: base64(JSON.stringify(addresses)) })
      .catch((error: Error) => log.warn(`join tokens have the addresses of before: ${error.message}`));
  return addresses;
}
