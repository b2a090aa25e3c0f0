/** The first document of a YAML text: of several, frp reads no other (its decoder stops there). */

const marker = /^(---|\.\.\.)(\s|$)/;
const saysNothing = /^(\s*(#|$)|%)/;

/** @returns the text up to the end of its first document, and the line (from 1) that further content begins at, if there is any */
export function firstDocument(text: string): { text: string; furtherLine?: number } {
  const lines = text.split('\n');
  let isOpen = false;
  const end = lines.findIndex((line) => {
    const ends = isOpen && marker.test(line);
    isOpen ||= line.startsWith('---') || !saysNothing.test(line);
    return ends;
  });
  if (end < 0) return { text };
  const further = lines.findIndex((line, index) => index >= end && !/^(---|\.\.\.)?\s*(#|$)/.test(line));
  return { text: `${lines.slice(0, end).join('\n')}\n`, ...(further >= 0 && { furtherLine: further + 1 }) };
}
