/** The command line as a real process. */
import { spawnSync } from 'node:child_process';

export interface Result {
  code: number | null;
  stdout: string;
  stderr: string;
}

const main = new URL('../../src/main.ts', import.meta.url).pathname;

export function frpK8s(args: readonly string[], input = ''): Result {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], { input, encoding: 'utf8' });
  return { code: status, stdout, stderr };
}
