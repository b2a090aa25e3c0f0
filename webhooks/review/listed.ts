/** The errors of one object as the text of its denial: alone, or as a list under their number. */
export const listed = (lines: readonly string[]): string =>
  lines.length === 1 ? lines[0]! : [`${lines.length} errors`, ...lines.map((line) => `* ${line}`)].join('\n');
