/**
 * The decoding layer: what kubectl and the API server refuse before any rule is looked at, under strict field
 * validation (KEP-2885), which is kubectl's default.
 */
import { openApiSchema, type SchemaNode } from './crd.ts';
import type { Finding } from './findings.ts';
import { isObject, type JsonObject } from './json.ts';
import { apiVersion, kind } from './names.ts';

/** Fields of ObjectMeta, k8s.io/apimachinery v0.36, pkg/apis/meta/v1/types.go. */
const metadataFields = [
  ...['name', 'generateName', 'namespace', 'selfLink', 'uid', 'resourceVersion', 'generation', 'creationTimestamp'],
  ...['deletionTimestamp', 'deletionGracePeriodSeconds', 'labels', 'annotations', 'ownerReferences', 'finalizers', 'managedFields'],
];

const rootSchema = openApiSchema();

export function decodingFindings(object: unknown): Finding[] {
  if (!isObject(object)) return [{ path: '<nil>', message: 'must be an object with apiVersion, kind, metadata and spec' }];
  if (object.apiVersion !== apiVersion || object.kind !== kind) return [noSuchKind(object)];
  const mistyped = mistypedMetadata(object.metadata);
  return mistyped.length > 0 ? mistyped : [...unknownFields(object, rootSchema, ''), ...unknownMetadata(object.metadata)].map(unknown);
}

function noSuchKind({ apiVersion, kind }: JsonObject): Finding {
  return { path: 'apiVersion', message: `no matches for kind "${String(kind)}" in version "${String(apiVersion)}"` };
}

const unknown = (path: string): Finding => ({ path, message: `strict decoding error: unknown field "${path}"` });

/** Below a node that is no object, every field is unknown; below an unknown field, none is named. */
function unknownFields(value: unknown, schema: SchemaNode, path: string): string[] {
  if (Array.isArray(value)) return value.flatMap((item, index) => unknownFields(item, schema.items ?? {}, `${path}[${index}]`));
  if (!isObject(value)) return [];
  return Object.entries(value).flatMap(([name, property]) => {
    if (path === '' && name === 'metadata') return [];
    const at = path === '' ? name : `${path}.${name}`;
    const known = own(schema.properties, name) ?? schema.additionalProperties;
    return known ? unknownFields(property, known, at) : [at];
  });
}

const own = (properties: Record<string, SchemaNode> | undefined, name: string): SchemaNode | undefined =>
  properties && Object.hasOwn(properties, name) ? properties[name] : undefined;

function unknownMetadata(metadata: unknown): string[] {
  if (!isObject(metadata)) return [];
  return Object.keys(metadata)
    .filter((name) => !metadataFields.includes(name))
    .map((name) => `metadata.${name}`);
}

/** Metadata is decoded into Go's own struct, so a wrong type there is an error of Go's JSON decoder. */
function mistypedMetadata(metadata: unknown): Finding[] {
  const wrong = (field: string, value: unknown, type: string): Finding[] => [
    { path: field, message: `json: cannot unmarshal ${jsonType(value)} into Go struct field ObjectMeta.${field} of type ${type}` },
  ];
  if (metadata === undefined || metadata === null) return [];
  if (!isObject(metadata)) return wrong('metadata', metadata, 'v1.ObjectMeta');
  const texts = ['name', 'generateName', 'namespace'].flatMap((field) => {
    const value = metadata[field] ?? '';
    return typeof value === 'string' ? [] : wrong(`metadata.${field}`, value, 'string');
  });
  const maps = ['labels', 'annotations'].flatMap((field) => {
    const value = metadata[field] ?? {};
    if (!isObject(value)) return wrong(`metadata.${field}`, value, 'map[string]string');
    const bad = Object.values(value).find((text) => text !== null && typeof text !== 'string');
    return bad === undefined ? [] : wrong(`metadata.${field}`, bad, 'string');
  });
  return [...texts, ...maps];
}

function jsonType(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  return typeof value === 'boolean' ? 'bool' : typeof value;
}
