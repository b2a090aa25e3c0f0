/** Running Pods whose configuration is older than their service: plain mode takes changes at a Pod's restart. */
import type { Config } from '../../src/config/schema.ts';
import type { ServiceReader } from '../../src/model/store.ts';
import { decidePod, groupsOf } from './decide.ts';
import { pointer, parents } from './patch.ts';
import { shapeError, type CheckedPod } from './pod.ts';
import { configAnnotation } from './sidecar.ts';

/**
 * The groups of an injected Pod whose configuration would be another one today. Nothing is stored for this: the Pod
 * still has all that the decision reads, so the decision is made again.
 */
export function outdatedGroups(pod: unknown, services: ServiceReader, config: Config): string[] {
  if (shapeError(pod) !== undefined) return [];
  const checked = pod as CheckedPod;
  const context = { namespace: checked.metadata?.namespace ?? '', services, config, selectorMode: true };
  const { patch = [] } = decidePod(checked, context);
  const changed = new Set(patch.map(({ path }) => path));
  if (changed.size === 0) return [];
  return groupsOf(checked, context).filter((_, index) => changed.has(`${parents.annotations}/${pointer(configAnnotation(index))}`));
}
