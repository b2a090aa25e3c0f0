/** Numbers as frp writes them: `6000-6005,6007` (frp pkg/util/util/util.go). */

/** More ports than this there are not. */
const most = 65_536;

/** The numbers in their order; undefined for what frp refuses, and for more numbers than there are ports. */
export function numbersOf(text: string): number[] | undefined {
  if (text.length > 10_000) return undefined;
  const numbers: number[] = [];
  for (const part of text.split(',')) {
    const bounds = part.split('-').map((bound) => bound.trim());
    if (bounds.length > 2 || !bounds.every((bound) => /^[0-9]{1,9}$/.test(bound))) return undefined;
    const [first = 0, last = first] = bounds.map(Number);
    if (last < first || numbers.length + last - first >= most) return undefined;
    for (let number = first; number <= last; number++) numbers.push(number);
  }
  return numbers;
}
