/**
 * Certificates that must not be accepted any more once their service is gone: the one in use, and those that renewals
 * replaced before they had ended. The latter are kept beside it in the Secret (`replaced.crt`), and not as fingerprints:
 * what a certificate says of itself can be checked, so that nobody who may write the Secret revokes another's.
 */
import { inspectCertificate, isSignedBy, splitBundle } from '../../../certs/inspect.ts';
import { text } from '../../kube/authority-secret.ts';
import type { KubeClient } from '../../kube/client.ts';
import { ignoreNotFound, isAlreadyExists, isNotFound, KubeError } from '../../kube/errors.ts';
import { fieldManager } from '../../kube/managers.ts';
import { configMaps, type ConfigMap, type Secret } from '../../kube/types.ts';
import type { Config } from '../../config/schema.ts';
import type { Log } from '../../log.ts';
import { label, manager, revokedConfigMapNames } from '../../model/names.ts';
import { revokedText } from '../../model/revocation.ts';
import { added, withoutNull, type Revoked } from './revoked-list.ts';

/** Key of a client Secret: certificates that were replaced and have not ended, PEM. */
export const replacedKey = 'replaced.crt';

export interface Issued {
  commonName: string;
  /** who must have signed: a certificate that the installation's authority has not issued opens no tunnel of its own */
  bundlePem: string;
  /** milliseconds since the epoch */
  now: number;
}

/** Renewals leave a few behind; whoever may write the Secret may have put more there. */
const mostOfService = 32;

/** The certificates of a Secret, in use and replaced, that somebody could still present in the name of its service; PEM. */
export function liveCertificates(secret: Secret, { commonName, bundlePem, now }: Issued): string[] {
  // After the leaf there may be intermediates: they are others' too.
  const found = [...splitBundle(text(secret, 'tls.crt')).slice(0, 1), ...splitBundle(text(secret, replacedKey))];
  const live = [...new Set(found)].filter((pem) => {
    try {
      const facts = inspectCertificate(pem);
      return facts.commonName === commonName && facts.notAfter > now && isSignedBy(pem, bundlePem);
    } catch {
      return false; // no certificate, nothing to revoke
    }
  });
  return live.slice(0, mostOfService);
}

/**
 * Puts the fingerprints of certificates on the lists of revoked ones, and takes off what has expired anyway.
 * @param of namespace of the service that had them
 * @param times now, and from when on they are turned away; milliseconds since the epoch
 * @throws KubeError: try again later
 */
export async function revoke(
  { client, config, log }: { client: KubeClient; config: Config; log: Log },
  of: string,
  certificates: string[],
  { now, from }: { now: number; from: number },
): Promise<void> {
  let entries: Revoked = Object.fromEntries(
    certificates.map(inspectCertificate).map(({ sha256, notAfter }) => [sha256, revokedText({ end: notAfter, namespace: of, from })]),
  );
  try {
    for (const name of revokedConfigMapNames) {
      const list = await client.get(configMaps, config.namespace, name).catch(ignoreNotFound);
      const isLast = name === revokedConfigMapNames.at(-1);
      const { patch, left, dropped } = added(list?.data ?? {}, entries, { now, isLast });
      if (dropped > 0) log.warn({ list: name, dropped }, 'the list of revoked certificates is full: those that end first were taken off');
      const metadata = { name, namespace: config.namespace, labels: { [label.managedBy]: manager } };
      if (!list) await client.create<ConfigMap>(configMaps, { metadata, data: withoutNull(patch) }, fieldManager.controller);
      else if (Object.keys(patch).length > 0) await client.mergePatch(configMaps, config.namespace, name, { data: patch });
      entries = left;
      if (Object.keys(entries).length === 0) return;
    }
  } catch (error) {
    if (isAlreadyExists(error) || !isEnding(error)) throw error;
    log.info('the namespace of the installation is being deleted: nothing is left to revoke a certificate for');
  }
}

/** Nothing can be created in a namespace that is being deleted (apiserver, NamespaceLifecycle). */
const isEnding = (error: unknown): boolean =>
  isNotFound(error) || (error instanceof KubeError && error.code === 403 && /is being terminated/.test(error.message));
