/** The page (decision 0036): what an installation knows, as HTML. This file makes text into HTML; whatever was not made here is escaped. */

/** HTML that is safe to send: made by `html` alone. */
export class Html {
  readonly text: string;

  /** @param text of which every part that somebody else wrote is escaped */
  constructor(text: string) {
    this.text = text;
  }
}

/** undefined and false stand for nothing. */
export type Content = Html | string | number | false | undefined | readonly Content[];

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** For text and for values of attributes in quotes. Characters that turn the direction of what follows are shown by their number. */
export const escaped = (text: string): string =>
  text
    .replace(/[&<>"']/g, (character) => entities[character]!)
    .replace(
      /[\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F\u200E\u200F\u202A-\u202E\u2066-\u2069]/g,
      (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
    );

/** A template whose values are escaped, unless they are HTML themselves. Values of attributes must be in double quotes. */
export function html(strings: TemplateStringsArray, ...values: readonly Content[]): Html {
  return new Html(partsOf(strings).reduce((all, part, index) => all + textOf(values[index - 1]) + part));
}

/** Without the indentation that templates have for those who read them. */
function partsOf(strings: TemplateStringsArray): readonly string[] {
  const parts = known.get(strings) ?? strings.map((part) => part.replace(/\n\s*/g, '\n'));
  known.set(strings, parts);
  return parts;
}

const known = new WeakMap<TemplateStringsArray, readonly string[]>();

function textOf(content: Content): string {
  if (content === undefined || content === false) return '';
  if (content instanceof Html) return content.text;
  if (typeof content === 'object') return content.map(textOf).join('');
  return escaped(String(content));
}
