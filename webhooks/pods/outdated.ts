/** Running Pods whose configuration is older than their service: what a sidecar reads is taken at its Pod's restart. */
import type { Config } from '../../src/config/schema.ts';
import { membershipsIn } from '../../src/frp/proxy-names.ts';
import type { ServiceReader } from '../../src/model/store.ts';
import type { PatchOperation } from '../../src/model/json-patch.ts';
import { decidePod, groupsOf } from './decide.ts';
import { parents } from './marks.ts';
import { shapeError, type CheckedPod } from './pod.ts';
import { isConfigAnnotation } from './sidecar.ts';

/**
 * The groups of an injected Pod whose configuration would be another one today. Nothing is stored for this: the Pod
 * still has all that the decision reads, so the decision is made again.
 */
export function outdatedGroups(pod: unknown, services: ServiceReader, config: Config): string[] {
  if (shapeError(pod) !== undefined) return [];
  const checked = pod as CheckedPod;
  const context = { namespace: checked.metadata?.namespace ?? '', services, config, selectorMode: true };
  const { patch = [] } = decidePod(checked, context);
  const { annotations = {} } = checked.metadata ?? {};
  const isPoolFixed = (text: string) =>
    membershipsIn(text, context.namespace).some(
      ({ service }) => services.get(context.namespace, service)?.spec.advanced?.connectionPool !== undefined,
    );
  const texts = patch
    .map((operation) => changedTexts(operation, annotations ?? {}))
    .filter(
      ([before, after]) =>
        before === undefined || after === undefined || ofService(before, isPoolFixed(before)) !== ofService(after, isPoolFixed(before)),
    )
    .flat();
  if (texts.length === 0) return [];
  const touched = new Set(texts.flatMap((text) => membershipsIn(text, context.namespace)).map(({ service }) => service));
  return groupsOf(checked, context).filter((group) => touched.has(group));
}

/**
 * What a service says of its tunnel. Where the service does not say it, the pool follows from the Pod's size, which a
 * resize in place changes: a tunnel goes on well with the pool that it began with. Log level and the app's address are no
 * service's: they are the Pod's, its namespace's or the installation's.
 */
function ofService(text: string, isPoolFixed: boolean): string {
  try {
    const config = JSON.parse(text) as { log?: unknown; transport?: { poolCount?: number }; proxies?: { localIP?: unknown }[] };
    delete config.log;
    if (!isPoolFixed) delete config.transport?.poolCount;
    for (const proxy of config.proxies ?? []) delete proxy.localIP;
    return JSON.stringify(config);
  } catch {
    return text;
  }
}

/** frpc's configuration before and after, where an operation changes one. */
function changedTexts(operation: PatchOperation, annotations: Record<string, string>): string[] {
  const [, step] = operation.path.split(`${parents.annotations}/`);
  if (step === undefined) return [];
  const key = step.replaceAll('~1', '/').replaceAll('~0', '~');
  if (!isConfigAnnotation(key)) return [];
  const after = 'value' in operation && typeof operation.value === 'string' ? [operation.value] : [];
  return annotations[key] === undefined ? after : [annotations[key], ...after];
}
