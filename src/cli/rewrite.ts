/** Applies patches to the documents of an input and writes them again; what is not touched stays as it was, byte by byte. */
import { isDeepStrictEqual } from 'node:util';
import jsonpatch, { type Operation } from 'fast-json-patch';
import { jsonAsYaml, toJson } from '../manifests/json.ts';
import type { ManifestDocument, ManifestObject } from '../manifests/read.ts';
import { edited } from '../manifests/edit.ts';
import { spliced } from '../manifests/splice.ts';
import { parseYaml, toYaml, YamlError } from '../manifests/yaml.ts';
import type { PatchOperation } from '../model/json-patch.ts';
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
  const byDocument = Map.groupBy(rewrites, ({ object }) => object.document);
  const results = documents.map((document) => rewritten(document, byDocument.get(document) ?? []));
  if (format === 'yaml') return joined(results);
  const values = results.map(({ value }) => value).filter((value) => value !== undefined);
  return toJson(values.length === 1 ? values[0] : { apiVersion: 'v1', kind: 'List', items: values });
}

type Result = Pick<ManifestDocument, 'format' | 'value'> & { text: string };

function rewritten(document: ManifestDocument, rewrites: readonly Rewrite[]): Result {
  const { source, format, value: before } = document;
  const operations = rewrites.flatMap(({ pointer, patch }) => patch.map((operation) => ({ ...operation, path: pointer + operation.path })));
  if (operations.length === 0) return { text: source, format, value: before };
  const value = apply(before, operations);
  if (format === 'json') return { text: toJson(value), format, value };
  return { text: editedAs(value, document, operations) ?? `${separatorIn(source) >= 0 ? '---\n' : ''}${toYaml(value)}`, format, value };
}

/** The source with the operations applied to its text; undefined where that would not read as the value. */
function editedAs(value: unknown, { source, blocks }: ManifestDocument, operations: readonly PatchOperation[]): string | undefined {
  for (const edit of [() => blocks && spliced(blocks, operations), () => edited(source, operations)]) {
    const text = edit();
    if (text !== undefined && readsAs(value, text)) return text;
  }
  return undefined;
}

function readsAs(value: unknown, text: string): boolean {
  try {
    return isDeepStrictEqual(parseYaml(text), value);
  } catch (error) {
    if (error instanceof YamlError) return false;
    throw error;
  }
}

/** Where the separator before a document's content is, after comments and directives; -1 without one. */
function separatorIn(text: string): number {
  let at = 0;
  while (at >= 0 && at < text.length) {
    if (text.startsWith('---', at)) return at;
    const end = text.indexOf('\n', at);
    const line = text.slice(at, end < 0 ? undefined : end).trim();
    if (line !== '' && line[0] !== '#' && line[0] !== '%') return -1;
    at = end < 0 ? -1 : end + 1;
  }
  return -1;
}

const withoutDirectives = (text: string): string => (text.startsWith('%') ? text.slice(Math.max(0, separatorIn(text))) : text);

/** One separator between two documents, whatever files they came from. */
function joined(results: readonly Result[]): string {
  // Put together once: each look at the end of a text that grows is a copy of all of it.
  const output: string[] = [];
  for (const { text, format, value } of results) {
    const before = output.at(-1);
    if (before === undefined) {
      if (text !== '') output.push(text);
      continue;
    }
    // Directives announce the first document only.
    const further = format === 'json' ? jsonAsYaml(text, value) : withoutDirectives(text);
    output.push(`${before.endsWith('\n') ? '' : '\n'}${further.startsWith('---') ? '' : '---\n'}${further}`);
  }
  return output.join('');
}

/** @throws when an operation does not apply: a fault of this program's, checked here before anybody uses the output */
export const apply = (value: unknown, operations: readonly PatchOperation[]): unknown =>
  jsonpatch.applyPatch(structuredClone(value), operations as Operation[], true).newDocument;

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
  return toJson(patches.length === 1 ? patches[0]!.patch : patches);
}
