/**
 * Plain scalars as kubectl reads them: sigs.k8s.io/yaml over go-yaml 2.4 (resolve.go). Booleans are those of YAML 1.1,
 * numbers those of Go; dates and times stay text.
 */

/** Integers beyond 2^53 are bigint. NaN and the infinities are numbers here, and no value of JSON. */
export type Scalar = string | number | bigint | boolean | null;

const spellings = (word: string): string[] => [word, word[0]!.toUpperCase() + word.slice(1), word.toUpperCase()];
const words = new Map<string, Scalar>([
  ...['true', 'yes', 'on'].flatMap(spellings).map((word): [string, Scalar] => [word, true]),
  ...['false', 'no', 'off'].flatMap(spellings).map((word): [string, Scalar] => [word, false]),
  ...['y', 'Y'].map((word): [string, Scalar] => [word, true]),
  ...['n', 'N'].map((word): [string, Scalar] => [word, false]),
  ...['', '~', ...spellings('null')].map((word): [string, Scalar] => [word, null]),
  ...['.nan', '.NaN', '.NAN'].map((word): [string, Scalar] => [word, NaN]),
  ...['.inf', '.Inf', '.INF', '+.inf', '+.Inf', '+.INF'].map((word): [string, Scalar] => [word, Infinity]),
  ...['-.inf', '-.Inf', '-.INF'].map((word): [string, Scalar] => [word, -Infinity]),
]);

/** The value of a plain scalar without a tag. */
export function scalarOf(text: string): Scalar {
  const word = words.get(text);
  if (word !== undefined) return word;
  if (!/^[-+.0-9]/.test(text)) return text;
  if (/^[1-9][0-9]{0,14}$/.test(text)) return Number(text);
  const plain = text.replaceAll('_', '');
  if (text.startsWith('.')) return (/(?<![0-9])_|_(?![0-9])/.test(text) ? undefined : floatOf(plain)) ?? text;
  return integerOf(plain) ?? floatOf(plain) ?? text;
}

const radixes: [prefix: RegExp, digits: RegExp, literal: string][] = [
  [/^0x/i, /^[0-9a-f]+$/i, '0x'],
  [/^0b/i, /^[01]+$/, '0b'],
  [/^0o/i, /^[0-7]+$/, '0o'],
  [/^0(?=.)/, /^[0-7]+$/, '0o'],
];

/** strconv.ParseInt and ParseUint with base 0 and 64 bits. */
function integerOf(text: string): number | bigint | undefined {
  const [, sign = '', digits = ''] = /^([-+]?)(.*)$/s.exec(text) ?? [];
  const radix = radixes.find(([prefix]) => prefix.test(digits));
  const rest = radix ? digits.replace(radix[0], '') : digits;
  // 64 bits have 64 digits at most; what is longer has leading zeros, or does not fit.
  if (!(radix?.[1] ?? /^[0-9]+$/).test(rest) || rest.length > 128) return undefined;
  const magnitude = BigInt(`${radix?.[2] ?? ''}${rest}`);
  const value = sign === '-' ? -magnitude : magnitude;
  if (value < -(2n ** 63n) || value >= (sign === '' ? 2n ** 64n : 2n ** 63n)) return undefined;
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

function floatOf(text: string): number | undefined {
  if (!/^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$/.test(text)) return undefined;
  const value = Number(text);
  return Number.isFinite(value) ? value : undefined;
}

/** Whether a text must be quoted, so that kubectl and readers of YAML 1.1 or 1.2 all take it for a text. */
export const needsQuotes = (text: string): boolean =>
  scalarOf(text) !== text || text === '<<' || text === '=' || /^[-+]?[0-9][0-9_]*:[0-9:._]*$/.test(text) || /^[0-9]{4}-[0-9]/.test(text);

/**
 * A scalar as the key of a map; undefined for one that kubectl refuses. Floats as Go's strconv.FormatFloat(…, 'g', -1, 32)
 * writes them.
 */
export function keyOf(value: Scalar): string | undefined {
  if (value === null) return undefined;
  if (typeof value !== 'number' || Number.isInteger(value)) return String(value);
  if (!Number.isFinite(value)) return Number.isNaN(value) ? '.nan' : value > 0 ? '.inf' : '-.inf';
  const text = String(Number(Math.fround(value).toPrecision(8)));
  return /e/.test(text) ? text.replace(/e([-+])([0-9])$/, 'e$10$2') : text;
}

/** Line breaks and blanks of YAML 1.1, and what its reader refuses. */
const special = /[\0-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]/g;

/** Whether a text has characters that only a text in double quotes can have, as escapes. */
export const isSpecial = (text: string): boolean => text.search(special) >= 0;

/** JSON in which such characters stand as escapes, which YAML has too. */
export const escaped = (json: string): string =>
  json.replace(special, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
