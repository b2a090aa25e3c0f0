/** A Kubernetes object with places that Helm fills in, as the text of a template. */
import { stringify } from 'yaml';

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };
export type Manifest = { [key: string]: Json };

/** What stands in an object until it is text. */
interface Place {
  /** @param indent of the line @param line without its indent, with the place's mark in it */
  render: (indent: string, line: string, mark: string) => string;
}

/** Marks are words that YAML never quotes. */
const mark = (id: number): string => `HELMPLACE${id}END`;
const marks = /HELMPLACE([0-9]+)END/;

export class Template {
  readonly #places: Place[] = [];

  /** A value: `{{ expression }}`. A string is quoted by the expression itself. */
  value(expression: string): string {
    return this.#add((indent, line, own) => `${indent}${line.replace(own, `{{ ${expression} }}`)}`);
  }

  /** A list or map: everything that the expression gives. */
  block(expression: string): string {
    return this.#add(
      (indent, line, own) =>
        `${indent}${line.replace(` ${own}`, `\n${indent}  {{- toYaml (${expression}) | nindent ${indent.length + 2} }}`)}`,
    );
  }

  /** The same, whose key is only there where the expression gives something. */
  optional(expression: string): string {
    return this.#add(
      (indent, line, own) =>
        `${indent}{{- with ${expression} }}\n${indent}${line.replace(` ${own}`, `\n${indent}  {{- toYaml . | nindent ${indent.length + 2} }}`)}\n${indent}{{- end }}`,
    );
  }

  /** A key or an item that is there on a condition only. */
  only(condition: string, value: Json): string {
    return this.#add((indent, line, own) => {
      const isItem = line === `- ${own}`;
      const name = line.slice(0, -own.length - 1);
      const text = isItem ? this.#text([value], indent) : this.#text({ [name.slice(0, -1)]: value }, indent);
      return `${indent}{{- if ${condition} }}\n${text}\n${indent}{{- end }}`;
    });
  }

  /** Further items of a list, after those that it has. */
  more(expression: string): string {
    return this.#add(
      (indent) => `${indent}{{- with ${expression} }}\n${indent}{{- toYaml . | nindent ${indent.length} }}\n${indent}{{- end }}`,
    );
  }

  text(object: Manifest): string {
    return `${this.#text(object, '')}\n`;
  }

  #add(render: Place['render']): string {
    this.#places.push({ render });
    return mark(this.#places.length - 1);
  }

  #text(value: Json, indent: string): string {
    return stringify(value, { lineWidth: 0, aliasDuplicateObjects: false, indentSeq: true })
      .trimEnd()
      .split('\n')
      .map((line) => this.#line(`${indent}${line}`))
      .join('\n');
  }

  /** Several places may be in one line: each is looked for in what the one before has made of it. */
  #line(text: string): string {
    const [own, id] = marks.exec(text) ?? [];
    if (own === undefined) return text;
    const indent = /^ */.exec(text)![0];
    return this.#places
      [Number(id)]!.render(indent, text.slice(indent.length), own)
      .split('\n')
      .map((line) => (marks.test(line) ? this.#line(line) : line))
      .join('\n');
  }
}

/** What the values change in an object. Changes the object. */
export type Edit = (object: Manifest, template: Template) => void;
