/** Certificates of cert-manager that this program writes, without ever taking over another's. */
import { isDeepStrictEqual } from 'node:util';
import { ignoreNotFound } from '../../kube/errors.ts';
import { fieldManager } from '../../kube/managers.ts';
import { certificates, type Certificate, type Metadata } from '../../kube/types.ts';
import type { IdentityDeps } from './deps.ts';
import { metadataOf } from './owned-secrets.ts';

/** cert-manager overwrites a Secret of the name, whoever made it: so none is asked for where one is there that is not its own. */
export async function secretOfOthers(
  { client, userSecrets }: Pick<IdentityDeps, 'client' | 'userSecrets'>,
  wanted: Certificate,
  name: string,
): Promise<string | undefined> {
  const { namespace } = wanted.metadata;
  const metadata = userSecrets.get(namespace, name)?.metadata ?? (await metadataOf(client, { ...wanted.metadata, name }));
  const isTheirs = metadata?.annotations?.['cert-manager.io/certificate-name'] === wanted.metadata.name;
  if (!metadata || isTheirs) return undefined;
  return `Secret ${namespace}/${name} exists and was not made by cert-manager for this service, so it is left alone; rename or delete it`;
}

/** @returns the Certificate as it is, whoever's it is; undefined where the cluster has no such kind */
export async function ensureCertificate(deps: IdentityDeps, wanted: Certificate): Promise<Certificate | undefined> {
  const { client } = deps;
  const { namespace, name } = wanted.metadata;
  const found = await client.get(certificates, namespace, name).catch(ignoreNotFound);
  // A POST, never an apply: it must not take over what is there already. Not found again: the kind itself is missing.
  if (!found) return client.create(certificates, wanted, fieldManager.controller).catch(ignoreNotFound);
  return applyCertificate(deps, found, wanted);
}

/** One that is this service's becomes what is wanted. @returns it as it is then */
export async function applyCertificate(
  { client, log }: Pick<IdentityDeps, 'client' | 'log'>,
  found: Certificate,
  wanted: Certificate,
): Promise<Certificate> {
  const { namespace, name } = wanted.metadata;
  const isOurs = found.metadata.ownerReferences?.some(({ uid }) => uid === wanted.metadata.ownerReferences?.[0]?.uid);
  if (!isOurs || isApplied(found, wanted)) return found;
  log.info({ certificate: `${namespace}/${name}` }, 'writing a Certificate of cert-manager');
  const metadata: Metadata = { ...wanted.metadata, ...(found.metadata.uid ? { uid: found.metadata.uid } : {}) };
  return client.apply(certificates, { ...wanted, metadata }, { fieldManager: fieldManager.controller, force: true });
}

const isApplied = ({ spec = {} }: Certificate, { spec: wanted = {} }: Certificate): boolean =>
  Object.entries(wanted).every(([key, value]) => isDeepStrictEqual(spec[key], value));
