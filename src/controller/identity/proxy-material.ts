/** The proxy on the way to the gateway, as members of a service find it. */
import { base64 } from '../../kube/authority-secret.ts';
import { LinkError } from '../../link/protocol.ts';
import { proxyKey } from '../../model/names.ts';
import { proxyIn } from '../link/proxy-secret.ts';
import { not } from './client-certificate.ts';
import type { IdentityDeps } from './deps.ts';
import type { Refused } from './owned-secrets.ts';

/** Entry of the group's Secret of a service that goes through the gateway, in base64: the URL where that is a secret. */
export function proxyMaterialOf(
  deps: Pick<IdentityDeps, 'config' | 'userSecrets'>,
): { data: Record<string, string> } | { refused: Refused } {
  if (deps.config.gateway.proxySecret === undefined) return { data: {} };
  try {
    return { data: { [proxyKey]: base64(proxyIn(deps)!) } };
  } catch (error) {
    if (!(error instanceof LinkError)) throw error;
    return { refused: not(error.reason, error.message) };
  }
}
