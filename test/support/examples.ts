/** The objects that README and docs show, as a reader would copy them. */
import { readFileSync } from 'node:fs';
import { parseAllDocuments } from 'yaml';

export interface Example {
  file: string;
  /** of the first line of the block, from 1 */
  line: number;
  /** Kubernetes objects; what is no object (parts of a file, a kustomization) is left out */
  objects: { kind: string; apiVersion: string; [field: string]: unknown }[];
}

/** YAML of fenced blocks, and of here-documents of shell blocks (`kubectl apply -f - <<'E'`). @throws where a block is no YAML */
export function examplesOf(file: string): Example[] {
  const lines = readFileSync(file, 'utf8').split('\n');
  const found: Example[] = [];
  let block: { line: number; end: string; text: string[] } | undefined;
  lines.forEach((line, index) => {
    const start = /^\s*```yaml$/.test(line) ? '```' : /<<\s*'?([A-Z]+)'?$/.exec(line)?.[1];
    if (block && line.trim() === block.end) {
      found.push({ file, line: block.line, objects: objectsOf(block.text.join('\n'), `${file}:${block.line}`) });
      block = undefined;
    } else if (block) block.text.push(line);
    else if (start !== undefined) block = { line: index + 2, end: start, text: [] };
  });
  return found;
}

function objectsOf(text: string, where: string): Example['objects'] {
  return parseAllDocuments(text).flatMap((document) => {
    if (document.errors.length > 0) throw new Error(`${where}: ${document.errors[0]!.message}`);
    const value = document.toJS() as Example['objects'][number] | null;
    const isObject = typeof value?.kind === 'string' && typeof value.apiVersion === 'string' && value.kind !== 'Kustomization';
    return isObject ? [value] : [];
  });
}
