/** A report as text, or as JSON. */
import { styleText } from 'node:util';
import { reasonLink } from '../model/reasons/catalogue.ts';
import { categories, type Finding, type Level } from './finding.ts';
import { countOf, exitCodeOf, type Report } from './run.ts';
import { textOf } from './say.ts';

export interface Look {
  /** colours, which only a terminal shows */
  isColoured: boolean;
  /** √ × ‼ where it can show them, else words */
  isUnicode: boolean;
}

const marks: Record<Level, { sign: string; word: string; colour: 'green' | 'yellow' | 'red' | 'cyan' }> = {
  ok: { sign: '√', word: '[ok]  ', colour: 'green' },
  warning: { sign: '‼', word: '[warn]', colour: 'yellow' },
  error: { sign: '×', word: '[fail]', colour: 'red' },
  unknown: { sign: '?', word: '[?]   ', colour: 'cyan' },
};

function mark(level: Level, { isColoured, isUnicode }: Look): string {
  const { sign, word, colour } = marks[level];
  const text = isUnicode ? sign : word;
  return isColoured ? styleText(colour, text, { validateStream: false }) : text;
}

/** What comes from the cluster may have anything in it: a terminal must not be told what to do. */
const plain = (text: string): string => text.replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ');

export function printText({ findings, leftOut }: Report, look: Look): string {
  const lines: string[] = [];
  for (const category of categories) {
    const own = findings.filter((each) => each.category === category);
    if (own.length === 0) continue;
    if (lines.length > 0) lines.push('');
    lines.push(
      look.isColoured ? styleText('bold', category, { validateStream: false }) : category,
      ...own.flatMap((each) => linesOf(each, look)),
    );
  }
  return `${[...lines, '', summary({ findings, leftOut })].join('\n')}\n`;
}

function linesOf(finding: Finding, look: Look): string[] {
  const { level, object, message, remedy, reason } = finding;
  const first = `${mark(level, look)} ${object === undefined ? '' : `${plain(textOf(object))}: `}${plain(message)}`;
  if (level === 'ok') return [first];
  const link = reasonLink(reason);
  return [
    first,
    ...(remedy === undefined ? [] : [`    remedy: ${plain(remedy)}`]),
    `    reason: ${plain(reason)}${link === undefined ? '' : `, see ${link}`}`,
  ];
}

/** One line for each thing that is wrong. */
export function printShort(report: Report, look: Look): string {
  const wrong = report.findings.filter(({ level }) => level !== 'ok');
  const lines = wrong.map(
    ({ level, reason, object, message }) =>
      `${mark(level, look)} ${plain(reason)} ${object === undefined ? '' : `${plain(textOf(object))}: `}${plain(message)}`,
  );
  return `${[...lines, summary(report)].join('\n')}\n`;
}

const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;

function summary(report: Pick<Report, 'findings' | 'leftOut'>): string {
  const { findings, leftOut } = report;
  const [errors, warnings, unknowns] = (['error', 'warning', 'unknown'] as const).map((level) => countOf(findings, level)) as [
    number,
    number,
    number,
  ];
  const checks = new Set(findings.map(({ check }) => check)).size;
  const left = leftOut.length === 0 ? '' : `; ${plural(leftOut.length, 'check')} left out, which rest on one that failed`;
  if (errors + warnings + unknowns === 0) return `${plural(checks, 'check')}: nothing is wrong${left}`;
  const parts = [
    ...(errors > 0 ? [plural(errors, 'error')] : []),
    ...(warnings > 0 ? [plural(warnings, 'warning')] : []),
    ...(unknowns > 0 ? [`${unknowns} not known`] : []),
  ];
  return `${plural(checks, 'check')}: ${parts.join(', ')}${left}`;
}

/** The shape is stable: docs/guide/troubleshooting.md. */
export function printJson(report: Report, at: number): string {
  const { findings, leftOut } = report;
  const value = {
    version: 1,
    at: new Date(at).toISOString(),
    exitCode: exitCodeOf(report),
    findings: findings.map(({ category, check, level, reason, object, message, remedy }) => ({
      category,
      check,
      level,
      reason,
      ...(object && { object }),
      message,
      ...(remedy === undefined ? {} : { remedy }),
      ...(level === 'ok' || reasonLink(reason) === undefined ? {} : { link: reasonLink(reason) }),
    })),
    leftOut,
  };
  return `${JSON.stringify(value, null, 2)}\n`;
}
