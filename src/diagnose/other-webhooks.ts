/** Webhooks of others that change Pods: one that is asked after ours may take out what ours has put in. */
import { webhookConfigurationName } from '../kube/managers.ts';
import { label } from '../model/names.ts';
import { itemsOf } from './read.ts';
import { patchOf } from './shell.ts';
import type { Webhook, Webhooks } from './shapes.ts';
import type { Snapshot } from './snapshot.ts';

const isForPods = ({ rules = [] }: Webhook): boolean =>
  rules.some(
    ({ resources = [], operations = [] }) =>
      resources.some((each) => ['pods', '*', '*/*'].includes(each)) && operations.some((each) => ['CREATE', '*'].includes(each)),
  );

/** Configurations of others that are asked about Pods. */
export const podChangers = ({ mutating }: Pick<Snapshot, 'mutating'>): readonly Webhooks[] =>
  itemsOf(mutating).filter(({ metadata, webhooks = [] }) => metadata.name !== webhookConfigurationName && webhooks.some(isForPods));

/** The command after which a configuration is not asked about Pods with a sidecar; of all others it is asked as before. */
export function exempting({ metadata, webhooks = [] }: Webhooks): string {
  const patch = webhooks.flatMap((webhook, index) => {
    if (!isForPods(webhook)) return [];
    const { objectSelector = {} } = webhook;
    const matchExpressions = [...(objectSelector.matchExpressions ?? []), { key: label.sidecar, operator: 'DoesNotExist' }];
    return [{ op: 'add', path: `/webhooks/${index}/objectSelector`, value: { ...objectSelector, matchExpressions } }];
  });
  return `kubectl patch mutatingwebhookconfiguration ${metadata.name} --type=json ${patchOf(patch)}`;
}
