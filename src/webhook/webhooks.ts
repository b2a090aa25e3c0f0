/** The table of webhooks: which rules answer at which path. */
import { decideDefault, decideValidate } from '../../webhooks/distributedservices/decide.ts';
import { conflictFinding } from '../../webhooks/distributedservices/tenancy.ts';
import type { NamespaceReader } from '../../webhooks/pods/namespace-defaults.ts';
import { createPodReviewer } from '../../webhooks/pods/review.ts';
import type { Webhook } from '../../webhooks/review/types.ts';
import { decideWorkload } from '../../webhooks/workloads/decide.ts';
import type { Config } from '../config/schema.ts';
import { Claims } from '../model/claims.ts';
import { describeFinding } from '../model/findings.ts';
import type { ServiceStore } from '../model/store.ts';
import type { DistributedService } from '../model/types.ts';

export function webhooksOf(services: ServiceStore, config: Config, namespaces?: NamespaceReader): Webhook[] {
  const claims = new Claims(services, config);
  const conflictOf = untilChange(services, (service) => {
    const [conflict] = claims.conflictsOf(service);
    return conflict && describeFinding(conflictFinding(conflict, service));
  });
  const more = { conflictOf, ...(namespaces && { namespaces }) };
  const pods = createPodReviewer(services, config, more);
  return [
    { path: '/mutate/pods', webhook: 'pods', decide: (request, { timeoutMs }) => pods.decide(request, timeoutMs) },
    { path: '/mutate/distributedservices', webhook: 'distributedservices-default', decide: decideDefault },
    {
      path: '/validate/distributedservices',
      webhook: 'distributedservices-validate',
      decide: (request) => decideValidate(request, { config, claims }),
    },
    {
      path: '/validate/workloads',
      webhook: 'workloads',
      // Only the webhooks' `selector` entry sends what has no annotation, and it is limited to namespaces that want it.
      decide: ({ object, namespace = '' }) => decideWorkload(object, { namespace, services, config, selectorMode: true, ...more }),
    },
  ];
}

/** Remembers each service's answer until any service changes: many Pods of one service are reviewed between two changes. */
function untilChange<T>(services: ServiceStore, answer: (service: DistributedService) => T): (service: DistributedService) => T {
  let answers = new Map<DistributedService, T>();
  services.subscribe(() => {
    if (answers.size > 0) answers = new Map();
  });
  return (service) => {
    if (!answers.has(service)) answers.set(service, answer(service));
    return answers.get(service)!;
  };
}
