/** Keys of the work queue: a service's is namespace/name, the others have no slash. */
import type { Secret } from '../kube/types.ts';
import {
  authoritySecretName,
  gatewayTlsSecretName,
  joinSecretName,
  label,
  linkSecretName,
  serverApiSecretName,
  serverSecretName,
} from '../model/names.ts';

export const serverKey = 'server-certificate';
export const authorityKey = 'authority';
export const copiesKey = 'gateway-copies';
export const linkKey = 'gateway-link';

/** What must be looked at when a Secret of ours has changed. @param installation namespace of the installation */
export function keyOfSecret({ metadata: { namespace, name, labels } }: Secret, installation: string): string | undefined {
  const service = labels?.[label.service];
  if (service !== undefined) return `${namespace}/${service}`;
  if (labels?.[label.gatewayCopy] !== undefined) return copiesKey;
  if (namespace !== installation) return undefined;
  if (name === authoritySecretName) return authorityKey;
  if (name === joinSecretName || name === linkSecretName) return linkKey;
  return [serverSecretName, gatewayTlsSecretName, serverApiSecretName].includes(name) ? serverKey : undefined;
}

/** @param key of a service */
export function splitKey(key: string): [namespace: string, name: string] {
  const slash = key.indexOf('/');
  return [key.slice(0, slash), key.slice(slash + 1)];
}
