/** Whose an object with one of our names is. */

import type { Metadata, OwnerReference } from '../kube/types.ts';
import { apiVersion, kind, label, manager } from '../model/names.ts';
import type { DistributedService } from '../model/types.ts';

/** Whose a Secret with one of our names is: of this service, of an earlier one of the same name, or of somebody else. */
export type Ownership = 'ours' | 'previous' | 'foreign';

export function ownershipOf({ labels, ownerReferences = [] }: Metadata, service: DistributedService): Ownership {
  const owner = ownerReferences.find((reference) => reference.kind === kind && reference.apiVersion.startsWith('frp.io/'));
  if (labels?.[label.managedBy] !== manager || owner?.name !== service.metadata.name) return 'foreign';
  return owner.uid === service.metadata.uid ? 'ours' : 'previous';
}

export function ownerReference({ metadata }: DistributedService): OwnerReference {
  return { apiVersion, kind, name: metadata.name, uid: metadata.uid ?? '', controller: true };
}
