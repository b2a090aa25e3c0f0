/**
 * Certificates that must not be accepted any more once their service is gone: the one in use, and those that renewals
 * replaced before they had ended. The latter are kept beside it in the Secret (`replaced.crt`), and not as fingerprints:
 * what a certificate says of itself can be checked, so that nobody who may write the Secret revokes another's.
 */
import { inspectCertificate, isSignedBy, splitBundle } from '../../../certs/inspect.ts';
import { text } from '../../kube/authority-secret.ts';
import type { KubeClient } from '../../kube/client.ts';
import { isAlreadyExists, isNotFound, KubeError } from '../../kube/errors.ts';
import { fieldManager } from '../../kube/managers.ts';
import { configMaps, type ConfigMap, type Secret } from '../../kube/types.ts';
import type { Log } from '../../log.ts';
import { label, manager, revokedConfigMapName } from '../../model/names.ts';

/** Key of a client Secret: certificates that were replaced and have not ended, PEM. */
export const replacedKey = 'replaced.crt';

export interface Issued {
  commonName: string;
  /** who may have signed; absent: anybody, because the authority is not ours */
  bundlePem?: string;
  /** milliseconds since the epoch */
  now: number;
}

/** The certificates of a Secret, in use and replaced, that somebody could still present in the name of its service; PEM. */
export function liveCertificates(secret: Secret, { commonName, bundlePem, now }: Issued): string[] {
  // After the leaf there may be intermediates: they are others' too.
  const found = [...splitBundle(text(secret, 'tls.crt')).slice(0, 1), ...splitBundle(text(secret, replacedKey))];
  return [...new Set(found)].filter((pem) => {
    try {
      const facts = inspectCertificate(pem);
      return facts.commonName === commonName && facts.notAfter > now && (bundlePem === undefined || isSignedBy(pem, bundlePem));
    } catch {
      return false; // no certificate, nothing to revoke
    }
  });
}

/** Puts fingerprints on the list of revoked ones, and takes off it those that have expired anyway. @throws KubeError: try again later */
export async function revoke(deps: { client: KubeClient; log: Log }, namespace: string, certificates: string[], now: number) {
  const { client, log } = deps;
  const facts = certificates.map(inspectCertificate);
  const entries = Object.fromEntries(facts.map(({ sha256, notAfter }) => [sha256, new Date(notAfter).toISOString()]));
  const metadata = { name: revokedConfigMapName, namespace, labels: { [label.managedBy]: manager } };
  try {
    const list = await client.get(configMaps, namespace, revokedConfigMapName).catch((error: unknown) => {
      if (isNotFound(error)) return undefined;
      throw error;
    });
    if (!list) await client.create<ConfigMap>(configMaps, { metadata, data: entries }, fieldManager.controller);
    else if (facts.some(({ sha256 }) => list.data?.[sha256] === undefined))
      await client.mergePatch(configMaps, namespace, revokedConfigMapName, { data: { ...expired(list, now), ...entries } });
  } catch (error) {
    if (isAlreadyExists(error) || !isEnding(error)) throw error;
    log.info('the namespace of the installation is being deleted: nothing is left to revoke a certificate for');
  }
}

/** As a merge patch: null takes an entry off. */
const expired = ({ data = {} }: ConfigMap, now: number): Record<string, null> =>
  Object.fromEntries(Object.entries(data).flatMap(([key, expiry]) => (Date.parse(expiry) < now ? [[key, null]] : [])));

/** Nothing can be created in a namespace that is being deleted (apiserver, NamespaceLifecycle). */
const isEnding = (error: unknown): boolean =>
  isNotFound(error) || (error instanceof KubeError && error.code === 403 && /is being terminated/.test(error.message));
