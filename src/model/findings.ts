/** What is wrong with an object, as values. */
export interface Finding {
  /** the field, as the API server writes it: `spec.backends.endpoints[0].port`; `<nil>` where it names none */
  path: string;
  message: string;
}

/** One line, the same for the API server's findings and ours. */
export const describeFinding = ({ path, message }: Finding): string => `${path}: ${message}`;

export const sameFinding = (a: Finding, b: Finding): boolean => a.path === b.path && a.message === b.message;

const goEscapes: Record<string, string> = { '\x07': '\\a', '\b': '\\b', '\f': '\\f', '\n': '\\n', '\r': '\\r', '\t': '\\t', '\v': '\\v' };

/** A string as Go's %q writes it, which is how the API server quotes values. */
export function quoted(value: string): string {
  const escaped = value.replace(/[\\"]/g, '\\$&').replace(/[\x00-\x1f\x7f]/g, (character) => {
    return goEscapes[character] ?? `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
  return `"${escaped}"`;
}

/** A JSON value as the API server writes it after "Invalid value:". */
export const rendered = (value: unknown): string => (typeof value === 'string' ? quoted(value) : JSON.stringify(value));
