/** Secrets that this program made, written without ever taking over another's: create by POST, replace what was seen. */
import type { KubeClient } from '../../kube/client.ts';
import { ignoreNotFound, isAlreadyExists } from '../../kube/errors.ts';
import { fieldManager } from '../../kube/managers.ts';
import { secrets, type Metadata, type Secret } from '../../kube/types.ts';
import type { ObjectStore } from '../../kube/object-store.ts';
import type { Ownership } from '../ownership.ts';
import type { CertificatesOutcome } from '../problem.ts';

export interface OwnedSecretsDeps {
  client: KubeClient;
  secrets: ObjectStore<Secret>;
}

/** Reason of CertificatesReady=False where a Secret of our name is somebody else's. */
export const nameTaken = 'NameTaken';

export type Refused = Extract<CertificatesOutcome, { ready: false }>;
export type Whose = (metadata: Metadata) => Ownership;

/** A POST, never an apply: it must not take over what is there already. */
export async function create(deps: OwnedSecretsDeps, secret: Secret, whose: Whose): Promise<{ refused?: Refused }> {
  try {
    deps.secrets.set(await deps.client.create(secrets, secret, fieldManager.controller));
    return {};
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
    const refused = refusal(await metadataOf(deps.client, secret.metadata), whose);
    if (refused) return { refused };
    // Ours, only the watch has not told of it yet: its event brings the service back here.
    throw error;
  }
}

/** With uid and version of what the decision was made from: if it has changed since, that is a Conflict, and the decision is made anew. */
export async function replace(
  { client, secrets: store }: OwnedSecretsDeps,
  known: Secret,
  metadata: Metadata,
  data: Record<string, string>,
): Promise<{ refused?: Refused }> {
  const { uid, resourceVersion } = known.metadata;
  const exact = { ...metadata, ...(uid ? { uid } : {}), ...(resourceVersion ? { resourceVersion } : {}) };
  store.set(
    await client.apply<Secret>(secrets, { metadata: exact, data } as Secret, { fieldManager: fieldManager.controller, force: true }),
  );
  return {};
}

export const metadataOf = (client: KubeClient, { namespace, name }: Metadata): Promise<Metadata | undefined> =>
  client.getMetadata(secrets, namespace, name).then(({ metadata }) => metadata, ignoreNotFound);

export function refusal(metadata: Metadata | undefined, whose: Whose): Refused | undefined {
  if (!metadata) return undefined;
  const name = `Secret ${metadata.namespace}/${metadata.name}`;
  switch (whose(metadata)) {
    case 'ours':
      return undefined;
    case 'previous':
      return {
        ready: false,
        reason: 'Replacing',
        message: `${name} belongs to an earlier DistributedService of this name and is being removed`,
      };
    case 'foreign':
      return {
        ready: false,
        reason: nameTaken,
        message: `${name} exists and was not made by frp-k8s for this service, so it is left alone; rename or delete it, or give the DistributedService another name`,
      };
  }
}
