/** The Secrets, made by others, that a service depends on. */

import type { DistributedService } from '../model/types.ts';
import { referencesOf } from '../kube/secret-references.ts';

/** Names of the Secrets, made by others, that the service depends on. */
export function userSecretsOf(service: DistributedService): string[] {
  const { enabled, mode = 'auto', certSecret } = service.spec.security?.mtls ?? {};
  const own = enabled && mode === 'manual' && certSecret !== undefined ? [certSecret] : [];
  return [...referencesOf(service).map(({ secret }) => secret), ...own];
}
