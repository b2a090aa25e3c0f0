/** One rule of the webhook, as data: the decision, the offline validator and the reference page all read the same tables. */
import type { Finding } from '../../src/model/findings.ts';
import { milliseconds } from '../../src/config/schema.ts';
import type { Subject } from './subject.ts';

export interface Rule {
  /** requirement that asks for it */
  id: string;
  /** field that the finding names */
  path: string;
  /** what must hold, or what is warned of, in a few words for the reference page */
  states: string;
  broken: (subject: Subject) => boolean;
  /** what is wrong and what to do about it */
  message: string | ((subject: Subject) => string);
}

export function findingsOf(rules: readonly Rule[], subject: Subject): Finding[] {
  return rules
    .filter((rule) => rule.broken(subject))
    .map(({ path, message }) => ({ path, message: typeof message === 'string' ? message : message(subject) }));
}

/** Milliseconds of a duration of the schema's form; undefined for anything else, which the schema refuses. */
export function durationOf(value: unknown): number | undefined {
  return typeof value === 'string' && /^[0-9]+[smhd]$/.test(value) ? milliseconds(value) : undefined;
}
