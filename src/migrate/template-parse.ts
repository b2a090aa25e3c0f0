/** The structure of a Go template: texts, actions, and blocks that end in `{{ end }}`. */

export type TemplateNode =
  | { kind: 'text'; text: string }
  | ({ kind: 'value'; words: string[] } & Written)
  | ({ kind: 'range'; variables: string[]; words: string[]; body: TemplateNode[] } & Written)
  /** a block that is not known: with all that is in it */
  | ({ kind: 'unknown' } & Written);

/** An action as it is written, its first 80 characters, and the line that it begins at, from 1. */
export interface Written {
  source: string;
  line: number;
}

/** An action for people: on one line, without the texts in quotes, which may be secrets. */
export const shown = (source: string): string =>
  source.replaceAll(/"(?:\\.|[^"\\])*(?:"|\\?$)|`[^`]*(?:`|$)/gs, '"…"').replaceAll(/\s+/g, ' ');

interface Action {
  words: string[];
  source: string;
  trimsBefore: boolean;
  trimsAfter: boolean;
  /** where the text goes on */
  end: number;
}

type Block = { words: string[] } & Written;

const blocks = ['range', 'if', 'with', 'define', 'block'];
const deepest = 50;

/** @throws SyntaxError for what is not closed, or nested more than 50 deep */
export function parseTemplate(text: string): TemplateNode[] {
  const open: { nodes: TemplateNode[]; block?: Block }[] = [{ nodes: [] }];
  let at = 0;
  let line = 1;
  let trims = false;
  for (;;) {
    const start = text.indexOf('{{', at);
    let part = text.slice(at, start < 0 ? text.length : start);
    line += linesIn(part);
    const action = start < 0 ? undefined : actionAt(text, start, line);
    if (trims) part = part.trimStart();
    if (action?.trimsBefore) part = part.trimEnd();
    const top = open.at(-1)!;
    if (part !== '') top.nodes.push({ kind: 'text', text: part });
    if (!action) break;
    at = action.end;
    trims = action.trimsAfter;
    const { words, source } = action;
    const written = { words, source, line };
    line += linesIn(text.slice(start, action.end));
    const [head = ''] = words;
    if (words.length === 0) continue;
    if (blocks.includes(head)) {
      if (open.length > deepest) throw new SyntaxError('its template is nested too deeply');
      open.push({ nodes: [], block: written });
    } else if (head === 'end') {
      if (!top.block) throw new SyntaxError(`its template has an {{ end }} too many (line ${written.line})`);
      open.pop();
      open.at(-1)!.nodes.push(blockOf(top.block, top.nodes));
    } else top.nodes.push({ kind: 'value', ...written });
  }
  const unclosed = open.at(-1)!.block;
  if (unclosed) throw new SyntaxError(`${shown(unclosed.source)} of its template (line ${unclosed.line}) has no {{ end }}`);
  return open[0]!.nodes;
}

const linesIn = (text: string): number => text.split('\n').length - 1;

/** `range $i, $v := …`, `range $v := …` or `range …`, without `else`. */
function blockOf({ words, source, line }: Block, body: TemplateNode[]): TemplateNode {
  const assignment = words.indexOf(':=');
  const variables = assignment < 0 ? [] : words.slice(1, assignment).filter((word) => word !== ',');
  const hasElse = body.some((node) => node.kind === 'value' && node.words[0] === 'else');
  const isKnown = words[0] === 'range' && !hasElse && variables.length <= 2 && variables.every((name) => name.startsWith('$'));
  if (!isKnown) return { kind: 'unknown', source, line };
  return { kind: 'range', variables, words: words.slice(assignment < 0 ? 1 : assignment + 1), body, source, line };
}

/** @throws SyntaxError for an action without an end */
function actionAt(text: string, start: number, line: number): Action {
  let at = start + 2;
  const trimsBefore = text[at] === '-' && /\s/.test(text[at + 1] ?? '');
  if (trimsBefore) at++;
  const comment = /^\s*\/\*/.test(text.slice(at, at + 20)) ? text.indexOf('*/', at) : -1;
  if (comment >= 0) at = comment + 2;
  const words: string[] = [];
  for (;;) {
    while (/[\s]/.test(text[at] ?? '')) at++;
    const isTrim = text.startsWith('-}}', at);
    if (isTrim || text.startsWith('}}', at)) {
      const end = at + (isTrim ? 3 : 2);
      return { words, source: text.slice(start, Math.min(end, start + 80)), trimsBefore, trimsAfter: isTrim, end };
    }
    const word = wordAt(text, at);
    if (word === undefined)
      throw new SyntaxError(`${shown(text.slice(start, start + 40).split('\n')[0]!)} of its template (line ${line}) is not closed`);
    words.push(word);
    at += word.length;
  }
}

function wordAt(text: string, at: number): string | undefined {
  const character = text[at];
  if (character === undefined) return undefined;
  if (text.startsWith(':=', at)) return ':=';
  if (',()|'.includes(character)) return character;
  if (character === '"' || character === '`') return quotedAt(text, at, character);
  let end = at;
  while (end < text.length && !/[\s,()|"`]/.test(text[end]!) && !text.startsWith('}}', end) && !text.startsWith(':=', end)) end++;
  return end > at ? text.slice(at, end) : undefined;
}

function quotedAt(text: string, start: number, quote: string): string | undefined {
  for (let at = start + 1; at < text.length; at++) {
    if (quote === '"' && text[at] === '\\') at++;
    else if (text[at] === quote) return text.slice(start, at + 1);
    else if (quote === '"' && text[at] === '\n') return undefined;
  }
  return undefined;
}
