/** JSON with its integers whole, and the objects of a stream. */
import { escaped, isSpecial } from './scalars.ts';

/** @throws SyntaxError. Integers beyond 2^53 are bigint. */
export function parseJson(text: string): unknown {
  if (!/[0-9]{16}/.test(text)) return JSON.parse(text) as unknown;
  return JSON.parse(text, function (_key, value: unknown, context?: { source?: string }) {
    const source = context?.source ?? '';
    return typeof value === 'number' && !Number.isSafeInteger(value) && /^-?[0-9]+$/.test(source) ? BigInt(source) : value;
  } as (key: string, value: unknown) => unknown) as unknown;
}

const raw = (JSON as unknown as { rawJSON: (text: string) => unknown }).rawJSON;

/** Two blanks of indentation, a line feed at the end. */
export const toJson = (value: unknown): string =>
  `${JSON.stringify(value, (_key, item: unknown) => (typeof item === 'bigint' ? raw(String(item)) : item), 2)}\n`;

/** The value as a webhook would have it: what JSON.parse makes of integers beyond 2^53. */
export function asReviewed<T>(value: T): T {
  if (typeof value === 'bigint') return Number(value) as T;
  if (Array.isArray(value)) return value.map(asReviewed) as T;
  if (typeof value !== 'object' || value === null) return value;
  // Not assigned one by one: a key may be __proto__.
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, asReviewed(item) as unknown])) as T;
}

/**
 * The same JSON, so that a reader of YAML 1.1 takes it for the same value: it knows
 * neither pairs of \u escapes nor "\/", and more line breaks.
 */
export function jsonAsYaml(source: string, value: unknown): string {
  return /\\(\/|u[dD][89abAB])/.test(source) || isSpecial(source.replaceAll('\r', '')) ? escaped(toJson(value)) : source;
}

/** Where the object that begins at `start` ends; -1 where it does not. */
export function endOfObject(text: string, start: number): number {
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    const character = text[at];
    if (character === '"') {
      at = endOfString(text, at);
      if (at < 0) return -1;
    } else if (character === '{' || character === '[') depth++;
    else if ((character === '}' || character === ']') && --depth === 0) return at + 1;
  }
  return -1;
}

function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === '"') return at;
  }
  return -1;
}
