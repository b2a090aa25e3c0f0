/**
 * Configuration files for frpc. frpc runs Go's text/template over the whole file before it parses it, inside strings
 * too (frp pkg/config/load.go, RenderWithTemplate), so a user's `{{ .Envs.SECRET }}` would be evaluated. Here every
 * `{` of a string is written as `\u007b`, and only a `Template` reaches the engine.
 */

/** Text that frpc's template engine evaluates when it starts: literal parts and names of environment variables. */
export class Template {
  readonly parts: readonly (string | { env: string })[];
  #condition: string | undefined;

  constructor(...parts: (string | { env: string })[]) {
    this.parts = parts;
  }

  /** The same text where a variable of the environment is not empty, and else none. */
  where(variable: string): Template {
    const template = new Template(...this.parts);
    template.#condition = variable;
    return template;
  }

  toText(): string {
    const text = this.parts.map((part) => (typeof part === 'string' ? escaped(part) : `{{ .Envs.${part.env} }}`)).join('');
    return this.#condition === undefined ? text : `{{ if .Envs.${this.#condition} }}${text}{{ end }}`;
  }
}

/** JSON of a configuration, as frpc's template engine may read it. Undefined properties are left out. */
export function toFrpJson(value: unknown): string {
  if (value instanceof Template) return `"${value.toText()}"`;
  if (typeof value === 'string') return `"${escaped(value)}"`;
  if (Array.isArray(value)) return `[${value.map(toFrpJson).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).filter(([, item]) => item !== undefined);
    return `{${entries.map(([key, item]) => `"${escaped(key)}":${toFrpJson(item)}`).join(',')}}`;
  }
  return JSON.stringify(value);
}

const escaped = (text: string): string => JSON.stringify(text).slice(1, -1).replaceAll('{', '\\u007b');
