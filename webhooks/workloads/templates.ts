/** Where the Pod template of a workload is (Kubernetes API reference, apps/v1 and batch/v1). */
export interface PodTemplate {
  /** JSON pointer of the template in its object; empty for a Pod, which is its own */
  pointer: string;
  /** the template: metadata and spec of a Pod */
  pod: unknown;
}

const pointers: Record<string, string> = {
  'v1/Pod': '',
  'v1/ReplicationController': '/spec/template',
  'apps/v1/Deployment': '/spec/template',
  'apps/v1/StatefulSet': '/spec/template',
  'apps/v1/DaemonSet': '/spec/template',
  'apps/v1/ReplicaSet': '/spec/template',
  'batch/v1/Job': '/spec/template',
  'batch/v1/CronJob': '/spec/jobTemplate/spec/template',
};

/** The Pod template of a Pod or workload, or undefined for any other object. */
export function podTemplateOf(object: unknown): PodTemplate | undefined {
  if (typeof object !== 'object' || object === null) return undefined;
  const { apiVersion, kind } = object as { apiVersion?: unknown; kind?: unknown };
  const key = `${String(apiVersion)}/${String(kind)}`;
  const pointer = Object.hasOwn(pointers, key) ? pointers[key] : undefined;
  if (pointer === undefined) return undefined;
  let pod: unknown = object;
  for (const step of pointer.split('/').slice(1)) pod = (pod as Record<string, unknown> | null | undefined)?.[step];
  return { pointer, pod };
}
