/** Asks all checks, each after those that it rests on. */
import type { Check, CheckContext, Finding, Level, Said } from './finding.ts';

export interface RunOptions {
  /** what can be asked before anything is installed, alone */
  isPre?: boolean;
  /** real requests too */
  isTraffic?: boolean;
  /** told before each, for people */
  onProgress?: (title: string) => void;
}

export interface Report {
  findings: readonly Finding[];
  /** checks that were left out, because one that they rest on has found an error */
  leftOut: readonly { check: string; because: string }[];
}

/** The checks in their order; what a check found is told as it is found, and of one that found nothing its title. */
export async function runChecks(checks: readonly Check[], context: CheckContext, options: RunOptions = {}): Promise<Report> {
  const { isPre = false, isTraffic = false, onProgress = () => {} } = options;
  const findings: Finding[] = [];
  const leftOut: { check: string; because: string }[] = [];
  const failed = new Set<string>();
  for (const check of checks) {
    if (isPre ? !check.isPre : check.isPreOnly) continue;
    if (check.isTraffic && !isTraffic) continue;
    if (check.applies?.(context.snapshot) === false) continue;
    const because = check.after?.find((id) => failed.has(id));
    if (because !== undefined) {
      // What rests on it in turn is left out too.
      failed.add(check.id);
      leftOut.push({ check: check.id, because });
      continue;
    }
    onProgress(check.title);
    const said = await saidBy(check, context);
    if (said.some(({ level }) => level === 'error')) failed.add(check.id);
    const { id, category, title } = check;
    const fine: Said = { level: 'ok', reason: 'Fine', message: title };
    findings.push(...(said.length > 0 ? said : [fine]).map((each): Finding => ({ category, check: id, ...each })));
  }
  return { findings, leftOut };
}

async function saidBy(check: Check, context: CheckContext): Promise<readonly Said[]> {
  try {
    return await check.run(context);
  } catch (error) {
    return [{ level: 'unknown', reason: 'CheckFailed', message: `the check ${check.id} failed: ${(error as Error).message}` }];
  }
}

export const countOf = (findings: readonly Finding[], level: Level): number => findings.filter((each) => each.level === level).length;

/** 0: nothing is wrong; 1: an error; 2: no error, but a warning, or something could not be looked at. */
export function exitCodeOf({ findings }: Report): 0 | 1 | 2 {
  if (countOf(findings, 'error') > 0) return 1;
  return countOf(findings, 'warning') + countOf(findings, 'unknown') > 0 ? 2 : 0;
}
