/**
 * The YAML that programs write, read by rows: maps and lists as blocks, and texts that say plainly what they are. Manifests
 * are mostly that, and a parser of all of YAML takes fifty times as long for them. Whatever else stands in a document makes
 * all of it the other parser's (yaml.ts), and so does every error: what this one reads, that one reads as the same value.
 */
import { keyOf, scalarOf } from './scalars.ts';

/** A map or a list that has rows of its own. */
export interface Block {
  kind: 'map' | 'list';
  /** of its keys or dashes */
  column: number;
  /** whether its first entry stands behind the dash of the list that it is in */
  isCompact: boolean;
  entries: Entry[];
}

/** What a key or a dash has: the rows from `from` to before `to`, comments and blank rows around it left out. */
export interface Entry {
  /** in a map */
  key?: string;
  from: number;
  to: number;
  value: unknown;
  /** of a value that has rows of its own */
  block?: Block;
}

/** A document of blocks alone. */
export interface Blocks {
  rows: readonly string[];
  value: unknown;
  root: Block;
}

/** Thrown for what only the other parser reads. */
export class BeyondBlocks extends Error {}

/**
 * @param text one document, with the separator before it
 * @param readFlow reads what stands in braces or brackets on one row; throws BeyondBlocks
 * @returns undefined for what this does not read
 */
export function readBlocks(text: string, readFlow: (text: string) => unknown): Blocks | undefined {
  if (/[\r\ufeff]/.test(text)) return undefined;
  const rows = text.split('\n');
  if (rows.at(-1) === '') rows.pop();
  try {
    return { rows, ...new BlockReader(rows, readFlow).document() };
  } catch (error) {
    if (error instanceof BeyondBlocks) return undefined;
    throw error;
  }
}

type Read = Pick<Entry, 'value' | 'block'>;

const deepest = 100;
const separator = /^---(?: +#.*| *)$/;
const reserved = /^(?:---|\.\.\.)(?:\s|$)/;
const plainStart = /[^\s\-?:,[\]{}#&*!|>'"%@`]|[-?:](?=[^\s,[\]{}])/y;
const doubleQuoted = /"(?:[^"\\\t]|\\["\\nt])*"/y;
const singleQuoted = /'(?:[^']|'')*'/y;
const nothingMore = / *$| +#/y;
const leftOut = /:\s*[,}\]]/;

class BlockReader {
  private readonly rows: readonly string[];
  private readonly readFlow: (text: string) => unknown;
  /** where the next content begins; column -1 at the end */
  private row = 0;
  private column = -1;
  /** the row after the last one of what was read */
  private end = 0;
  private depth = 0;

  constructor(rows: readonly string[], readFlow: (text: string) => unknown) {
    this.rows = rows;
    this.readFlow = readFlow;
  }

  document(): { value: unknown; root: Block } {
    const first = this.rows.findIndex((row) => !/^ *(?:#|$)/.test(row));
    this.advance(first >= 0 && separator.test(this.rows[first]!) ? first + 1 : 0);
    if (this.column < 0) throw new BeyondBlocks();
    const { value, block } = this.block(false);
    if (this.column >= 0 || !block) throw new BeyondBlocks();
    return { value, root: block };
  }

  /** To the next row that has content. */
  private advance(row: number): void {
    for (this.row = row; this.row < this.rows.length; this.row++) {
      const text = this.rows[this.row]!;
      this.column = indentOf(text);
      if (this.column === text.length || text[this.column] === '#') continue;
      if (this.column === 0 && reserved.test(text)) throw new BeyondBlocks();
      return;
    }
    this.column = -1;
  }

  private block(isCompact: boolean): Read {
    if (++this.depth > deepest) throw new BeyondBlocks();
    const read = this.isDash(this.column) ? this.list(isCompact) : this.map(isCompact);
    this.depth--;
    return read;
  }

  private isDash(column: number): boolean {
    const text = this.rows[this.row] ?? '';
    return text[column] === '-' && (text[column + 1] === ' ' || column + 1 === text.length);
  }

  private list(isCompact: boolean): Read {
    const { column } = this;
    const [value, entries]: [unknown[], Entry[]] = [[], []];
    while (this.column === column && this.isDash(column)) {
      const from = this.row;
      const at = blanksAfter(this.rows[from]!, column + 1);
      const item = this.isDash(at) || keyAt(this.rows[from]!, at) ? this.compact(at) : this.value(at, column, false);
      value.push(item.value);
      entries.push({ from, to: this.end, ...item });
    }
    if (this.column > column) throw new BeyondBlocks();
    return { value, block: { kind: 'list', column, isCompact, entries } };
  }

  private compact(at: number): Read {
    this.column = at;
    return this.block(true);
  }

  private map(isCompact: boolean): Read {
    const { column } = this;
    const [value, entries]: [Record<string, unknown>, Entry[]] = [{}, []];
    while (this.column === column && !this.isDash(column)) {
      const from = this.row;
      const found = keyAt(this.rows[from]!, column);
      // Given twice, or the name of what every object has.
      if (!found || value[found.key] !== undefined) throw new BeyondBlocks();
      const item = this.value(blanksAfter(this.rows[from]!, found.end), column, true);
      value[found.key] = item.value;
      entries.push({ key: found.key, from, to: this.end, ...item });
    }
    if (this.column > column) throw new BeyondBlocks();
    return { value, block: { kind: 'map', column, isCompact, entries } };
  }

  /** @param at where it begins on this row, or the row's end @param column of the key or dash that has it */
  private value(at: number, column: number, isInMap: boolean): Read {
    const first = this.rows[this.row]![at];
    if (first === undefined || first === '#') return this.below(column, isInMap);
    const value = this.scalar(first, at, column);
    this.advance(this.end);
    return { value };
  }

  private below(column: number, isInMap: boolean): Read {
    this.end = this.row + 1;
    this.advance(this.end);
    if (this.column > column || (isInMap && this.column === column && this.isDash(column))) return this.block(false);
    return { value: null };
  }

  private scalar(first: string, at: number, column: number): unknown {
    this.end = this.row + 1;
    const text = this.rows[this.row]!;
    if (first === '"') return JSON.parse(alone(doubleQuoted, text, at)) as unknown;
    if (first === "'") return unquoted(alone(singleQuoted, this.untilQuote(text.slice(at), column), 0));
    if (first === '|') return this.literal(text.slice(at), column);
    if (first === '{' || first === '[') return this.flow(text.slice(at));
    if (!isPlainAt(text, at)) throw new BeyondBlocks();
    const value = scalarOf(this.plain(text.slice(at), column));
    if (typeof value === 'number' && !Number.isFinite(value)) throw new BeyondBlocks();
    return value;
  }

  private flow(text: string): unknown {
    if (leftOut.test(text)) throw new BeyondBlocks();
    return this.readFlow(text);
  }

  /** A text in single quotes, with the rows that it goes on in. */
  private untilQuote(text: string, column: number): string {
    const parts = [text];
    for (let last = text.slice(1); !last.replaceAll("''", '').includes("'"); this.end++) parts.push((last = this.further(column)));
    return folded(parts);
  }

  private plain(text: string, column: number): string {
    const parts = [text];
    while (this.goesOn(column) && !parts.at(-1)!.includes(' #')) {
      parts.push(this.further(column));
      this.end++;
    }
    const last = parts.pop()!;
    const comment = last.indexOf(' #');
    const all = folded([...parts, comment < 0 ? last : last.slice(0, comment)]);
    if (all.includes(': ') || all.endsWith(':') || all.includes('\t')) throw new BeyondBlocks();
    return all;
  }

  private goesOn(column: number): boolean {
    const text = this.rows[this.end] ?? '';
    const indent = indentOf(text);
    return indent > column && indent < text.length && text[indent] !== '#';
  }

  /** The row that a text goes on in. */
  private further(column: number): string {
    if (!this.goesOn(column)) throw new BeyondBlocks();
    const part = this.rows[this.end]!;
    if (part.includes('\t') || withoutBlanks(part).endsWith(':')) throw new BeyondBlocks();
    return part;
  }

  private literal(header: string, column: number): string {
    const chomping = /^\|([-+]?)$/.exec(header)?.[1];
    const first = this.rows[this.end] ?? '';
    const indent = indentOf(first);
    if (chomping === undefined || indent <= column || indent === first.length || first[indent] === '\t') throw new BeyondBlocks();
    const lines: string[] = [];
    for (let row = this.end; row < this.rows.length; row++) {
      const text = this.rows[row]!;
      const own = indentOf(text);
      if (text !== '') {
        // Readers differ about rows of blanks alone.
        if (own === text.length) throw new BeyondBlocks();
        if (own < indent) break;
      }
      lines.push(text.slice(indent));
    }
    const content = lines.findLastIndex((line) => line !== '') + 1;
    const kept = chomping === '+' ? lines.length : content;
    this.end += kept;
    return `${lines.slice(0, kept).join('\n')}${chomping === '-' ? '' : '\n'}`;
  }
}

/** The key that begins at a column, and where the colon after it ends; undefined where none is. */
function keyAt(text: string, column: number): { key: string; end: number } | undefined {
  const first = text[column];
  if (first === '"' || first === "'") {
    const quoted = matches(first === '"' ? doubleQuoted : singleQuoted, text, column);
    if (quoted === undefined || text.length > 1000) throw new BeyondBlocks();
    const end = column + quoted.length;
    if (text[end] !== ':' || (end + 1 < text.length && text[end + 1] !== ' ')) return undefined;
    return { key: first === '"' ? (JSON.parse(quoted) as string) : unquoted(quoted), end: end + 1 };
  }
  let end = text.indexOf(': ', column);
  if (end < 0 && text.endsWith(':')) end = text.length - 1;
  if (end <= column) return undefined;
  if (!isPlainAt(text, column)) return undefined;
  const plain = text.slice(column, end);
  const key = keyOf(scalarOf(plain));
  if (key === undefined || plain === '<<' || plain.length > 1000 || plain.endsWith(' ') || plain.includes(' #') || plain.includes('\t'))
    throw new BeyondBlocks();
  return { key, end: end + 1 };
}

function isPlainAt(text: string, at: number): boolean {
  plainStart.lastIndex = at;
  return plainStart.test(text);
}

function matches(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0];
}

/** What a pattern finds, with nothing but a comment after it. */
function alone(pattern: RegExp, text: string, at: number): string {
  const found = matches(pattern, text, at);
  if (found === undefined || matches(nothingMore, text, at + found.length) === undefined) throw new BeyondBlocks();
  return found;
}

const unquoted = (text: string): string => text.slice(1, -1).replaceAll("''", "'");

/** The rows of one text: the blanks around a line's end are one. */
const folded = (parts: readonly string[]): string => (parts.length === 1 ? withoutBlanks(parts[0]!) : parts.map(withoutBlanks).join(' '));

const indentOf = (text: string): number => blanksAfter(text, 0);

function blanksAfter(text: string, at: number): number {
  while (text.charCodeAt(at) === 0x20) at++;
  return at;
}

/** Not `trim`, for which more than blanks is space. */
function withoutBlanks(text: string): string {
  let end = text.length;
  while (end > 0 && text.charCodeAt(end - 1) === 0x20) end--;
  return text.slice(Math.min(indentOf(text), end), end);
}
