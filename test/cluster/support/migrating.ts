/** A configuration of frpc that is moved into the cluster by what `frp-k8s migrate` prints, and by nothing else. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { must, run } from './run.ts';
import { root } from './places.ts';
import type { Json } from './kubectl.ts';

export interface Moved {
  /** what is to be applied */
  documents: string;
  /** annotation `frp.io/group` of the Pod whose app listens on these ports */
  group: string;
  /** steps that are left to the user, as lines of a shell */
  commands: string[];
  /** keys of the installation's configuration */
  config: Json;
  code: number;
  stderr: string;
}

/** @param file of the corpus @param changes what the user's own file has in the place of these words */
export async function move(file: string, namespace: string, changes: Record<string, string>): Promise<Moved> {
  const at = mkdtempSync(join(tmpdir(), 'frp-migrate-'));
  try {
    let text = readFileSync(join(root, 'test/corpus/migrate/inputs', file), 'utf8');
    for (const [word, other] of Object.entries(changes)) text = text.replaceAll(word, other);
    writeFileSync(join(at, file), text);
    const migrate = (...options: string[]) =>
      run(process.execPath, [join(root, 'src/main.ts'), 'migrate', '-f', join(at, file), '-n', namespace, ...options]);
    const [{ code, stdout, stderr }, config] = [await migrate(), await migrate('-o', 'config')];
    const groups = [...stdout.matchAll(/^# {3}port [0-9]+: +frp\.io\/group: (\S+)$/gm)].map(([, names]) => names!);
    return { documents: stdout, group: groups.join(), commands: commandsIn(stdout), config: parse(config.stdout), code, stderr };
  } finally {
    rmSync(at, { recursive: true });
  }
}

/** The commands of comments, which are broken into lines. */
const commandsIn = (text: string): string[] =>
  text
    .replace(/\n# {2,}(?=\S)/g, ' ')
    .split('\n')
    .flatMap((line) => /^# - TO DO: .*?(kubectl .*)$/.exec(line)?.slice(1) ?? []);

/** A command that wants a file gets one with this text. */
export async function runWithFile(command: string, text: string): Promise<void> {
  const at = mkdtempSync(join(tmpdir(), 'frp-migrate-'));
  try {
    writeFileSync(join(at, 'file'), text);
    await must('sh', ['-c', command.replaceAll('FILE', join(at, 'file'))]);
  } finally {
    rmSync(at, { recursive: true });
  }
}
