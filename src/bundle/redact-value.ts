/** Takes out of an object, by the names of its fields, what redact-text.ts could not know to be a secret. */
import { group } from '../model/names.ts';
import { leftOut, redactText, type Addresses } from './redact-text.ts';

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value);

/** `secretName` and `tokenSecret` are names of Secrets. */
const secretField =
  /^(?:[a-z-]{0,40}[-_.])?(?:authorization|cookie|password|passwd|pwd|passphrase|token|api[-_]?key|private[-_]?key|access[-_]?key|credentials?|query)$|(?:Password|Token|ApiKey|PrivateKey|AccessKey|Credentials?|Cookie)$/i;
/** Of these the names are of use, and the values are users' own words. */
const valuesOut = new Set(['headers', 'set', 'metadatas', 'httpHeaders']);
/** Nobody needs them, or they repeat whole objects. */
const unneeded = new Set(['managedFields', 'data', 'stringData', 'binaryData']);

/** Values of annotations that are none of ours, of headers, of environment variables, and of what is named like a secret go. */
export function redactValue(value: unknown, addresses: Addresses, name = ''): unknown {
  if (typeof value === 'string') return secretField.test(name) && value !== '' ? leftOut : redactText(value, addresses);
  if (Array.isArray(value) && value.every((each) => typeof each === 'string'))
    return value.map((each, index) => wordOf(each, value[index - 1], addresses, name));
  if (Array.isArray(value)) return value.map((each: unknown) => (name === 'env' ? envOf(each) : redactValue(each, addresses, name)));
  if (!isFields(value)) return secretField.test(name) && typeof value === 'number' ? leftOut : value;
  if (valuesOut.has(name)) return withoutValues(value, addresses);
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => !unneeded.has(key))
      .map(([key, each]) => [
        // A name may be what a user said, too.
        redactText(key, addresses),
        name === 'annotations' && !key.startsWith(`${group}/`) ? leftOut : redactValue(each, addresses, key),
      ]),
  );
}

/** A field may be a name of a header, or a direction with more of them; `remove` has names alone. */
const withoutValues = (value: Fields, addresses: Addresses): Fields =>
  Object.fromEntries(
    Object.entries(value).map(([key, each]) => {
      const kept = key === 'remove' ? redactValue(each, addresses) : isFields(each) ? withoutValues(each, addresses) : leftOut;
      return [redactText(key, addresses), kept];
    }),
  );

/** Of a list: the word after `--password` is one. */
const wordOf = (word: string, before: string | undefined, addresses: Addresses, name: string): unknown =>
  before !== undefined && /^--?[\w-]*$/.test(before) && secretField.test(before.replace(/^-+/, ''))
    ? leftOut
    : redactValue(word, addresses, name);

const envOf = (entry: unknown): unknown =>
  isFields(entry) ? { name: entry.name, ...('value' in entry ? { value: leftOut } : { valueFrom: entry.valueFrom }) } : leftOut;
