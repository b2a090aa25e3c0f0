/** Manifests from files, directories and standard input, read as kubectl reads them: YAML 1.1 or JSON, many in one. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { parseDocument, stringify, type Tags } from 'yaml';
import { UserError } from './errors.ts';
import { isObject, type JsonObject } from './model/json.ts';

export interface ManifestDocument {
  /** name of the file, `-` for standard input */
  file: string;
  /** the document's own text, with the separator before it */
  source: string;
  /** its content; undefined for a document of comments only */
  value: unknown;
}

/** One object: a document, or an item of a List in one. */
export interface ManifestObject {
  document: ManifestDocument;
  /** JSON pointer of the object in its document */
  pointer: string;
  value: JsonObject;
}

/** Octal numbers and yes/no as in YAML 1.1; times and dates stay text, as in Kubernetes' own parser. */
const yamlOptions = {
  version: '1.1' as const,
  customTags: (tags: Tags): Tags =>
    tags.filter((tag) => typeof tag === 'string' || !(tag.tag.endsWith('timestamp') || ('format' in tag && tag.format === 'TIME'))),
};

/**
 * @param locations files, directories, or - for standard input
 * @throws UserError that names the file and the line
 */
export const readManifests = (locations: readonly string[]): ManifestDocument[] =>
  locations.flatMap(filesOf).flatMap((file) => parseManifests(file, read(file)));

/** The documents of a text. @throws UserError that names the file and the line */
export function parseManifests(file: string, text: string): ManifestDocument[] {
  const json = asJson(text);
  if (json !== undefined) return [{ file, source: text, value: json }];
  let line = 0;
  return split(text).map((source) => {
    const document = parseDocument(source, { ...yamlOptions, prettyErrors: false });
    const [error] = document.errors;
    if (error) {
      const at = line + source.slice(0, error.pos[0]).split('\n').length;
      throw new UserError(`${file}:${at}: not valid YAML: ${error.message}`);
    }
    line += source.split('\n').length - 1;
    return { file, source, value: (document.toJS() as unknown) ?? undefined };
  });
}

/** Each document with the separator before it; directives (%YAML) belong to the document that they announce. */
function split(text: string): string[] {
  const [first = '', ...rest] = text.split(/^(?=---(?:\s|$))/m);
  const directives = first.startsWith('%') && first.split('\n').every((line) => /^(%|#|\s*$)/.test(line));
  return directives && rest.length > 0 ? [first + rest[0]!, ...rest.slice(1)] : [first, ...rest];
}

/** YAML that kubectl reads back as the same value. */
export const toYaml = (value: unknown): string => stringify(value, { ...yamlOptions, lineWidth: 0, aliasDuplicateObjects: false });

/** The objects of a document: itself, or the items of a List. What is no object is left out. */
export function objectsOf(document: ManifestDocument): ManifestObject[] {
  const { value } = document;
  if (!isObject(value)) return [];
  if (!String(value.kind).endsWith('List') || !Array.isArray(value.items)) return [{ document, pointer: '', value }];
  return value.items.flatMap((item: unknown, index) => (isObject(item) ? [{ document, pointer: `/items/${index}`, value: item }] : []));
}

/** JSON is YAML too, but its own parser is a hundred times as fast. */
function asJson(text: string): unknown {
  if (!text.trimStart().startsWith('{')) return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** Names that begin with a dot are an editor's, or the halves of a ConfigMap's symlink swap. */
function filesOf(location: string): string[] {
  if (location === '-') return ['-'];
  if (!isDirectory(location)) return [location];
  const found = readdirSync(location, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(ya?ml|json)$/.test(name) && !name.split(path.sep).some((part) => part.startsWith('.')))
    .sort();
  if (found.length === 0) throw new UserError(`${location}: the directory has no .yaml, .yml or .json file`);
  return found.map((name) => path.join(location, name));
}

function isDirectory(location: string): boolean {
  try {
    return statSync(location).isDirectory();
  } catch {
    throw new UserError(`${location}: no such file or directory`);
  }
}

function read(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (error) {
    throw new UserError(`${file === '-' ? 'standard input' : file}: cannot be read: ${(error as Error).message}`);
  }
}
