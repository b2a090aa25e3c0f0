/** Running Pods whose configuration is older than their service: what a sidecar reads is taken at its Pod's restart. */
import type { Config } from '../../src/config/schema.ts';
import { membershipsIn, serviceIn } from '../../src/frp/proxy-names.ts';
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
  const isPoolFixed = (service: string) => services.get(context.namespace, service)?.spec.advanced?.connectionPool !== undefined;
  const touched = new Set(
    patch
      .map((operation) => changedTexts(operation, annotations ?? {}))
      .flatMap((texts) => servicesThatDiffer(texts, context.namespace, isPoolFixed)),
  );
  return touched.size === 0 ? [] : groupsOf(checked, context).filter((group) => touched.has(group));
}

/** The services of a sidecar for which its configuration before says something else than that after. @param texts one of them, where the other is not there */
function servicesThatDiffer(texts: readonly string[], namespace: string, isPoolFixed: (service: string) => boolean): string[] {
  const [before, after] = texts;
  const all = [...new Set(texts.flatMap((text) => membershipsIn(text, namespace)).map(({ service }) => service))];
  if (before === undefined || after === undefined) return all;
  const withPool = membershipsIn(before, namespace).some(({ service }) => isPoolFixed(service));
  return all.filter(
    (service) => ofService(before, { service, namespace, withPool }) !== ofService(after, { service, namespace, withPool }),
  );
}

/**
 * What a configuration says of a service's tunnel, which it may share with others. Where no service says it, the pool
 * follows from the Pod's size, which a resize in place changes: a tunnel goes on well with the pool that it began with. Log
 * level and the app's address are no service's: they are the Pod's, its namespace's or the installation's.
 */
function ofService(text: string, { service, namespace, withPool }: { service: string; namespace: string; withPool: boolean }): string {
  try {
    const config = JSON.parse(text) as {
      log?: unknown;
      start?: unknown;
      transport?: { poolCount?: number };
      proxies?: { localIP?: unknown; name?: unknown }[];
    };
    delete config.log;
    // Repeats names of proxies.
    delete config.start;
    if (!withPool) delete config.transport?.poolCount;
    config.proxies = config.proxies?.filter((proxy) => serviceIn(proxy, namespace) === service);
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
