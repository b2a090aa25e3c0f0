/** What a command works on: the objects of its input, the services among them, and the labels and annotations of its namespaces. */
import type { Config } from '../config/schema.ts';
import { isObject, objectAt } from '../model/json.ts';
import { annotation, label, kind as serviceKind } from '../model/names.ts';
import { ServiceStore } from '../model/store.ts';
import { loadServices } from '../webhook/services/load.ts';
import type { PodContext } from '../../webhooks/pods/decide.ts';
import { namespaceDefaults } from '../../webhooks/pods/namespace-defaults.ts';
import type { Problem } from '../../webhooks/review/types.ts';
import { misplacedGroup } from '../../webhooks/workloads/decide.ts';
import { annotatedTemplatesIn, kindOf, podTemplateOf, refusesSidecars, type FurtherKinds } from '../../webhooks/workloads/templates.ts';
import { asReviewed } from '../manifests/json.ts';
import { namespaceOf, objectsOf, type ManifestDocument, type ManifestObject } from '../manifests/read.ts';

export interface Workset {
  objects: ManifestObject[];
  services: ServiceStore;
  /** problems of the services, one sentence each, beginning with the file */
  problems: string[];
  /** names of the services with problems */
  broken: ReadonlySet<string>;
  contextOf(object: ManifestObject): PodContext & { disabled: boolean };
}

/**
 * @param documents the input; DistributedServices and Namespaces in it count
 * @param others further documents with services
 * @param namespace of objects that name none
 */
export function workset(
  documents: readonly ManifestDocument[],
  others: readonly ManifestDocument[],
  config: Config,
  namespace: string,
): Workset {
  const objects = documents.flatMap(objectsOf);
  const all = [...others.flatMap(objectsOf), ...objects];
  const { services, problems } = loadServices(all.filter(({ value }) => value.kind === serviceKind));
  const declared = all.filter(({ value }) => value.kind === serviceKind).map(({ value }) => metadataOf(value).name);
  const known = new Set(services.map(({ metadata }) => metadata.name));
  const store = new ServiceStore();
  store.replace(services);
  const namespaces = all
    .filter(({ value }) => value.apiVersion === 'v1' && value.kind === 'Namespace')
    .map(({ value }) => metadataOf(asReviewed(value)));
  const injection = new Map(namespaces.map(({ name, labels }) => [name, labels?.[label.injection]]));
  const defaults = new Map(namespaces.map(({ name = '', annotations }) => [name, namespaceDefaults(name, objectOrNothing(annotations))]));
  return {
    objects,
    services: store,
    problems,
    broken: new Set(declared.filter((name) => name !== undefined && !known.has(name)) as string[]),
    contextOf({ value }) {
      const own = namespaceOf(value, namespace);
      const mode = injection.get(own);
      return {
        namespace: own,
        services: store,
        config,
        namespaces: defaults,
        selectorMode: mode === 'enabled',
        disabled: mode === 'disabled',
      };
    },
  };
}

/** What is wrong with a document that is no object, which kubectl refuses: a list at the top, a text, a number. */
export const noObject = ({ file, line, value }: ManifestDocument): string[] =>
  value === undefined || isObject(value)
    ? []
    : [`${file}:${line}: a document must be an object with apiVersion and kind, not ${Array.isArray(value) ? 'a list' : typeof value}`];

export interface Metadata {
  name?: string;
  generateName?: string;
  namespace?: string;
  labels?: Record<string, string>;
  annotations?: unknown;
}

const objectOrNothing = (value: unknown) => (isObject(value) ? value : undefined);

export function metadataOf(value: Record<string, unknown>): Metadata {
  return typeof value.metadata === 'object' && value.metadata !== null ? value.metadata : {};
}

/** For people: `Deployment/web`. */
export function nameOf(value: Record<string, unknown>): string {
  const { name, generateName } = metadataOf(value);
  return `${String(value.kind)}/${name ?? (generateName === undefined ? '(no name)' : `${generateName}*`)}`;
}

/** One Pod, or the Pod template of a workload. */
export interface FoundPod {
  object: ManifestObject;
  pod: unknown;
  /** JSON pointer in the document */
  pointer: string;
}

/** The Pods and Pod templates among the objects. */
export const podsOf = (objects: readonly ManifestObject[], further: FurtherKinds): FoundPod[] =>
  objects.flatMap((object) => {
    const template = podTemplateOf(object.value, further);
    return template ? [{ object, pod: asStored(template.pod), pointer: object.pointer + template.pointer }] : [];
  });

/** The Pod as the API server gives it to a webhook: an annotation or a label without a value is an empty one. */
function asStored(template: unknown): unknown {
  const pod = asReviewed(template);
  for (const map of [objectAt(pod, 'metadata', 'annotations'), objectAt(pod, 'metadata', 'labels')])
    for (const key of Object.keys(map ?? {})) if (map![key] === null) map![key] = '';
  return pod;
}

/** For people: `FILE: Deployment/web`. */
export const where = ({ document, value }: ManifestObject): string => `${document.file}: ${nameOf(value)}`;

/** A problem's message with the field that it is about, seen from the object, and what is to be done about it here. */
export function messageOf({ object, pointer }: FoundPod, { reason, message }: Problem): string {
  if (reason === 'UnknownGroup') return `${message}; name its file with --services`;
  const path = pointer.slice(object.pointer.length + 1).replaceAll('/', '.');
  return reason === 'InvalidPod' && path !== '' ? `${path}${message.startsWith('a ') ? ': ' : '.'}${message}` : message;
}

/** What is to be said of workloads whose annotation has no effect where it is. */
export const misplacedGroups = (objects: readonly ManifestObject[], further: FurtherKinds): string[] =>
  objects.flatMap((object) => {
    const template = podTemplateOf(object.value, further);
    const text = template && misplacedGroup(object.value, template);
    return text === undefined ? [] : [`${where(object)}: ${text}`];
  });

/** What is to be said of objects that have annotated Pod templates where nothing is injected. */
export function passedOver(objects: readonly ManifestObject[], further: FurtherKinds): string[] {
  return objects.flatMap((object) => {
    if (podTemplateOf(object.value, further)) return [];
    const paths = annotatedTemplatesIn(object.value);
    if (paths.length === 0) return [];
    return [
      `${where(object)}: annotation ${annotation.group} at ${paths.join(', ')}: ${whyNotHere(object.value, paths)}; in the cluster the webhook injects its Pods`,
    ];
  });
}

function whyNotHere(object: ManifestObject['value'], paths: readonly string[]): string {
  if (refusesSidecars(object)) return `the API of ${kindOf(object)} refuses a template with a sidecar`;
  if (paths.includes('spec.template')) return `list ${kindOf(object)} in workloadKinds of the configuration to inject it here`;
  return 'only a Pod template at spec.template can be injected here';
}
