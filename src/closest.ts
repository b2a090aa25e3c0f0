/** The name that was probably meant, for error messages. */

/**
 * The candidate with the fewest edits to `name`, where that is at most a third of the longer one's length, and 4: of four
 * letters one may be wrong, and of two none.
 */
export function closest(name: string, candidates: readonly string[]): string | undefined {
  const limit = (candidate: string) => Math.min(4, Math.floor(Math.max(name.length, candidate.length) / 3));
  return candidates
    .map((candidate) => ({ candidate, distance: editDistance(name, candidate, limit(candidate)) }))
    .filter(({ candidate, distance }) => distance <= limit(candidate))
    .sort((a, b) => a.distance - b.distance)[0]?.candidate;
}

/** Insertions, deletions, substitutions and swaps of neighbours (optimal string alignment); Infinity above the limit. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return Infinity;
  const rows = [Array.from({ length: b.length + 1 }, (_, index) => index)];
  for (let i = 1; i <= a.length; i++) {
    // Further from the diagonal there are more edits than the limit.
    const row = Array<number>(b.length + 1).fill(Infinity);
    row[0] = i;
    for (let j = Math.max(1, i - limit); j <= Math.min(b.length, i + limit); j++) {
      const same = a[i - 1] === b[j - 1];
      row[j] = Math.min(row[j - 1]! + 1, rows[i - 1]![j]! + 1, rows[i - 1]![j - 1]! + (same ? 0 : 1));
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) row[j] = Math.min(row[j]!, rows[i - 2]![j - 2]! + 1);
    }
    rows.push(row);
    if (Math.min(...row) > limit) return Infinity;
  }
  return rows[a.length]![b.length]!;
}
