/**
 * Paths with `*` as PCRE that never goes back: after each `*` the first occurrence of what follows is taken for good,
 * which finds a match wherever there is one, because whatever a later occurrence leaves, an earlier one leaves too.
 */
import { regexOf } from './escape.ts';

/**
 * Two PCREs over a text of two lines, each a decoded path: one for texts of which both lines match a path of a rule,
 * one for texts of which neither does. Where matching fails, neither PCRE matches.
 * @param path `*` is any text; `/admin/*` is /admin too; a slash at the end makes no difference
 */
export function pathRegexes(path: string): { both: string; neither: string } {
  const line = alternatives(path).map(globRegex).join('|');
  return {
    both: `^(?:${line})\\n(?:${line})$`,
    neither: `^(?!(?:${line})\\n)[^\\n]*+\\n(?!(?:${line})$)`,
  };
}

/** The same of one decoded path, where no PCRE is at hand. @param path of a rule @param text decoded */
export const matchesPath = (path: string, text: string): boolean =>
  alternatives(path).some((glob) => matchesGlob(glob.split('*').map(decoded), Buffer.from(text)));

/** Takes the first occurrence of each part, as the PCREs do. */
function matchesGlob([first = Buffer.of(), ...others]: readonly Buffer[], text: Buffer): boolean {
  if (!text.subarray(0, first.length).equals(first)) return false;
  const last = others.pop();
  if (last === undefined) return text.length === first.length;
  let at = first.length;
  for (const part of others) {
    const found = text.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return text.length - at >= last.length && text.subarray(text.length - last.length).equals(last);
}

function alternatives(path: string): string[] {
  if (path === '/') return [path];
  if (path.endsWith('/*')) return [path, path.slice(0, -2)];
  if (path.endsWith('*')) return [path];
  return path.endsWith('/') ? [path, path.slice(0, -1)] : [path, `${path}/`];
}

function globRegex(glob: string): string {
  const [first = Buffer.of(), ...others] = glob.split('*').map(decoded);
  const last = others.pop();
  if (last === undefined) return regexOf(first);
  const between = others.filter(({ length }) => length > 0).map((part) => `(?>[^\\n]*?${regexOf(part)})`);
  const end = last.length === 0 ? '' : `(?<=${regexOf(last)})`;
  return `${regexOf(first)}${between.join('')}(?=[^\\n]{${last.length}})[^\\n]*+${end}`;
}

/** As the path of a request is compared: bytes. */
const decoded = (part: string): Buffer =>
  Buffer.from(
    Buffer.from(part)
      .toString('latin1')
      .replace(/%([0-9a-f]{2})/gi, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16))),
    'latin1',
  );
