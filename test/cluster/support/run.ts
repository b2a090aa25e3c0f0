/** Commands as values: what they printed and how they ended, never an exception. */
import { spawn } from 'node:child_process';

export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs a command to its end. A command that cannot be started ends with code 127. */
export function run(command: string, args: string[], options: { input?: string; cwd?: string } = {}): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: options.cwd, stdio: ['pipe', 'pipe', 'pipe'] });
    const outcome: Outcome = { code: 127, stdout: '', stderr: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => (outcome.stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (outcome.stderr += text));
    child.stdin.on('error', () => undefined); // ended before it read its input; the exit code tells
    child.on('error', (error) => resolve({ ...outcome, stderr: error.message }));
    child.on('close', (code) => resolve({ ...outcome, code: code ?? 128 }));
    child.stdin.end(options.input);
  });
}

/** The output of a command that must succeed. */
export async function must(command: string, args: string[], options: { input?: string; cwd?: string } = {}): Promise<string> {
  const { code, stdout, stderr } = await run(command, args, options);
  if (code !== 0) throw new Error(`${command} ${args.join(' ')}: exit ${code}\n${stdout}${stderr}`);
  return stdout;
}

/**
 * Tries until it stops throwing, and gives its value; after `seconds` throws what it threw last. `seconds` only
 * bounds a wait for something that never comes: no test measures time with it.
 */
export async function eventually<T>(what: string, attempt: () => Promise<T>, seconds = 90): Promise<T> {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() > end) throw new Error(`never: ${what}; at last: ${(error as Error).message}`, { cause: error });
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
  }
}
