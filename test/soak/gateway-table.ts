/** The result of a long run as a table: a line for each phase, beside the quiet one. */
import { failed, type Told } from '../cluster/support/gateway-load.ts';
import type { Phase } from '../cluster/support/phased-load.ts';

const heads = ['phase', 'sent', 'lost', 'held', 'refused', 'late', 'slowest', 'p50', 'p99', '× quiet', 'lag', 'POST', 'cut off'];

const sum = (counts: Record<string, number>): number => Object.values(counts).reduce((all, count) => all + count, 0);

/** Milliseconds. Late: answered after 2 s; held: in the hands of a HAProxy that died; lag: of the load generator itself. */
export function table(all: readonly Told[]): string {
  const quiet = all[0]?.http.p99 ?? NaN;
  const rows = all.map((told) => {
    const { http, https, posts, cut } = told;
    const both = (count: (phase: Phase) => number) => count(http) + count(https);
    const { lost, refused } = failed(told);
    return [
      told.step.name,
      both(({ sent }) => sent),
      sum(lost),
      both(({ held }) => held),
      sum(refused),
      both(({ late }) => late),
      Math.max(http.slowest, https.slowest),
      http.p50,
      http.p99,
      (http.p99 / quiet).toFixed(1),
      http.lag,
      `${posts.answered}/${posts.sent}`,
      cut.length,
    ].map(String);
  });
  const widths = heads.map((head, column) => Math.max(head.length, ...rows.map((row) => row[column]!.length)));
  const line = (cells: readonly string[]) =>
    cells.map((cell, column) => (column ? cell.padStart(widths[column]!) : cell.padEnd(widths[0]!))).join('  ');
  return [heads, ...rows].map(line).join('\n');
}
