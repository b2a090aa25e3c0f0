/**
 * Reviews of Pods: the decision, and before it a short wait for a service that is on its way. A service and its Pods
 * often arrive in one `kubectl apply`, and then the Pod's review may be faster than the watch.
 */
import type { Config } from '../../src/config/schema.ts';
import type { ServiceReader } from '../../src/model/store.ts';
import type { DistributedService } from '../../src/model/types.ts';
import type { AdmissionRequest, Decision } from '../review/types.ts';
import { decidePod, groupsOf, type PodContext } from './decide.ts';
import { shapeError, type CheckedPod } from './pod.ts';
import { Denial } from './reasons.ts';

/** A missing service is waited for this long, and answers need some time of the request's own. Milliseconds. */
const patience = 2000;
const reserve = 500;
/** So many reviews wait at a time; the next one is answered at once. */
const maxWaiting = 100;
/** A service younger than this may still lack its Secrets; a Pod that starts before them gets them a minute late. */
const youth = 10_000;

export interface PodReviewer {
  /** @param timeoutMs time that the API server gives the call */
  decide(request: AdmissionRequest, timeoutMs: number): Decision | Promise<Decision>;
}

export function createPodReviewer(
  services: ServiceReader,
  config: Config,
  more: Pick<PodContext, 'conflictOf' | 'namespaces'> = {},
): PodReviewer {
  let waiting = 0;

  async function decideLater(request: AdmissionRequest, groups: readonly string[], budget: number): Promise<Decision> {
    waiting++;
    try {
      await Promise.all(groups.map((group) => services.waitFor(request.namespace ?? '', group, settled, budget)));
    } finally {
      waiting--;
    }
    return decideNow(request);
  }

  function decideNow({ namespace = '', object }: AdmissionRequest): Decision {
    return decidePod(object, { namespace, services, config, selectorMode: true, ...more });
  }

  return {
    decide(request, timeoutMs) {
      const decision = decideNow(request);
      const budget = Math.min(patience, timeoutMs - reserve);
      if (request.dryRun || budget <= 0 || waiting >= maxWaiting) return decision;
      const groups = (decision.details?.groups as string[] | undefined) ?? groupsNamed(request, services, config);
      const missing = groups.filter((group) => !settled(services.get(request.namespace ?? '', group)));
      return missing.length > 0 ? decideLater(request, missing, budget) : decision;
    },
  };
}

/** Whether a service is known and its Secrets need no waiting for. */
function settled(service: DistributedService | undefined): boolean {
  if (!service) return false;
  if (service.status?.conditions?.some(({ type }) => type === 'CertificatesReady')) return true;
  const created = Date.parse(service.metadata.creationTimestamp ?? '');
  return Number.isNaN(created) || Date.now() - created > youth;
}

function groupsNamed({ namespace = '', object }: AdmissionRequest, services: ServiceReader, config: Config): string[] {
  if (shapeError(object) !== undefined) return [];
  try {
    return groupsOf(object as CheckedPod, { namespace, services, config, selectorMode: false });
  } catch (error) {
    if (error instanceof Denial) return [];
    throw error;
  }
}
