/**
 * How texts of users get into HAProxy's configuration: never as they are. What is compared becomes a hash, names are
 * made of whitelisted characters, and the few texts that must appear pass through `quote` or `printable`.
 */
import { createHash } from 'node:crypto';

/** Lower-case hexadecimal SHA-256. */
export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/**
 * One argument of a directive. In single quotes HAProxy expands nothing: no variable, no escape, no comment
 * (configuration manual 2.2). Control characters, which no line of it can hold, become `?`.
 */
export const quote = (text: string): string => `'${onOneLine(text).replaceAll("'", `'\\''`)}'`;

/** The same, of a directive that reads a log format (configuration manual 8.2.6): every `%` stands for itself. */
export const logFormat = (text: string): string => quote(text.replaceAll('%', '%%'));

const onOneLine = (text: string): string => text.replace(/[\x00-\x1f\x7f]/g, '?');

/** A text for people inside of a body or a log format: what could mean something to HAProxy becomes `_`. */
export const printable = (text: string): string => text.replace(/[^A-Za-z0-9 .,:;/@+()=*?_-]/g, '_');

/**
 * PCRE for a literal text, of whitelisted characters only, so that it needs no thought about quoting; bytes of UTF-8.
 */
export const regexOf = (text: string | Buffer): string =>
  [...Buffer.from(text)]
    .map((byte) =>
      /[A-Za-z0-9/_]/.test(String.fromCharCode(byte)) ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`,
    )
    .join('');

/** A role, as rules and the roles of a user are compared: 16 hexadecimal digits of its SHA-256. */
export const roleHash = (role: string): string => sha256(role).slice(0, 16);
/** The same, of a sample. */
export const hashRole = 'sha2(256),bytes(0,8),hex,lower';

/** A condition for the end of a rule; conjunctions only, so that conditions can be joined. */
export const when = (...conditions: readonly (string | undefined)[]): string => {
  const given = conditions.filter((condition) => condition !== undefined);
  return given.length === 0 ? '' : ` if ${given.join(' ')}`;
};

/** An answer of HAProxy's own. @param text a log format: `%[…]` is evaluated, so nothing of users may be in it unless `printable` */
export const answer = (status: number, text: string, ...headers: readonly string[]): string =>
  `http-request return status ${status} content-type text/plain ${headers.map((header) => `hdr ${header} `).join('')}lf-string ${lines(text)}`;

/** Double quotes, so that the line feed at the end of the body is one. */
const lines = (text: string): string => `"${onOneLine(text).replace(/(["\\$#])/g, '\\$1')}\\n"`;

/** Answer 401 with the challenge of RFC 9110, 11.6.1. A browser that reads `Basic` asks its user for a password. */
export const unauthorized = (text: string, scheme: 'Bearer' | 'Basic' = 'Bearer'): string =>
  answer(401, text, `WWW-Authenticate "${scheme} realm=\\"frp-k8s\\"${scheme === 'Basic' ? ', charset=\\"UTF-8\\"' : ''}"`);

/** A path that can stand in a request line, as the schema wants it. */
export const safePath = (path: string): string => (/^\/[!-~]*$/.test(path) ? path : '/');
