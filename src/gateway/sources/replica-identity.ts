/** What this replica shows the others, from the Secret that the controller makes for them. */
import { replicaSecretName } from '../../model/names.ts';
import type { Copies } from './secret-copies.ts';

export interface ReplicaIdentity {
  /** certificate and key */
  identityPem: string;
  authorityPem: string;
}

/** undefined until it is there */
export function replicaIdentityIn(copies: Copies): ReplicaIdentity | undefined {
  const value = (key: string) => copies.value('replicas', replicaSecretName, key);
  const [cert, key, ca] = [value('tls.crt'), value('tls.key'), value('ca.crt')];
  return cert && key && ca ? { identityPem: `${cert.trim()}\n${key.trim()}\n`, authorityPem: ca } : undefined;
}
