/** A cluster leaves a gateway elsewhere: what it keeps of that one goes, and the controller follows. */
import { UserError } from '../../errors.ts';
import type { KubeClient } from '../../kube/client.ts';
import { ignoreNotFound } from '../../kube/errors.ts';
import { secrets, type Secret } from '../../kube/types.ts';
import type { LinkIdentity } from '../../link/held-link.ts';
import { linkSecretName } from '../../model/names.ts';
import { identitiesOf } from './link-secret.ts';

/**
 * Takes what the cluster is known by to one gateway out of the Secret; that goes as well where it was the last one.
 * @param namespace of the installation @param address one of the gateway's, HOST:PORT
 * @returns what was kept @throws UserError where it has joined no gateway there; KubeError
 */
export async function leaveGateway(client: KubeClient, namespace: string, address: string): Promise<LinkIdentity> {
  const secret = await client.get<Secret>(secrets, namespace, linkSecretName).catch(ignoreNotFound);
  const joined = [...identitiesOf(secret)];
  const left = joined.find(([, { addresses }]) => addresses.includes(address));
  if (!secret || !left) {
    const known = joined.map(([, { addresses }]) => addresses[0]).join(', ');
    throw new UserError(
      `join --leave: this cluster has joined no gateway at ${address}${known === '' ? '' : `; it has joined: ${known}`} (Secret ${namespace}/${linkSecretName})`,
    );
  }
  const [key, identity] = left;
  const isLast = Object.keys(secret.data ?? {}).length === 1;
  if (isLast) await client.delete(secrets, namespace, linkSecretName, secret.metadata.uid);
  else await client.mergePatch(secrets, namespace, linkSecretName, { data: { [key]: null } });
  return identity;
}
