/**
 * A patch of a YAML document's text. What the patch does not touch keeps its comments, its order and its quoting; the
 * spacing is made even.
 */
import { isAlias, isCollection, isMap, isPair, isScalar, isSeq, visit, type Document, type Node } from 'yaml';
import type { PatchOperation } from '../model/json-patch.ts';
import { escaped } from './scalars.ts';
import { parseLeniently, targetsOf, toYaml, type Style } from './yaml.ts';

/**
 * @param source one document, with the separator before it
 * @returns undefined for a text that this cannot do: one with merge keys, or with a step of the path that it does not find.
 *   The caller checks that the result reads as the value that it wants: keys given twice, for one, are not looked at here.
 */
export function edited(source: string, operations: readonly PatchOperation[]): string | undefined {
  // A comment would keep the carriage return of its line.
  const text = source.replaceAll('\r\n', '\n');
  const document = parseLeniently(text);
  if (document.errors.length > 0 || !expandAliases(document)) return undefined;
  const style = styleOf(document, text);
  for (const operation of operations) if (!applyTo(document, operation)) return undefined;
  rewriteForGoYaml(document);
  const printed = document.toString({ ...style, lineWidth: 0, doubleQuotedMinMultiLineLength: Number.MAX_SAFE_INTEGER });
  // As escapes, which only texts in double quotes may have: where one stands elsewhere the result reads as another value.
  return escaped(withLastComment(printed, document.comment, text));
}

/** The library prints a blank line before the comment that ends a document, whether the text has one or not. */
function withLastComment(printed: string, comment: string | null, text: string): string {
  if (comment === null) return printed;
  const written = comment
    .split('\n')
    .map((line) => (line === '' ? '' : `#${line}`))
    .join('\n');
  const [at, before] = [printed.lastIndexOf(`\n\n${written}`), text.lastIndexOf(`\n${written}`)];
  return at < 0 || before < 1 || text[before - 1] === '\n' ? printed : printed.slice(0, at) + printed.slice(at + 1);
}

/**
 * Go-yaml takes `{a:}` for a key "a:", and refuses a block whose first line begins with a tab. The library does not print a
 * key of a block that has no value.
 */
function rewriteForGoYaml(document: Document.Parsed): void {
  visit(document, {
    Map: (_key, map) => {
      for (const pair of map.flow ? [] : map.items) pair.value ??= document.createNode('null');
      for (const { value } of map.flow ? map.items : []) if (isScalar(value) && value.source === '' && !value.tag) value.value = 'null';
    },
    Scalar: (_key, node) => {
      if (typeof node.value === 'string' && /^BLOCK/.test(node.type ?? '') && /^\n*\t/.test(node.value)) node.type = 'QUOTE_DOUBLE';
    },
  });
}

/** How the text is spaced, by the first place of each kind. */
function styleOf(document: Document.Parsed, text: string): Style & { flowCollectionPadding?: boolean } {
  const style: ReturnType<typeof styleOf> = {};
  const offsetOf = (node: unknown): number => (node as Partial<Node> | null)?.range?.[0] ?? 0;
  const columnOf = (offset: number): number => offset - (text.lastIndexOf('\n', offset - 1) + 1);
  visit(document, {
    Pair: (_key, { key, value }) => {
      if (!isCollection(value) || value.flow || value.items.length === 0) return;
      const column = columnOf(offsetOf(key));
      if (isSeq(value)) style.indentSeq ??= columnOf(text.lastIndexOf('-', offsetOf(value.items[0]) - 1)) > column;
      else {
        const deeper = columnOf(offsetOf((value.items[0] as { key: unknown }).key)) - column;
        if (deeper > 0 && deeper < 9) style.indent ??= deeper;
      }
    },
    Collection: (_key, node) => {
      if (node.flow && node.items.length > 0) style.flowCollectionPadding ??= /\s/.test(text[(node.range?.[0] ?? 0) + 1] ?? '');
    },
  });
  return style;
}

/** Copies without anchors in place of aliases: a change in one place is none in another. @returns false for a merge key */
function expandAliases(document: Document.Parsed): boolean {
  const targets = targetsOf(document);
  if (targets.size === 0) return true;
  let hasMerge = false;
  visit(document, {
    Pair: (_key, { key }) => {
      hasMerge ||= isAlias(key) || (isScalar(key) && key.type === 'PLAIN' && key.source === '<<');
    },
  });
  if (hasMerge) return false;
  visit(document, { Alias: (_key, node) => (targets.get(node) as Node).clone() as Node });
  visit(document, {
    Value: (_key, node) => {
      delete node.anchor;
    },
  });
  return true;
}

function applyTo(document: Document.Parsed, operation: PatchOperation): boolean {
  const steps = operation.path
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
  const last = steps.pop();
  if (last === undefined) return false;
  let parent: unknown = document.contents;
  for (const step of steps) {
    if (!isCollection(parent)) return false;
    // What is added is long: within braces it would be one line of thousands of characters.
    parent.flow = false;
    parent = parent.get(isSeq(parent) ? Number(step) : step, true);
  }
  if (!isCollection(parent)) return false;
  parent.flow = false;
  return isMap(parent) ? inMap(parent, last, operation) : isSeq(parent) && inList(parent, last, operation);
}

type Map = Extract<Node, { items: unknown[] }>;

function inMap(map: Map, key: string, operation: PatchOperation): boolean {
  if (!isMap(map)) return false;
  if (operation.op === 'remove') return map.delete(key);
  const pair = map.items.find((item) => isPair(item) && isScalar(item.key) && item.key.value === key);
  const made = nodeOf({ [key]: operation.value });
  if (!isMap(made)) return false;
  if (pair) pair.value = made.items[0]!.value;
  else map.items.push(made.items[0]!);
  return true;
}

function inList(list: Node, step: string, operation: PatchOperation): boolean {
  if (!isSeq(list)) return false;
  const index = step === '-' ? list.items.length : Number(step);
  if (operation.op === 'add') list.items.splice(index, 0, nodeOf(operation.value));
  else if (operation.op === 'remove') list.items.splice(index, 1);
  else list.items[index] = nodeOf(operation.value);
  return true;
}

/** By way of its text, so that its quoting is that of all that this program writes. */
const nodeOf = (value: unknown): unknown => parseLeniently(toYaml(value)).contents;
