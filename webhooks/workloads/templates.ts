/** Where the Pod template of a workload is (Kubernetes API reference, apps/v1 and batch/v1). */
import { isObject, objectAt, type JsonObject } from '../../src/model/json.ts';
import { annotation as names } from '../../src/model/names.ts';

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

/** Kinds of others whose Pod template is at spec.template: `Kind.group` each, or every kind. */
export type FurtherKinds = readonly string[] | 'any';

/** Knative's API takes neither the sidecar's volumes nor, unless a feature of it is switched on, init containers. */
const knative = 'serving.knative.dev';

/** Whether the API of the object's kind refuses a Pod template with a sidecar. Pods that come of one are injected all the same. */
export const refusesSidecars = ({ apiVersion }: JsonObject): boolean => String(apiVersion).startsWith(`${knative}/`);

/** The Pod template of a Pod or workload, or undefined for any other object. */
export function podTemplateOf(object: unknown, further: FurtherKinds = []): PodTemplate | undefined {
  if (!isObject(object)) return undefined;
  const key = `${String(object.apiVersion)}/${String(object.kind)}`;
  const isListed = further === 'any' || (further.includes(kindOf(object)) && !refusesSidecars(object));
  const isFurther = isListed && isObject(objectAt(object, 'spec')?.template);
  const pointer = Object.hasOwn(pointers, key) ? pointers[key] : isFurther ? '/spec/template' : undefined;
  if (pointer === undefined) return undefined;
  let pod: unknown = object;
  for (const step of pointer.split('/').slice(1)) pod = isObject(pod) ? pod[step] : undefined;
  return { pointer, pod };
}

/** Kind.group, as kubectl takes it; of the core group the kind alone. */
export function kindOf({ apiVersion, kind }: JsonObject): string {
  const [group, version] = String(apiVersion).split('/');
  return version === undefined ? String(kind) : `${String(kind)}.${group}`;
}

const mostNodes = 10_000;

/**
 * Where an object that is no workload of ours has Pod templates with the annotation: as paths of fields, such as
 * spec.template. The first ten.
 */
export function annotatedTemplatesIn({ metadata: _own, status: _status, ...object }: JsonObject): string[] {
  const found: string[] = [];
  const queue: [path: string, value: unknown][] = Object.entries(object);
  for (let looked = 0; looked < mostNodes && found.length < 10; looked++) {
    const [path, value] = queue.shift() ?? [];
    if (path === undefined) break;
    if (Array.isArray(value)) queue.push(...value.slice(0, 100).map((item, index): [string, unknown] => [`${path}[${index}]`, item]));
    if (!isObject(value)) continue;
    if (Object.hasOwn(objectAt(value, 'metadata', 'annotations') ?? {}, names.group)) found.push(path);
    else queue.push(...Object.entries(value).map(([key, item]): [string, unknown] => [`${path}.${key}`, item]));
  }
  return found;
}
