/** What Prometheus is told to compute and to warn of, as values; manifests, runbook and tests are made from them. */
import { documentationLink, runbookPage } from '../documentation.ts';

export interface Recording {
  record: string;
  expr: string;
}

export interface Alert {
  alert: string;
  expr: string;
  /** how long it must hold, such as 5m */
  for: string;
  severity: 'critical' | 'warning' | 'info';
  /** one line, with Prometheus's templates */
  summary: string;
  description: string;
  /** of the runbook: what it means for users, and since when */
  meaning: string;
  /** where to look, in order: commands and panels */
  look: readonly string[];
  /** what to do, in order */
  act: readonly string[];
}

export interface RuleGroup {
  name: string;
  /** title in the runbook */
  title: string;
  rules: readonly (Recording | Alert)[];
}

export const isAlert = (rule: Recording | Alert): rule is Alert => 'alert' in rule;

/** Where the runbook tells of an alert; an overlay may say another place. */
export const runbookUrl = (alert: string): string => documentationLink(`${runbookPage}#${alert.toLowerCase()}`);
