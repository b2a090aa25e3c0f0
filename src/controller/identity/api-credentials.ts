/** Secret `frp-server-api`: user and password of the frp server's own API, and of the gateway's, shared by them and the controller. */
import { randomBytes } from 'node:crypto';
import { base64, text } from '../../kube/authority-secret.ts';
import { isAlreadyExists } from '../../kube/errors.ts';
import { fieldManager } from '../../kube/managers.ts';
import { secrets, type Secret } from '../../kube/types.ts';
import { label, manager, serverApiSecretName } from '../../model/names.ts';
import { hasOwnGateway } from '../gateway-place.ts';
import type { IdentityDeps } from './deps.ts';
import type { ObjectStore } from '../../kube/object-store.ts';

type Deps = Pick<IdentityDeps, 'client' | 'config' | 'secrets'>;

/** Makes the Secret where it is not there. The API shows the keys of the groups, so it is never without a password. */
export async function ensureServerApi({ client, config, secrets: store }: Deps): Promise<void> {
  if ((config.frps.api === undefined && !hasOwnGateway({ config, secrets: store })) || credentialsIn(store, config.namespace)) return;
  const secret: Secret = {
    metadata: { name: serverApiSecretName, namespace: config.namespace, labels: { [label.managedBy]: manager } },
    type: 'Opaque',
    data: { user: base64('frp-k8s'), password: base64(randomBytes(24).toString('base64url')) },
  };
  try {
    store.set(await client.create(secrets, secret, fieldManager.controller));
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
    throw new Error(
      `Secret ${config.namespace}/${serverApiSecretName} exists without the label ${label.managedBy}=${manager}; add the label to have its keys user and password used, or delete it`,
      { cause: error },
    );
  }
}

export function credentialsIn(store: ObjectStore<Secret>, namespace: string): { user: string; password: string } | undefined {
  const secret = store.get(namespace, serverApiSecretName);
  return secret && { user: text(secret, 'user'), password: text(secret, 'password') };
}
