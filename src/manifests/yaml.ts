/** YAML as kubectl reads it, to plain values and back. */
import { isAlias, isMap, isPair, isScalar, isSeq, parseDocument, stringify, visit, type Document, type ScalarTag, type Tags } from 'yaml';
import { stringifyString } from 'yaml/util';
import { BeyondBlocks, readBlocks, type Blocks } from './blocks.ts';
import { escaped, isSpecial, keyOf, needsQuotes, scalarOf, type Scalar } from './scalars.ts';

/** A text that kubectl does not read. `offset` is where, in characters. */
export class YamlError extends Error {
  readonly offset: number;

  constructor(message: string, offset: number) {
    super(message);
    this.offset = offset;
  }
}

/**
 * The value of one document; undefined for one of comments only. Every alias becomes a copy of its own: what is
 * changed later in one place does not change in another.
 * @throws YamlError
 */
export const parseYaml = (text: string): unknown => readYaml(text).value;

/** As parseYaml, with the blocks of a document that has nothing else. */
export function readYaml(text: string): { value: unknown; blocks?: Blocks } {
  try {
    checkCharacters(text);
    const blocks = readBlocks(text, parseFlow);
    return blocks ? { value: blocks.value, blocks } : { value: parseWhole(text) };
  } catch (error) {
    if (error instanceof RangeError || (error as Error).message.startsWith('Maximum call stack')) throw new YamlError('nested too deeply', 0);
    throw error;
  }
}

function parseFlow(text: string): unknown {
  if (text === '{}') return {};
  if (text === '[]') return [];
  try {
    return parseWhole(text);
  } catch (error) {
    if (error instanceof YamlError) throw new BeyondBlocks();
    throw error;
  }
}

/** By a parser of all of YAML. @throws YamlError */
export function parseWhole(text: string): unknown {
  const document = parseLeniently(text);
  const [error] = document.errors;
  if (error) throw new YamlError(error.code === 'MULTIPLE_DOCS' ? afterEnd : error.message, error.pos[0]);
  return new Values(targetsOf(document)).of(document.contents) ?? undefined;
}

/**
 * go-yaml ends lines, and comments, at a carriage return, U+0085, U+2028 and U+2029 too, which this parser takes for text;
 * and takes a byte order mark at the start of a line for text, which this parser drops: the value would be another one.
 * Other control characters it refuses.
 */
function checkCharacters(text: string): void {
  const offset = text.search(/\r(?!\n)|(?<=\n)\ufeff|[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff]/);
  if (offset < 0) return;
  const code = text.charCodeAt(offset).toString(16).padStart(4, '0');
  throw new YamlError(`the character U+${code.toUpperCase()} ${characterProblem(text[offset]!, `write it in double quotes as "\\u${code}"`)}`, offset);
}

function characterProblem(character: string, remedy: string): string {
  if (character === '\ufeff') return '(a byte order mark) is a part of the text there to kubectl; remove it';
  if (/[\r\x85\u2028\u2029]/.test(character)) return `is the end of a line to kubectl; end lines with a line feed, or ${remedy}`;
  return `is a control character, which kubectl refuses; ${remedy}`;
}

const afterEnd = 'there is more text after "...", which kubectl would not read; separate documents by "---"';

const parse = (text: string) =>
  parseDocument(text, { schema: 'failsafe', version: '1.1', uniqueKeys: false, prettyErrors: false, stringKeys: false, logLevel: 'error' });

/** So many lines of a document may be indented less than YAML 1.2 wants. */
const mostRepairs = 200;
const tooLittleIndented = /^Missing closing ["']quote|^Flow (map|sequence) in block collection must be sufficiently indented/;

/**
 * YAML 1.2 wants the further lines of quoted texts and of flow collections indented more than their parent, and
 * go-yaml does not. Space at the start of such a line means nothing, so it is added where it is missed.
 */
export function parseLeniently(text: string): Document.Parsed {
  let document = parse(text);
  let repaired = text;
  for (let repairs = 0; repairs < mostRepairs; repairs++) {
    const [error] = document.errors;
    if (!error || !tooLittleIndented.test(error.message)) return document;
    // A quoted text is cut at the end of the line before.
    const offset = error.code === 'MISSING_CHAR' ? repaired.indexOf('\n', error.pos[0]) + 1 : repaired.lastIndexOf('\n', error.pos[0]) + 1;
    if (offset === 0 || offset >= repaired.length || /^(---|\.\.\.)/.test(repaired.slice(offset, offset + 3))) return parse(text);
    const indent = ' '.repeat(200);
    if (repaired.startsWith(indent, offset)) return parse(text);
    repaired = repaired.slice(0, offset) + indent + repaired.slice(offset);
    document = parse(repaired);
  }
  return parse(text);
}

/** What each alias stands for: the anchor of its name that was seen last. */
export function targetsOf(document: Document.Parsed): Map<unknown, unknown> {
  const anchors = new Map<string, unknown>();
  const targets = new Map<unknown, unknown>();
  visit(document, {
    Alias: (_key, node) => {
      if (!anchors.has(node.source)) throw new YamlError(`unknown anchor "${node.source}"`, node.range?.[0] ?? 0);
      targets.set(node, anchors.get(node.source));
    },
    Value: (_key, node) => {
      if (node.anchor !== undefined) anchors.set(node.anchor, node);
    },
  });
  return targets;
}

const deepest = 1000;

/** The values of one document's nodes, with go-yaml's bound on what aliases may make of it (decode.go). */
class Values {
  private readonly targets: ReadonlyMap<unknown, unknown>;
  private readonly open = new Set<unknown>();
  private all = 0;
  private aliased = 0;
  private depth = 0;

  constructor(targets: ReadonlyMap<unknown, unknown>) {
    this.targets = targets;
  }

  of(node: unknown): unknown {
    this.count(node);
    if (isAlias(node)) return this.inAlias(node, () => this.of(this.targets.get(node)));
    if (isScalar(node)) return this.scalar(node);
    if (++this.depth > deepest) throw new YamlError('nested too deeply', offsetOf(node));
    try {
      if (isSeq(node)) return node.items.map((item) => this.of(item) ?? null);
      return isMap(node) ? this.fill({}, node) : undefined;
    } finally {
      this.depth--;
    }
  }

  private count(node: unknown): void {
    this.all++;
    if (this.open.size > 0) this.aliased++;
    const range = 4_000_000 - 400_000;
    const allowed = 0.99 - 0.89 * Math.min(1, Math.max(0, (this.all - 400_000) / range));
    if (this.aliased > 100 && this.all > 1000 && this.aliased / this.all > allowed)
      throw new YamlError('document contains excessive aliasing', offsetOf(node));
  }

  private inAlias<T>(node: unknown, evaluate: () => T): T {
    const target = this.targets.get(node);
    if (this.open.has(target)) throw new YamlError('an anchor contains itself', offsetOf(node));
    this.open.add(target);
    try {
      return evaluate();
    } finally {
      this.open.delete(target);
    }
  }

  private scalar(node: { value: unknown; source?: string; tag?: string; type?: string }): Scalar {
    const text = node.source ?? (typeof node.value === 'string' ? node.value : '');
    const value = tagged(text, node.tag, node.type === 'PLAIN' || node.type === undefined);
    if (value === undefined) throw new YamlError(`cannot decode ${JSON.stringify(text.slice(0, 60))} as a ${node.tag}`, offsetOf(node));
    if (typeof value === 'number' && !Number.isFinite(value)) throw new YamlError(`${text} is no value of JSON; put it in quotes`, offsetOf(node));
    return value;
  }

  /** Later keys replace earlier ones, merged ones too. */
  private fill(target: object, map: { items: unknown[] }): object {
    for (const pair of map.items) {
      if (!isPair(pair)) continue;
      if (isMergeKey(pair.key)) {
        this.merge(target, pair.value);
        continue;
      }
      const key = pair.key == null ? null : this.of(pair.key);
      const name = typeof key === 'object' && key !== null ? undefined : keyOf(key as Scalar);
      if (name === undefined) throw new YamlError('a key must be a text, a number or true or false', offsetOf(pair.key ?? pair.value));
      const value = this.of(pair.value) ?? null;
      // Not by assignment, for which a key "__proto__" would be the prototype.
      Object.defineProperty(target, name, { value, enumerable: true, configurable: true, writable: true });
    }
    return target;
  }

  private merge(target: object, node: unknown): void {
    this.count(node);
    if (isAlias(node)) return this.inAlias(node, () => this.merge(target, this.targets.get(node)));
    if (isMap(node)) return void this.fill(target, node);
    const list = isSeq(node) ? node.items : undefined;
    if (!list?.every((item) => isMap(item) || isAlias(item))) throw new YamlError('map merge requires map or sequence of maps as the value', offsetOf(node));
    for (const item of [...list].reverse()) this.merge(target, item);
  }
}

const isMergeKey = (key: unknown): boolean => isScalar(key) && key.type === 'PLAIN' && key.source === '<<';
const offsetOf = (node: unknown): number => (node as { range?: [number] } | null | undefined)?.range?.[0] ?? 0;

const core = 'tag:yaml.org,2002:';
const typesOf: Record<string, (value: Scalar) => boolean> = {
  [`${core}bool`]: (value) => typeof value === 'boolean',
  [`${core}int`]: (value) => typeof value === 'bigint' || Number.isInteger(value),
  [`${core}float`]: (value) => typeof value === 'number',
  [`${core}null`]: (value) => value === null,
};

/** undefined where the text is not what its tag says. Tags that nobody knows leave a text. */
function tagged(text: string, tag: string | undefined, isPlain: boolean): Scalar | undefined {
  if (tag === undefined) return isPlain ? scalarOf(text) : text;
  if (tag === `${core}binary`) return Buffer.from(text, 'base64').toString();
  if (!Object.hasOwn(typesOf, tag)) return text;
  const value = scalarOf(text);
  return typesOf[tag]!(value) ? value : undefined;
}

/** go-yaml finds the indentation of a block by its first line, where a blank or a tab would mislead it. */
const isBlock = (text: string): boolean => text.includes('\n') && /^[^\s]/.test(text) && !/\n\t|[ \t]\n|[ \t]$/.test(text);

function tagsFor(tags: Tags): Tags {
  const text: ScalarTag = {
    tag: `${core}str`,
    default: true,
    identify: (value) => typeof value === 'string',
    resolve: (value: string) => value,
    stringify: (item, context, onComment, onChompKeep) => {
      const value = String(item.value);
      if (isSpecial(value) || (value.includes('\n') && !isBlock(value))) return escaped(JSON.stringify(value));
      return stringifyString({ ...item, value }, { ...context, actualString: true }, onComment, onChompKeep);
    },
  };
  const otherwise: ScalarTag = { tag: `${core}other`, default: true, test: { test: needsQuotes } as unknown as RegExp, resolve: (value: string) => value };
  return [...tags.filter((tag) => typeof tag === 'string' || tag.tag !== text.tag), text, otherwise];
}

/** How YAML is spaced; as the library does it where nothing is said. */
export interface Style {
  indent?: number;
  /** whether a list is indented more than its key */
  indentSeq?: boolean;
}

/** YAML that kubectl, and readers of YAML 1.1 or 1.2, read back as the same value. */
export const toYaml = (value: unknown, style: Style = {}): string =>
  stringify(value, { ...style, version: '1.2', customTags: tagsFor, lineWidth: 0, aliasDuplicateObjects: false, doubleQuotedMinMultiLineLength: Number.MAX_SAFE_INTEGER });
