/** Programs that a release needs, started here. */
import { spawnSync } from 'node:child_process';

/** Standard output of a program, whose standard error is the person's. @throws Error that names the program where it fails or is missing */
export function run(program: string, args: readonly string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}): string {
  const { status, error, signal, stdout } = spawnSync(program, args, {
    ...options,
    encoding: 'utf8',
    maxBuffer: 256 * 1024 * 1024,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (error) throw new Error(`${program} cannot be started: ${error.message}`);
  if (status !== 0) throw new Error(`${program} ${args.slice(0, 3).join(' ')} … ended with ${status ?? signal}:\n${stdout.slice(-2000)}`);
  return stdout;
}
