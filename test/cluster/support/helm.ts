/** Helm and the chart, as a user has them. */
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { parse, parseAllDocuments } from 'yaml';
import { images } from './objects.ts';
import { root, system } from './places.ts';
import { kubectl, type Json, type Manifest } from './kubectl.ts';
import { must, run, type Outcome } from './run.ts';

const program = process.env.HELM ?? 'helm';
export const chart = join(root, 'charts/frp-k8s');

const [, repository, tag] = /^(.*):([^:/]+)$/.exec(images.program) ?? [undefined, images.program, 'latest'];
/** The image under test. */
export const ownImage = ['--set', `image.repository=${repository}`, '--set', `image.tag=${tag}`];

export const helm = (...args: string[]): Promise<string> => must(program, args);
export const tryHelm = (...args: string[]): Promise<Outcome> => run(program, args);

const valuesOf = (given: Readonly<Record<string, unknown>>): string[] =>
  Object.entries(given).flatMap(([key, value]) => ['--set-json', `${key}=${JSON.stringify(value)}`]);

/** What the chart makes of such values, as text. @param given by dotted key */
export const rendered = (given: Readonly<Record<string, unknown>>, ...options: string[]): Promise<string> =>
  helm('template', 'frp-k8s', chart, '-n', system, '--kube-version', '1.30.0', ...ownImage, ...valuesOf(given), ...options);

/** The same as objects; namespaces are left out, which are there already where it is only tried. */
export const manifestsOf = async (given: Readonly<Record<string, unknown>>): Promise<Manifest[]> =>
  parseAllDocuments(await rendered(given), { version: '1.1' })
    .map((document) => document.toJS() as Manifest | null)
    .filter((object) => object !== null && object.kind !== 'Namespace') as Manifest[];

/** Objects by kind, namespace and name, without what kustomize and Helm do each in their own way. */
export function objectsIn(text: string): Map<string, Json> {
  const objects = parseAllDocuments(text, { version: '1.1' })
    .map((document) => document.toJS() as unknown)
    .filter((object) => object !== null)
    .map(comparable);
  return new Map(objects.map((object) => [`${object.kind} ${object.metadata.namespace ?? ''}/${object.metadata.name}`, object]));
}

export const kustomized = async (directory: string): Promise<Map<string, Json>> =>
  objectsIn(await kubectl('kustomize', join(root, 'manifests', directory)));

/** Hashes of configurations are in names there, in annotations here; kustomize has line feeds of its own in folded text. */
function comparable(given: Json): Json {
  const text = JSON.stringify(given)
    .replace(/(frp-(?:k8s|gateway|server)-config)-[0-9a-z]{10}/g, '$1')
    .replace(/(?:\\n| )+/g, ' ');
  const object = JSON.parse(text);
  const config = given.kind === 'ConfigMap' ? given.data['config.yaml'] : undefined;
  if (config !== undefined) object.data['config.yaml'] = parse(config as string);
  without(object.spec?.template?.metadata, 'checksum/config');
  without(object.metadata, 'helm.sh/resource-policy');
  if (object.kind === 'Service' && object.spec.type === 'ClusterIP') delete object.spec.type;
  return object;
}

function without(metadata: Json, annotation: string): void {
  if (metadata?.annotations === undefined) return;
  delete metadata.annotations[annotation];
  if (Object.keys(metadata.annotations as object).length === 0) delete metadata.annotations;
}

/** What is in one alone, or different. */
export function differences(ours: Map<string, Json>, theirs: Map<string, Json>): string[] {
  return [...new Set([...ours.keys(), ...theirs.keys()])].filter((key) => !isDeepStrictEqual(ours.get(key), theirs.get(key))).sort();
}
