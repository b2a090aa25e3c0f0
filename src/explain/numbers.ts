/** Numbers for people. */

/** Seconds: `340 ms`, `1.2 s`. */
export function secondsText(seconds: number): string {
  if (seconds < 0.001) return '<1 ms';
  return seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(1)} s`;
}

/** A second: `0`, `0.4`, `12`. */
export const rateText = (perSecond: number): string =>
  perSecond === 0 ? '0' : perSecond < 10 ? String(Math.max(0.1, Math.round(perSecond * 10) / 10)) : String(Math.round(perSecond));

/** `1 backend`, `2 backends`. */
export const countText = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;

/** How long ago: `12s`, `5m`, `3h`, `2d`. @param ms milliseconds */
export function ageText(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)}m`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)}h` : `${Math.round(seconds / 86_400)}d`;
}
