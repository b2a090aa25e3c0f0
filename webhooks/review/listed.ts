/** The API server passes a denial's text on as it is; nobody reads more than so many errors at a time. */
const most = 50;

/** The errors of one object as the text of its denial: alone, or as a list under their number. */
export function listed(lines: readonly string[]): string {
  if (lines.length === 1) return lines[0]!;
  const more = lines.length > most ? [`* and ${lines.length - most} more`] : [];
  return [`${lines.length} errors`, ...lines.slice(0, most).map((line) => `* ${line}`), ...more].join('\n');
}
