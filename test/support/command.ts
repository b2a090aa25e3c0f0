/** The command line: as a real process, and in this one, which is a hundred times cheaper. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { UserError } from '../../src/errors.ts';

export interface Result {
  code: number | null;
  stdout: string;
  stderr: string;
}

const main = new URL('../../src/main.ts', import.meta.url).pathname;

/** `frp-k8s ARGS` as a real process: for its exit code, its standard input, and how it tells errors. @param ofNode options of Node.js itself */
export function frpK8s(args: readonly string[], input = '', ofNode: readonly string[] = []): Result {
  const { status, stdout, stderr } = spawnSync(process.execPath, [...ofNode, main, ...args], { input, encoding: 'utf8' });
  return { code: status, stdout, stderr };
}

/**
 * One command in this process. For `-` among the arguments it gets a file with the input, which its texts call `-` again.
 * A UserError becomes its exit code and the text of it on stderr, as the real process does it.
 */
export async function inProcess(command: (args: string[]) => Promise<number>, args: readonly string[], input = ''): Promise<Result> {
  const folder = mkdtempSync(path.join(tmpdir(), 'frp-k8s-input-'));
  const location = path.join(folder, 'input.yaml');
  writeFileSync(location, input);
  const written = { stdout: '', stderr: '' };
  const restore = (['stdout', 'stderr'] as const).map((name) => {
    const stream = process[name];
    const write = stream.write.bind(stream);
    // The test runner writes to the same stream: buffers, which are let through.
    stream.write = (chunk: string | Uint8Array) => {
      if (typeof chunk !== 'string') return write(chunk);
      written[name] += chunk.replaceAll(location, '-');
      return true;
    };
    return () => (stream.write = write);
  });
  try {
    return { code: await command(args.map((arg) => (arg === '-' ? location : arg))), ...written };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return {
      code: error.exitCode,
      stdout: written.stdout,
      stderr: `${written.stderr}frp-k8s: ${error.message.replaceAll(location, '-')}\n`,
    };
  } finally {
    for (const undo of restore) undo();
    rmSync(folder, { recursive: true });
  }
}
