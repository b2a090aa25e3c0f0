/**
 * Takes out of a text what is nobody's business: keys, passwords, tokens, what else looks like one, query strings, mail
 * addresses, and addresses that are none of the cluster's. It would rather take too much. Every expression is linear.
 */
import { isIP } from 'node:net';

export const leftOut = '[left out]';

const rules: readonly (readonly [pattern: RegExp, by: string])[] = [
  [
    /\b(proxy-authorization|authorization|set-cookie|cookie|x-api-key|x-auth-token)(["'\\]{0,2}\s{0,3}[:=]\s{0,3})(?!\[left out\])(?:\\?"[^"\\]{0,4000}|\\?'[^'\\]{0,4000}|[^\r\n"']{1,4000})/gi,
    `$1$2${leftOut}`,
  ],
  [/\b(bearer|basic|digest|negotiate)\s{1,3}[A-Za-z0-9+/=._~-]{3,}/gi, `$1 ${leftOut}`],
  [
    /(password|passwd|pwd|passphrase|token|secret|api[_-]?key|private[_-]?key|access[_-]?key|credentials?)(["'\\]{0,2}\s{0,3}[:=]\s{0,3})(?!\[left out\])(?:\\?"[^"\\]{0,4000}|\\?'[^'\\]{0,4000}|[^\s,;&"'}\]]{1,4000})/gi,
    `$1$2${leftOut}`,
  ],
  [
    /(-(?:password|passwd|pwd|passphrase|token|secret|api[_-]?key|private[_-]?key|access[_-]?key|credentials?))\s{1,3}[^\s-]\S{0,4000}/gi,
    `$1 ${leftOut}`,
  ],
  [/:\/\/[^\s/@"'<>]{1,500}@/g, `://${leftOut}@`],
  [/\beyJ[\w-]{5,}(?:\.[\w-]*){0,4}/g, leftOut],
  [/(?<!sha256:)\b[0-9a-fA-F]{32,}\b/g, leftOut],
  [/[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}/g, leftOut],
];

/** Private keys in PEM, also those that are cut off at the end. */
export const withoutKeys = (text: string): string =>
  text.replace(/-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|$)/g, leftOut);

const query = /(?<=[\w/%.~-])\?[^\s"'<>\\]{1,8000}/g;

const run = /[A-Za-z0-9+/=_-]{24,}/g;
/** What has letters of both cases and digits without a break is a key or a token, unless it is a path. */
const looksRandom = (text: string): boolean =>
  /[a-z]/.test(text) && /[A-Z]/.test(text) && /[0-9]/.test(text) && !text.split('/').every((part) => /^[a-z0-9_-]*$/.test(part));

const addressLike = /[0-9A-Fa-f:.]{3,45}/g;

/** Addresses in one bundle: the same one has the same name throughout, so that lines can be put together. */
export class Addresses {
  readonly #names = new Map<string, string>();
  readonly #known: ReadonlySet<string>;

  /** @param known those of the cluster, which stay */
  constructor(known: Iterable<string> = []) {
    this.#known = new Set(known);
  }

  hide(text: string): string {
    return text.replace(addressLike, (found) => {
      const address = found.replace(/[.:]$/, '');
      const port = isIP(address) === 0 ? /^([0-9.]{7,15}):[0-9]{1,5}$/.exec(address)?.[1] : undefined;
      const bare = port ?? address;
      return isIP(bare) === 0 ? found : found.replace(bare, this.#nameOf(bare));
    });
  }

  #nameOf(address: string): string {
    if (this.#known.has(address) || /^(?:127\.|0\.0\.0\.0$|::1?$)/.test(address)) return address;
    let name = this.#names.get(address);
    if (name === undefined) this.#names.set(address, (name = `[address ${this.#names.size + 1}]`));
    return name;
  }
}

/** IP addresses in a text. */
export const addressesIn = (text: string): string[] =>
  (text.match(addressLike) ?? []).flatMap((found) => {
    const bare = found.replace(/[.:]$/, '').replace(/^([0-9.]{7,15}):[0-9]{1,5}$/, '$1');
    return isIP(bare) === 0 ? [] : [bare];
  });

/** @param hasQueries whether what follows a question mark is what a user said */
export function redactText(text: string, addresses: Addresses, hasQueries = true): string {
  const withoutQueries = hasQueries ? withoutKeys(text).replace(query, `?${leftOut}`) : withoutKeys(text);
  const without = rules.reduce((rest, [pattern, by]) => rest.replace(pattern, by), withoutQueries);
  return addresses.hide(without.replace(run, (found) => (looksRandom(found) ? leftOut : found)));
}
