/** How far a clock is from another, for people. */
const units: readonly [ms: number, name: string][] = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'min'],
  [1000, 's'],
];

/** Such as `3 h`. @param ms not negative */
export function durationWords(ms: number): string {
  const [unit, name] = units.find(([each]) => ms >= each) ?? units.at(-1)!;
  return `${Math.floor(ms / unit)} ${name}`;
}

/** Clocks that differ by less make no trouble. Milliseconds. */
const tolerance = 60_000;

/** Such as `clock is 3 h behind`; undefined where the two agree. @param own @param other milliseconds since the epoch */
export function clockProblem(own: number, other: number): string | undefined {
  const difference = own - other;
  if (Math.abs(difference) < tolerance) return undefined;
  return `clock is ${durationWords(Math.abs(difference))} ${difference < 0 ? 'behind' : 'ahead'}`;
}
