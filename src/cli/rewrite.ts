/** Applies patches to the documents of an input and writes them again; what is not touched stays as it was, byte by byte. */
import jsonpatch, { type Operation } from 'fast-json-patch';
import type { PatchOperation } from '../model/json-patch.ts';
import { toYaml, type ManifestDocument, type ManifestObject } from '../manifests.ts';
import { metadataOf, nameOf } from './workset.ts';

/** A patch of one Pod or Pod template. */
export interface Rewrite {
  object: ManifestObject;
  /** where in the document the patch applies */
  pointer: string;
  patch: PatchOperation[];
}

export const formats = ['yaml', 'json', 'patch'] as const;
export type Format = (typeof formats)[number];

export function output(documents: readonly ManifestDocument[], rewrites: readonly Rewrite[], format: Format): string {
  if (format === 'patch') return patchText(rewrites);
  const results = documents.map((document) =>
    rewritten(
      document,
      rewrites.filter(({ object }) => object.document === document),
    ),
  );
  if (format === 'yaml') return results.map((result) => result.text).join('');
  const values = results.map(({ value }) => value).filter((value) => value !== undefined);
  return json(values.length === 1 ? values[0] : { apiVersion: 'v1', kind: 'List', items: values });
}

function rewritten(document: ManifestDocument, rewrites: readonly Rewrite[]): { text: string; value: unknown } {
  const operations = rewrites.flatMap(({ pointer, patch }) => patch.map((operation) => ({ ...operation, path: pointer + operation.path })));
  if (operations.length === 0) return { text: document.source, value: document.value };
  const value = apply(document.value, operations);
  const separator = /^---.*\n?/.exec(document.source)?.[0].trimEnd();
  return { text: `${separator === undefined ? '' : '---\n'}${isJson(document) ? json(value) : toYaml(value)}`, value };
}

/** @throws when an operation does not apply: a fault of this program's, checked here before anybody uses the output */
export const apply = (value: unknown, operations: readonly PatchOperation[]): unknown =>
  jsonpatch.applyPatch(structuredClone(value), operations as Operation[], true).newDocument;

const isJson = ({ source }: ManifestDocument) => source.trimStart().startsWith('{');
const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;

/** One object: its RFC 6902 patch, as `kubectl patch --type=json` takes it. Several: a list that says whose each is. */
function patchText(rewrites: readonly Rewrite[]): string {
  const patches = rewrites.map(({ object, pointer, patch }) => {
    const prefix = pointer.slice(object.pointer.length);
    return {
      object: nameOf(object.value),
      namespace: metadataOf(object.value).namespace,
      patch: patch.map((operation) => ({ ...operation, path: prefix + operation.path })),
    };
  });
  return json(patches.length === 1 ? patches[0]!.patch : patches);
}
