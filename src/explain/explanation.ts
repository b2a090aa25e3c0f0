/** What is explained, as a value: sections of lines. Text for people and JSON are both made from it. */
import type { Level } from '../diagnose/finding.ts';
import { reasonLink } from '../model/reasons/catalogue.ts';

export interface Line {
  /** info: neither good nor bad */
  level: Level | 'info';
  text: string;
  /** one word of the catalogue, or as a condition has it */
  reason?: string;
  /** where the reason is explained */
  link?: string;
  /** a command, or a sentence */
  remedy?: string;
}

export interface Section {
  title: string;
  lines: Line[];
}

export interface Explanation {
  subject: { kind: string; namespace?: string; name: string };
  sections: Section[];
}

export const info = (text: string): Line => ({ level: 'info', text });
export const good = (text: string): Line => ({ level: 'ok', text });
export const unknown = (text: string): Line => ({ level: 'unknown', text });

/** @param reason one of the catalogue is linked to its page */
export const bad = (text: string, reason?: string, remedy?: string, level: Level = 'error'): Line => ({
  level,
  text,
  ...(reason !== undefined && { reason }),
  ...linkOf(reason),
  ...(remedy !== undefined && { remedy }),
});

export const warn = (text: string, reason?: string, remedy?: string): Line => bad(text, reason, remedy, 'warning');

function linkOf(reason: string | undefined): { link?: string } {
  const link = reason === undefined ? undefined : reasonLink(reason);
  return link === undefined ? {} : { link };
}

const signs: Record<Line['level'], string> = { ok: '√', warning: '‼', error: '×', unknown: '?', info: ' ' };

export function explanationText({ subject: { kind, namespace, name }, sections }: Explanation): string {
  const title = `${kind} ${namespace === undefined ? '' : `${namespace}/`}${name}`;
  const parts = sections
    .filter(({ lines }) => lines.length > 0)
    .map(({ title: section, lines }) => [section, ...lines.flatMap(lineText)].join('\n'));
  return `${[title, ...parts].join('\n\n')}\n`;
}

function lineText({ level, text, reason, link, remedy }: Line): string[] {
  const word = reason !== undefined && !text.includes(reason) ? `${reason}: ` : '';
  return [
    `  ${signs[level]} ${word}${text.replaceAll('\n', '\n    ')}`,
    ...(remedy === undefined ? [] : [`      → ${remedy}`]),
    ...(link === undefined ? [] : [`      ${link}`]),
  ];
}

/** 1 where something is wrong, 2 where something could not be found out and nothing is wrong, else 0. */
export function exitCodeOf(explanations: readonly Explanation[]): number {
  const levels = new Set(explanations.flatMap(({ sections }) => sections.flatMap(({ lines }) => lines.map(({ level }) => level))));
  if (levels.has('error')) return 1;
  return levels.has('unknown') ? 2 : 0;
}
