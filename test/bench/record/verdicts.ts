/** Measurements beside their aims: met, missed, or not measured. */
import { table } from '../report.ts';
import type { Aim } from './aims.ts';

export interface Measurement {
  /** that of an aim, or a name of its own */
  id: string;
  value: number;
  /** the same of what it is compared with, measured in turns with it */
  floor?: number;
  /** where no aim tells it */
  unit?: string;
}

export interface Verdict {
  aim: Aim;
  /** undefined where it was not measured */
  measured: Measurement | undefined;
  /** ratio or figure, as the aim has it */
  reached: number | undefined;
  outcome: 'met' | 'missed' | 'not measured';
  /** a ratio of more than twice its aim, or of more than twice what is known: what the noise of a run does not explain */
  isFarOff: boolean;
}

const farOff = 2;

/** Value to floor, where there is one; else the value. */
export const reachedBy = ({ value, floor }: Measurement): number => (floor === undefined ? value : value / floor);

export function judge(aims: readonly Aim[], measurements: readonly Measurement[]): Verdict[] {
  return aims.map((aim): Verdict => {
    const measured = measurements.find(({ id, floor }) => id === aim.id && (floor !== undefined) === (aim.kind === 'ratio'));
    if (!measured) return { aim, measured, reached: undefined, outcome: 'not measured', isFarOff: false };
    const reached = reachedBy(measured);
    const excess = (limit: number) => (aim.better === 'less' ? reached / limit : limit / reached);
    const outcome = excess(aim.limit) <= 1 ? 'met' : 'missed';
    return { aim, measured, reached, outcome, isFarOff: aim.kind === 'ratio' && excess(aim.known ?? aim.limit) > farOff };
  });
}

/** The table of aims, in Markdown. */
export function verdictTable(verdicts: readonly Verdict[]): string {
  const rows = verdicts.map(({ aim, measured, reached, outcome, isFarOff }) => [
    aim.what,
    `${aim.better === 'less' ? '≤' : '≥'} ${aim.limit}${aim.kind === 'ratio' ? '' : ` ${aim.unit}`}`,
    reached === undefined ? '' : short(reached),
    measured?.floor === undefined ? '' : `${short(measured.value)} : ${short(measured.floor)} ${aim.unit}`,
    isFarOff ? 'far off' : outcome,
  ]);
  return table(['what', 'aim', 'measured', 'of', 'outcome'], rows);
}

/** Three digits that count, or all before the point. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  return Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}
