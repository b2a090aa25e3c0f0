/** The keys that a cluster's API server signs service account tokens with, as it publishes them. */
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { KubeClient } from '../../kube/client.ts';
import type { Log } from '../../log.ts';
import { KeySource, keySet } from '../oidc/key-source.ts';
import { replaceFile } from '../../process/replace-file.ts';

/** How long the API server may take before it counts as away. Milliseconds. */
export const awayMs = 2000;

interface IssuerKeys {
  issuer: string;
  set: unknown;
}

/** RFC 8414, as kube-apiserver serves it (KEP-1393). */
async function fetchKeys(client: KubeClient): Promise<IssuerKeys> {
  const [{ issuer }, set] = await Promise.all([
    client.raw<{ issuer?: unknown }>('/.well-known/openid-configuration'),
    client.raw('/openid/v1/jwks'),
  ]);
  if (typeof issuer !== 'string') throw new Error('the API server names no issuer');
  return { issuer, set };
}

/** Those that an agent of this Pod had last, where the API server does not answer soon. @throws where there are neither */
async function orKept(fetched: Promise<IssuerKeys>, file: string): Promise<IssuerKeys> {
  const kept = () =>
    readFile(file, 'utf8').then(
      (text) => JSON.parse(text) as IssuerKeys,
      () => undefined,
    );
  try {
    return (await Promise.race([fetched, sleep(awayMs, undefined, { ref: false }).then(kept)])) ?? (await fetched);
  } catch (error) {
    const last = await kept();
    if (last) return last;
    throw error;
  }
}

/** @param file where they are kept, absolute */
export function clusterKeys(
  client: KubeClient,
  { log, file }: { log: Log; file: string },
): { keys: KeySource; issuer: () => string | undefined } {
  let issuer: string | undefined;
  const keys = new KeySource({
    load: async () => {
      const fetched = fetchKeys(client).then(async (found) => {
        await replaceFile(file, JSON.stringify(found)).catch(() => {});
        return found;
      });
      const found = await (issuer === undefined ? orKept(fetched, file) : fetched);
      issuer = found.issuer;
      return keySet(found.set);
    },
    onFailure: (message) => log.warn(`the keys of service account tokens cannot be fetched: ${message}`),
  });
  return { keys, issuer: () => issuer };
}
