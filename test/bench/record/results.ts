/** Runs as files, bench/results/DATE-COMMIT.json, and what changed since the last one. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import path from 'node:path';
import { table } from '../report.ts';
import { reachedBy, short, type Measurement } from './verdicts.ts';

export interface Machine {
  cpu: string;
  cores: number;
  node: string;
}

export interface Run {
  /** when it ended, ISO 8601 */
  at: string;
  /** abbreviated; with `-dirty` where the tree had changes */
  commit: string;
  form: 'full' | 'short';
  machine: Machine;
  /** processes that wanted a core, at the start and at the end (1 minute) */
  load: [start: number, end: number];
  measurements: Measurement[];
}

/** A change of less than this share is the noise of a run. */
const noise = 0.15;
const keys: readonly (keyof Run)[] = ['at', 'commit', 'form', 'machine', 'load', 'measurements'];

export function thisMachine(): Machine {
  return { cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length, node: process.version };
}

export const loadNow = (): number => loadavg()[0]!;

/** @returns the abbreviated commit of the checkout, `unknown` where there is none */
export function commitOf(directory: string): string {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty', '--exclude=*'], { cwd: directory, encoding: 'utf8' }).trim();
  } catch {
    return 'unknown';
  }
}

/** @param folder bench/results; it is made @returns the file's path; a second run of that date, commit and form takes its place */
export function writeRun(folder: string, run: Run): string {
  mkdirSync(folder, { recursive: true });
  const file = path.join(folder, `${run.at.slice(0, 10)}-${run.commit}${run.form === 'short' ? '-short' : ''}.json`);
  writeFileSync(file, `${JSON.stringify(run, undefined, 2)}\n`);
  return file;
}

/** @returns the newest run in the folder, of the same form where there is one; files that are no runs are passed over */
export function lastRun(folder: string, form: Run['form']): Run | undefined {
  const runs = filesIn(folder)
    .flatMap((file) => readRun(path.join(folder, file)))
    .sort((a, b) => b.at.localeCompare(a.at));
  return runs.find((run) => run.form === form) ?? runs[0];
}

/** What is another ratio or figure than before, as a table; figures of another machine are not compared. */
export function changes(before: Run, after: Run): string {
  const isSameMachine = JSON.stringify(before.machine) === JSON.stringify(after.machine);
  const pairs = after.measurements.flatMap((now) => {
    const then = before.measurements.find(({ id, floor }) => id === now.id && (floor === undefined) === (now.floor === undefined));
    return !then || (!isSameMachine && now.floor === undefined) ? [] : [{ then, now }];
  });
  const rows = pairs.flatMap(({ then, now }) => {
    const share = reachedBy(now) / reachedBy(then) - 1;
    return Math.abs(share) < noise ? [] : [[now.id, short(reachedBy(then)), short(reachedBy(now)), percent(share)]];
  });
  const since = `${before.commit} (${before.at.slice(0, 16)}, ${before.form}${isSameMachine ? '' : ', another machine: ratios only'})`;
  if (pairs.length === 0) return '';
  if (rows.length === 0) return `Since ${since} none of ${pairs.length} that can be compared changed by more than ${noise * 100} %.\n`;
  return `Since ${since}, what changed by more than ${noise * 100} %:\n\n${table(['measurement', 'before', 'now', 'change'], rows)}`;
}

const percent = (share: number) => (Number.isFinite(share) ? `${share > 0 ? '+' : ''}${(share * 100).toFixed(0)} %` : '');

function filesIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter((file) => file.endsWith('.json'));
  } catch {
    return [];
  }
}

function readRun(file: string): Run[] {
  try {
    const run = JSON.parse(readFileSync(file, 'utf8')) as Run;
    return keys.every((key) => Object.hasOwn(run, key)) ? [run] : [];
  } catch {
    return [];
  }
}
