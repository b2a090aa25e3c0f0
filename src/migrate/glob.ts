/** Go's filepath.Match for one name: `*`, `?`, `[a-z]` and `\`. */

/** Whether the whole name matches; a pattern that Go refuses matches nothing. Costs at most the product of both lengths. */
export function matchesGlob(name: string, pattern: string): boolean {
  const parts = partsOf(pattern);
  if (!parts) return false;
  const characters = [...name];
  let [at, part] = [0, 0];
  // Where the last star stands, and how much it has taken.
  let [star, taken] = [-1, 0];
  while (at < characters.length) {
    const test = parts[part];
    if (test === '*') [star, taken, part] = [part, at, part + 1];
    else if (test?.(characters[at]!)) [at, part] = [at + 1, part + 1];
    else if (star >= 0) [taken, at, part] = [taken + 1, taken + 1, star + 1];
    else return false;
  }
  return parts.slice(part).every((test) => test === '*');
}

type Part = '*' | ((character: string) => boolean);

function partsOf(pattern: string): Part[] | undefined {
  const parts: Part[] = [];
  const characters = [...pattern];
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at]!;
    if (character === '*') {
      if (parts.at(-1) !== '*') parts.push('*');
    } else if (character === '?') parts.push(() => true);
    else if (character === '[') {
      const end = characters.indexOf(']', at + 1);
      if (end < 0) return undefined;
      parts.push(classOf(characters.slice(at + 1, end)));
      at = end;
    } else {
      const literal = character === '\\' ? characters[++at] : character;
      if (literal === undefined) return undefined;
      parts.push((other) => other === literal);
    }
  }
  return parts;
}

function classOf(characters: readonly string[]): (character: string) => boolean {
  const isNegated = characters[0] === '^';
  const ranges: [low: string, high: string][] = [];
  for (let at = isNegated ? 1 : 0; at < characters.length; at++) {
    const isRange = characters[at + 1] === '-' && at + 2 < characters.length;
    ranges.push([characters[at]!, characters[isRange ? at + 2 : at]!]);
    if (isRange) at += 2;
  }
  return (character) => ranges.some(([low, high]) => low <= character && character <= high) !== isNegated;
}
