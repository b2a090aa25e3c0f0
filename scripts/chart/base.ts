/** The objects of the kustomize bases, which the chart is made from. */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';
import type { Manifest } from './template.ts';

export const root = resolve(import.meta.dirname, '../..');

export interface BaseFile {
  /** name without directory and ending */
  name: string;
  objects: Manifest[];
}

/** Files of a base, in the order in which its kustomization lists them; other bases are left out. @param directory below manifests */
export function baseFiles(directory: string): BaseFile[] {
  const { resources = [], namespace } = parse(readFileSync(join(root, 'manifests', directory, 'kustomization.yaml'), 'utf8')) as {
    resources?: string[];
    namespace?: string;
  };
  return resources
    .filter((file) => file.endsWith('.yaml'))
    .map((file) => ({
      name: file.replace(/^.*\//, '').replace(/\.yaml$/, ''),
      objects: objectsIn(join('manifests', directory, file)).map((object) =>
        namespace === undefined ? object : inNamespace(object, namespace),
      ),
    }));
}

/** As kubectl reads them (YAML 1.1: `0440` is octal); each is a copy of its own, without aliases. */
export const objectsIn = (file: string): Manifest[] =>
  parseAllDocuments(readFileSync(join(root, file), 'utf8'), { version: '1.1' }).map((document) =>
    structuredCloneOf(document.toJS() as Manifest),
  );

const structuredCloneOf = (object: Manifest): Manifest => JSON.parse(JSON.stringify(object)) as Manifest;

const inNamespace = (object: Manifest, namespace: string): Manifest => ({
  ...object,
  metadata: { ...(object.metadata as Manifest), namespace },
});
