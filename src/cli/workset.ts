/** What a command works on: the objects of its input, the services among them, and the labels of its namespaces. */
import type { Config } from '../config/schema.ts';
import { label, kind as serviceKind } from '../model/names.ts';
import { ServiceStore } from '../model/store.ts';
import { loadServices } from '../webhook/services/load.ts';
import type { PodContext } from '../../webhooks/pods/decide.ts';
import { podTemplateOf } from '../../webhooks/workloads/templates.ts';
import { objectsOf, type ManifestDocument, type ManifestObject } from '../manifests/read.ts';

export interface Workset {
  objects: ManifestObject[];
  services: ServiceStore;
  /** problems of the services, one sentence each, beginning with the file */
  problems: string[];
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
  const store = new ServiceStore();
  store.replace(services);
  const injection = new Map(
    all
      .filter(({ value }) => value.apiVersion === 'v1' && value.kind === 'Namespace')
      .map(({ value }) => [metadataOf(value).name, metadataOf(value).labels?.[label.injection]]),
  );
  return {
    objects,
    services: store,
    problems,
    contextOf({ value }) {
      const own = metadataOf(value).namespace ?? namespace;
      const mode = injection.get(own);
      return { namespace: own, services: store, config, selectorMode: mode === 'enabled', disabled: mode === 'disabled' };
    },
  };
}

export interface Metadata {
  name?: string;
  generateName?: string;
  namespace?: string;
  labels?: Record<string, string>;
}

export function metadataOf(value: Record<string, unknown>): Metadata {
  return typeof value.metadata === 'object' && value.metadata !== null ? value.metadata : {};
}

/** For people: `Deployment/web`. */
export function nameOf(value: Record<string, unknown>): string {
  const { name, generateName } = metadataOf(value);
  return `${String(value.kind)}/${name ?? (generateName === undefined ? '(no name)' : `${generateName}*`)}`;
}

/** The Pod templates among the objects, with their pointers in the document. */
export const podsOf = (objects: readonly ManifestObject[]) =>
  objects.flatMap((object) => {
    const template = podTemplateOf(object.value);
    return template ? [{ object, pod: template.pod, pointer: object.pointer + template.pointer }] : [];
  });
