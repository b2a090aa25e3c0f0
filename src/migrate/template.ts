/**
 * Go templates in a configuration, as far as frp documents them: environment variables, and `range` over parseNumberRange and
 * parseNumberRangePair (frp pkg/config/template.go). What is beyond that is left empty, as frp leaves an unset variable, and named.
 */
import { parseTemplate, type TemplateNode, type Written } from './template-parse.ts';
import { numbersOf } from './ranges.ts';

/** What Go's template engine writes for a variable that is not set. */
export const noValue = '<no value>';

export interface Expanded {
  text: string;
  /** environment variables that the text reads and that are not set */
  unset: string[];
  /** actions that are not expanded, each at its first place */
  unknown: Written[];
}

type Item = number | { First: number; Second: number };
type Value = string | Item | Item[];

/** A configuration that grows beyond this is no configuration. */
const largest = 4 * 1024 * 1024;
/** Of all ranges together; a range may stand in another one. */
const mostTurns = 200_000;

/**
 * @param environment read for the variables that the text names, and for no other
 * @throws RangeError for a text that would become larger than 4 MiB or whose ranges are too long, SyntaxError for one that Go refuses
 */
export function expandTemplate(text: string, environment: Readonly<Record<string, string | undefined>>): Expanded {
  if (!text.includes('{{')) return { text, unset: [], unknown: [] };
  const unset = new Set<string>();
  const unknown = new Map<string, Written>();
  const pass = ({ source, line }: Written): void => {
    if (!unknown.has(source)) unknown.set(source, { source, line });
  };
  const out: string[] = [];
  let size = 0;
  let turns = 0;
  const write = (part: string): void => {
    size += part.length;
    if (size > largest) throw new RangeError('its template makes more than 4 MiB of it');
    out.push(part);
  };
  const envOf = (name: string): string | undefined => {
    const value = Object.hasOwn(environment, name) ? environment[name] : undefined;
    if (value === undefined) unset.add(name);
    return value;
  };

  const turn = (body: readonly TemplateNode[], scope: ReadonlyMap<string, Value>): void => {
    if (++turns > mostTurns) throw new RangeError('the ranges of its template have more than 200,000 numbers');
    walk(body, scope);
  };
  const walk = (nodes: readonly TemplateNode[], scope: ReadonlyMap<string, Value>): void => {
    for (const node of nodes) {
      if (node.kind === 'text') write(node.text);
      else if (node.kind === 'unknown') pass(node);
      else if (node.kind === 'value') {
        const value = evaluate(node.words, scope, envOf);
        if (value === undefined) pass(node);
        write(value === undefined || typeof value === 'object' ? noValue : String(value));
      } else {
        const items = evaluate(node.words, scope, envOf);
        if (!Array.isArray(items)) pass(node);
        else for (const [index, item] of items.entries()) turn(node.body, scopeOf(node.variables, index, item, scope));
      }
    }
  };
  walk(parseTemplate(text), new Map());
  return { text: out.join(''), unset: [...unset], unknown: [...unknown.values()] };
}

function scopeOf(variables: readonly string[], index: number, item: Item, outer: ReadonlyMap<string, Value>): Map<string, Value> {
  const scope = new Map(outer).set('.', item);
  if (variables.length > 1) scope.set(variables[0]!, index);
  const last = variables.at(-1);
  return last === undefined ? scope : scope.set(last, item);
}

/** The value of an action's words; undefined for what is not known here. */
function evaluate(
  words: readonly string[],
  scope: ReadonlyMap<string, Value>,
  envOf: (name: string) => string | undefined,
): Value | undefined {
  const [head = '', ...rest] = words;
  const texts = rest.map((word) => evaluate([word], scope, envOf)).filter((value) => typeof value === 'string');
  const ranges = texts.map(numbersOf);
  if (texts.length !== rest.length) return head === 'index' ? indexed(rest, envOf) : undefined;
  if (head === 'parseNumberRange' && rest.length === 1) return ranges[0];
  if (head === 'parseNumberRangePair' && rest.length === 2) {
    const [first, second] = ranges;
    return first && second && first.length === second.length
      ? first.map((number, at) => ({ First: number, Second: second[at]! }))
      : undefined;
  }
  if (rest.length > 0) return undefined;
  if (/^["`]/.test(head)) return head.slice(1, -1).replaceAll(/\\(["\\])/g, '$1');
  if (/^[0-9]{1,9}$/.test(head)) return Number(head);
  const env = /^\$?\.Envs\.([A-Za-z0-9_]+)$/.exec(head)?.[1];
  if (env !== undefined) return envOf(env) ?? noValue;
  return fieldOf(head, scope);
}

/** `index .Envs "NAME"`, for names that are no identifiers. */
function indexed([map, key = '']: readonly string[], envOf: (name: string) => string | undefined): string | undefined {
  return map === '.Envs' && /^".*"$/.test(key) ? (envOf(key.slice(1, -1)) ?? noValue) : undefined;
}

function fieldOf(word: string, scope: ReadonlyMap<string, Value>): Value | undefined {
  const [, name = '', field] = /^(\$[A-Za-z0-9_]*|\.)(?:\.?(First|Second))?$/.exec(word) ?? [];
  const value = scope.get(name);
  if (field === undefined) return value;
  return typeof value === 'object' && !Array.isArray(value) ? value[field as 'First' | 'Second'] : undefined;
}
