/** A patch of a document that programs write, by rows: what it does not touch stays as it was, to the last blank. */
import jsonpatch, { type Operation } from 'fast-json-patch';
import type { PatchOperation } from '../model/json-patch.ts';
import type { Block, Blocks, Entry } from './blocks.ts';
import { escaped } from './scalars.ts';
import { toYaml, type Style } from './yaml.ts';

/** An entry that is to be written anew; one that is not in the source begins and ends at the row that it comes before. */
type Piece = Entry & { isChanged?: true };

/**
 * @param blocks changed by this, and of no use after it
 * @returns the text; undefined for a change of what shares its row with something else. The caller checks that the result
 *   reads as the value that it wants.
 */
export function spliced({ rows, root }: Blocks, operations: readonly PatchOperation[]): string | undefined {
  const style = styleOf(root);
  const removed: Entry[] = [];
  for (const operation of operations) if (!applyTo(root, operation, removed)) return undefined;
  const changes = [...removed.map(({ from, to }) => ({ from, to, text: [] })), ...changesIn(root, style)].sort((a, b) => a.from - b.from);
  const result: string[] = [];
  let next = 0;
  for (const { from, to, text } of changes) {
    for (; next < from; next++) result.push(rows[next]!);
    result.push(...text);
    next = Math.max(next, to);
  }
  for (; next < rows.length; next++) result.push(rows[next]!);
  return `${result.join('\n')}\n`;
}

interface Place {
  block: Block;
  entry: Piece | undefined;
}

function applyTo(root: Block, operation: PatchOperation, removed: Entry[]): boolean {
  const steps = operation.path.split('/').slice(1).map(jsonpatch.unescapePathComponent);
  let holder: Place | undefined;
  let block = root;
  for (const [index, step] of steps.entries()) {
    const { kind, entries } = block;
    const entry = kind === 'map' ? entries.find(({ key }) => key === step) : entries[step === '-' ? entries.length : Number(step)];
    const place: Place = { block, entry };
    if (index === steps.length - 1) return operation.op === 'remove' ? remove(place, holder, removed) : put(place, step, operation);
    if (!entry) return false;
    if (!entry.block) return within(place, `/${operation.path.split('/').slice(index + 2).join('/')}`, operation);
    holder = place;
    block = entry.block;
  }
  return false;
}

/** @param holder what has the block as its value; without entries it becomes `{}` or `[]` */
function remove({ block, entry }: Place, holder: Place | undefined, removed: Entry[]): boolean {
  if (!entry || sharesRow(block, entry)) return false;
  removed.push(entry);
  block.entries.splice(block.entries.indexOf(entry), 1);
  return block.entries.length > 0 || (holder !== undefined && rewrite(holder, block.kind === 'map' ? {} : []));
}

function put({ block, entry }: Place, step: string, { op, value }: Exclude<PatchOperation, { op: 'remove' }>): boolean {
  return op === 'add' && (block.kind === 'list' || !entry) ? insert(block, entry, step, value) : rewrite({ block, entry }, value);
}

function rewrite({ block, entry }: Place, value: unknown): boolean {
  if (!entry || sharesRow(block, entry)) return false;
  entry.value = value;
  entry.isChanged = true;
  delete entry.block;
  return true;
}

/** @param before what comes after it, in a list */
function insert(block: Block, before: Piece | undefined, step: string, value: unknown): boolean {
  const index = before ? block.entries.indexOf(before) : block.entries.length;
  if (index === 0 && block.isCompact) return false;
  const at = index === 0 ? block.entries[0]!.from : block.entries[index - 1]!.to;
  const made: Piece = { ...(block.kind === 'map' && { key: step }), from: at, to: at, value, isChanged: true };
  block.entries.splice(index, 0, made);
  return true;
}

/** A change within what has no rows of its own: an empty map or list, or what an operation before has written. */
function within(place: Place, path: string, operation: PatchOperation): boolean {
  const { value, isChanged } = place.entry!;
  const isEmpty = typeof value === 'object' && value !== null && Object.keys(value).length === 0;
  if (!isEmpty && !isChanged) return false;
  return rewrite(place, jsonpatch.applyOperation(structuredClone(value), { ...operation, path } as Operation).newDocument);
}

const sharesRow = (block: Block, entry: Entry): boolean => block.isCompact && block.entries[0] === entry;

function* changesIn(block: Block, style: Style): Generator<{ from: number; to: number; text: string[] }> {
  for (const { key, from, to, value, isChanged, block: inner } of block.entries as Piece[]) {
    if (isChanged) yield { from, to, text: [written(key === undefined ? [value] : { [key]: value }, block.column, style)] };
    else if (inner) yield* changesIn(inner, style);
  }
}

const writtenBefore = new Map<string, string>();

/** Pods of one workload get the same, and to write it takes longer than to read the Pod. */
function written(value: unknown, column: number, style: Style): string {
  const key = JSON.stringify([value, column, style], (_key, item: unknown) => (typeof item === 'bigint' ? `${item}n` : item));
  const known = writtenBefore.get(key);
  if (known !== undefined) return known;
  const indent = ' '.repeat(column);
  const text = escaped(toYaml(value, style))
    .slice(0, -1)
    .split('\n')
    .map((row) => (row === '' ? '' : indent + row))
    .join('\n');
  if (writtenBefore.size >= 1000) writtenBefore.clear();
  writtenBefore.set(key, text);
  return text;
}

/** How the text is spaced, by the first place of each kind. */
function styleOf(block: Block): Style {
  const style: Style = {};
  const blocks = [block];
  for (const outer of blocks) {
    if (style.indent !== undefined && style.indentSeq !== undefined) break;
    for (const { block: inner } of outer.entries) {
      if (inner) blocks.push(inner);
      if (!inner || outer.kind === 'list') continue;
      const deeper = inner.column - outer.column;
      if (inner.kind === 'list') style.indentSeq ??= deeper > 0;
      else style.indent ??= Math.min(deeper, 8);
    }
  }
  return style;
}
