/** The name that was probably meant, for error messages. */

/**
 * The candidate with the fewest edits to `name`, where that is at most a third of the longer one's length: of four
 * letters one may be wrong, and of two none.
 */
export function closest(name: string, candidates: readonly string[]): string | undefined {
  const limit = (candidate: string) => Math.floor(Math.max(name.length, candidate.length) / 3);
  return candidates
    .filter((candidate) => Math.abs(candidate.length - name.length) <= limit(candidate))
    .map((candidate) => ({ candidate, distance: editDistance(name, candidate) }))
    .filter(({ candidate, distance }) => distance <= limit(candidate))
    .sort((a, b) => a.distance - b.distance)[0]?.candidate;
}

/** Insertions, deletions, substitutions and swaps of neighbours (optimal string alignment). */
function editDistance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, index) => index)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      row.push(Math.min(row[j - 1]! + 1, rows[i - 1]![j]! + 1, rows[i - 1]![j - 1]! + (same ? 0 : 1)));
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) row[j] = Math.min(row[j]!, rows[i - 2]![j - 2]! + 1);
    }
    rows.push(row);
  }
  return rows[a.length]![b.length]!;
}
