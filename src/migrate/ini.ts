/**
 * INI as frp's library reads it (gopkg.in/ini.v1 with IgnoreInlineComment and AllowBooleanKeys), as far as configurations use
 * it: no comments behind values, `:` for `=`, quotes around a value, lines that go on after a backslash, `%(key)s`, sections
 * given twice, and keys that section `a.b` has from section `a`.
 */

export interface IniFile {
  /** by name, in the order of the file */
  sections: Map<string, IniSection>;
}

export class IniSection {
  readonly own = new Map<string, string>();
  private readonly parent: () => IniSection | undefined;

  constructor(parent: () => IniSection | undefined) {
    this.parent = parent;
  }

  /** The value, of a section above where this one has none. */
  get(key: string): string | undefined {
    const value = this.own.get(key);
    return value === undefined ? this.parent()?.get(key) : value.includes('%(') ? this.resolved(value, key) : value;
  }

  /** A section with the keys of this one, and others in place of some. */
  with(values: Readonly<Record<string, string>>): IniSection {
    const section = new IniSection(() => undefined);
    for (const key of this.own.keys()) section.own.set(key, this.get(key)!);
    for (const [key, value] of Object.entries(values)) section.own.set(key, value);
    return section;
  }

  /** Every key, those of the sections above after the own. */
  keys(): string[] {
    return [...new Set([...this.own.keys(), ...(this.parent()?.keys() ?? [])])];
  }

  private resolved(value: string, key: string): string {
    let text = value;
    for (let depth = 0; depth < 9 && text.length < 10_000; depth++) {
      const [reference, name] = /%\(([^()]{1,100})\)s/.exec(text) ?? [];
      const found = name === undefined || name === key ? undefined : this.own.get(name);
      if (reference === undefined || found === undefined) break;
      text = text.replaceAll(reference, () => found);
    }
    return text;
  }
}

export class IniError extends Error {
  readonly line: number;

  constructor(message: string, line: number) {
    super(message);
    this.line = line;
  }
}

/** Sections above `a.b.c.…` are looked for no further than this. */
const mostLevels = 16;

/** @throws IniError */
export function parseIni(text: string): IniFile {
  const sections = new Map<string, IniSection>();
  const parentOf = (name: string) => (): IniSection | undefined => {
    let above = name;
    for (let level = 0; level < mostLevels; level++) {
      const end = above.lastIndexOf('.');
      if (end < 0) return undefined;
      above = above.slice(0, end);
      const found = sections.get(above);
      if (found) return found;
    }
    return undefined;
  };
  const section = (name: string): IniSection => {
    const known = sections.get(name);
    if (known) return known;
    const made = new IniSection(parentOf(name));
    sections.set(name, made);
    return made;
  };

  let current = section('DEFAULT');
  const lines = text.replace(/^\uFEFF/, '').split('\n');
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at]!.trim();
    if (line === '' || line.startsWith('#') || line.startsWith(';')) continue;
    if (line.startsWith('[')) {
      const end = line.lastIndexOf(']');
      if (end < 2) throw new IniError('a section begins with [ and has no name or no ]', at + 1);
      current = section(line.slice(1, end));
      continue;
    }
    const [key, rest] = keyOf(line, at + 1);
    if (rest === undefined) current.own.set(key, 'true');
    else if (rest.endsWith('\\')) {
      const [value, next] = continued(lines, at, rest.slice(0, -1));
      current.own.set(key, value);
      at = next;
    } else current.own.set(key, unquoted(rest));
  }
  return { sections };
}

function keyOf(line: string, number: number): [key: string, rest: string | undefined] {
  const quote = /^["`]/.exec(line)?.[0];
  const close = quote === undefined ? -1 : line.indexOf(quote, 1);
  const end = line.slice(close + 1).search(/[=:]/);
  if (end < 0) return [unquoted(line), undefined];
  if (close < 0 && end === 0) throw new IniError('a line has a value and no key', number);
  const key = close < 0 ? line.slice(0, end).trim() : line.slice(1, close).trim();
  return [key, line.slice(close + 1 + end + 1).trim()];
}

/** Until a line that has no backslash at its end. */
function continued(lines: readonly string[], start: number, first: string): [value: string, at: number] {
  const parts = [first];
  let at = start;
  while (at + 1 < lines.length) {
    const next = lines[++at]!.trim();
    parts.push(next.endsWith('\\') ? next.slice(0, -1) : next);
    if (!next.endsWith('\\')) break;
  }
  return [parts.join(''), at];
}

function unquoted(value: string): string {
  const triple = value.length > 6 && value.startsWith('"""') && value.endsWith('"""');
  if (triple) return value.slice(3, -3);
  const quote = value[0];
  const isQuoted = (quote === '"' || quote === "'" || quote === '`') && value.length >= 2 && value.indexOf(quote, 1) === value.length - 1;
  return isQuoted ? value.slice(1, -1) : value;
}
