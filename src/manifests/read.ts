/** Manifests from files, directories and standard input, read as kubectl reads them: YAML 1.1 or JSON, many in one. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { UserError } from '../errors.ts';
import { isObject, type JsonObject } from '../model/json.ts';
import { endOfObject, parseJson } from './json.ts';
import type { Blocks } from './blocks.ts';
import { readYaml, YamlError } from './yaml.ts';

export interface ManifestDocument {
  /** name of the file, `-` for standard input */
  file: string;
  /** line that the document begins at, from 1 */
  line: number;
  /** the document's own text, with the separator before it */
  source: string;
  format: 'yaml' | 'json';
  /** its content; undefined for a document of comments only */
  value: unknown;
  /** of YAML that has nothing else */
  blocks?: Blocks;
}

/** One object: a document, or an item of a List in one. */
export interface ManifestObject {
  document: ManifestDocument;
  /** JSON pointer of the object in its document */
  pointer: string;
  value: JsonObject;
}

/**
 * @param locations files, directories, or - for standard input
 * @throws UserError that names the file and the line
 */
export const readManifests = (locations: readonly string[]): ManifestDocument[] =>
  locations.flatMap((location) => filesOf(location)).flatMap((file) => parseManifests(file, readText(file)));

/** The documents of a text. @throws UserError that names the file and the line */
export function parseManifests(file: string, text: string): ManifestDocument[] {
  const { documents, rest } = jsonDocuments(file, text.replace(/^\uFEFF/, ''));
  return [...documents, ...yamlDocuments(file, rest.text, rest.line)];
}

/** Objects of JSON, one after the other, at the start of a text. After several, kubectl reads no YAML any more. */
function jsonDocuments(file: string, text: string): { documents: ManifestDocument[]; rest: { text: string; line: number } } {
  const documents: ManifestDocument[] = [];
  let line = 1;
  let at = 0;
  for (;;) {
    const start = at + (/^\s*/.exec(text.slice(at))?.[0].length ?? 0);
    line += linesIn(text.slice(at, start));
    if (start === text.length && documents.length > 0) return { documents, rest: { text: '', line } };
    const end = text[start] === '{' ? endOfObject(text, start) : -1;
    const source = text.slice(start, end);
    const value = end < 0 ? undefined : jsonOrNothing(source);
    if (value === undefined) {
      if (documents.length > 1) throw new UserError(`${file}:${line}: not valid JSON after an object of JSON: expected another one, or the end`);
      return { documents, rest: { text: text.slice(documents.length === 0 ? 0 : start), line: documents.length === 0 ? 1 : line } };
    }
    const lineEnd = /^[ \t]*\r?\n/.exec(text.slice(end, end + 80))?.[0] ?? '';
    documents.push({ file, line, source: source + lineEnd, format: 'json', value });
    line += linesIn(source + lineEnd);
    at = end + lineEnd.length;
  }
}

function jsonOrNothing(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
}

function yamlDocuments(file: string, text: string, first: number): ManifestDocument[] {
  let line = first;
  return split(text).map((source): ManifestDocument => {
    const start = line;
    line += linesIn(source);
    const [, after = ''] = /^---[ \t]*(.*)/.exec(source) ?? [];
    if (!/^\s*(#|$)/.test(after)) {
      throw new UserError(`${file}:${start}: kubectl takes only a comment after the separator "---", and not: ${after.slice(0, 60)}`);
    }
    try {
      return { file, line: start, source, format: 'yaml', ...readYaml(source.endsWith('\n') ? source : `${source}\n`) };
    } catch (error) {
      if (!(error instanceof YamlError)) throw error;
      throw new UserError(`${file}:${start + linesIn(source.slice(0, error.offset))}: not valid YAML: ${error.message}`);
    }
  });
}

const linesIn = (text: string): number => text.split('\n').length - 1;

/** Each document with the separator before it; directives (%YAML) belong to the document that they announce. */
function split(text: string): string[] {
  if (text === '') return [];
  // Lines end in a line feed; for `^` they would end in U+2028 too.
  const [first = '', ...rest] = text.split(/(?<=\n)(?=---)/);
  const directives = first.startsWith('%') && first.split('\n').every((line) => /^(%|#|\s*$)/.test(line));
  const documents = directives && rest.length > 0 ? [first + rest[0]!, ...rest.slice(1)] : [first, ...rest];
  return documents.map(withoutMark);
}

/** Files that were put together may each have begun with a byte order mark, which is none of their text. */
const withoutMark = (source: string): string => source.replace(/^(---[^\n]*\n)?\ufeff/, '$1');

/** The objects of a document: itself, or the items of a List, of Lists in it too. What is no object is left out. */
export function objectsOf(document: ManifestDocument): ManifestObject[] {
  const collect = (value: unknown, pointer: string): ManifestObject[] => {
    if (!isObject(value)) return [];
    if (!isList(value)) return [{ document, pointer, value }];
    return value.items.flatMap((item, index) => collect(ofList(value, item), `${pointer}/items/${index}`));
  };
  return collect(document.value, '');
}

/** To kubectl an empty namespace is none. @param otherwise of an object that names none */
export function namespaceOf({ metadata }: JsonObject, otherwise: string): string {
  const namespace = isObject(metadata) ? metadata.namespace : undefined;
  return typeof namespace === 'string' && namespace !== '' ? namespace : otherwise;
}

const isList = (value: JsonObject): value is JsonObject & { items: unknown[] } =>
  typeof value.kind === 'string' && value.kind.endsWith('List') && Array.isArray(value.items);

/** The API server names no kinds in a list of one kind, such as a PodList; they are the list's (client-go's unstructured). */
const ofList = ({ apiVersion, kind }: JsonObject, item: unknown): unknown =>
  kind === 'List' || !isObject(item) || item.kind !== undefined || item.apiVersion !== undefined
    ? item
    : { apiVersion, kind: String(kind).replace(/List$/, ''), ...item };

const manifestEndings = ['.yaml', '.yml', '.json'];

/**
 * The files of a location: a file, `-`, or a directory's files with one of the endings. Names that begin with a dot are left
 * out: they are an editor's, or the halves of a ConfigMap's symlink swap.
 * @throws UserError for what is not there, and for a directory without such files
 */
export function filesOf(location: string, endings: readonly string[] = manifestEndings): string[] {
  if (location === '-') return ['-'];
  if (/^https?:/.test(location)) throw new UserError(`${location}: addresses are not read; pass what they answer: curl -sSfL ${location} | … -f -`);
  if (!isDirectory(location)) return [location];
  const found = filesIn(location, endings).sort();
  const kinds = `${endings.slice(0, -1).join(', ')} or ${endings.at(-1)}`;
  if (found.length === 0) throw new UserError(`${location}: the directory has no ${kinds} file`);
  return found;
}

/** As kubectl walks: a link to a file is that file, a link to a directory is passed over, so that no circle of links is one. */
const filesIn = (directory: string, endings: readonly string[]): string[] =>
  reading(directory, () => readdirSync(directory, { withFileTypes: true })).flatMap((entry) => {
    const location = path.join(directory, entry.name);
    if (entry.name.startsWith('.')) return [];
    if (entry.isDirectory()) return filesIn(location, endings);
    return endings.some((ending) => entry.name.endsWith(ending)) && !isDirectory(location) ? [location] : [];
  });

const isDirectory = (location: string): boolean => reading(location, () => statSync(location).isDirectory());

/** @throws UserError in place of the file system's errors */
function reading<T>(location: string, look: () => T): T {
  try {
    return look();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw new UserError(`${location}: no such file or directory`);
    throw new UserError(`${location}: cannot be read: ${(error as Error).message}`);
  }
}

/** @param file `-` for standard input @throws UserError for what cannot be read, and for what is no UTF-8 */
export function readText(file: string): string {
  const name = file === '-' ? 'standard input' : file;
  let bytes: Buffer;
  try {
    bytes = readFileSync(file === '-' ? 0 : file);
  } catch (error) {
    throw new UserError(`${name}: cannot be read: ${(error as Error).message}`);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new UserError(`${name}: is no UTF-8 text; PowerShell writes UTF-16 unless it is told "-Encoding utf8"`);
  }
}
