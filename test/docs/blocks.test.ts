/** Shell blocks of README and docs that need no cluster are run as they stand, in one directory, with the files that they speak of. */
import { after, before, suite, test } from 'node:test';
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { toYaml } from '../../src/manifests/yaml.ts';
import { examplesOf } from '../support/examples.ts';
import { root } from '../support/markdown.ts';
import { runnableBlocks } from '../support/runnable.ts';

const run = promisify(execFile);
const directory = mkdtempSync(join(tmpdir(), 'frp-k8s-blocks-'));
after(() => rmSync(directory, { recursive: true }));

/** The program by its name, and by npx; `kubectl apply -f` keeps what it is given, because there is no cluster. */
const programs: Record<string, string> = {
  'frp-k8s': `exec "${process.execPath}" "${join(root, 'src/main.ts')}" "$@"`,
  npx: 'exec "$@"',
  kubectl: `[ "$1 $2" = "apply -f" ] && exec cat "$3" >>applied`,
};
const bin = join(directory, 'bin');
const cwd = join(directory, 'cwd');
for (const folder of [bin, cwd]) mkdirSync(folder);
for (const [name, text] of Object.entries(programs)) writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });

const inPath = async (script: string): Promise<string> => {
  const { stdout } = await run('bash', ['-euo', 'pipefail', '-c', script], { cwd, env: { ...process.env, PATH: `${bin}:${process.env.PATH}` } });
  return stdout;
};

/** What the reader of a page has when they come to its commands. */
async function prepare(): Promise<void> {
  const { objects } = examplesOf(join(root, 'README.md'))[0]!;
  const of = (kind: string) => toYaml(objects.find((object) => object.kind === kind)!);
  for (const folder of ['app', 'services']) mkdirSync(join(cwd, folder));
  for (const path of ['deployment.yaml', 'app/deployment.yaml']) writeFileSync(join(cwd, path), of('Deployment'));
  for (const path of ['service.yaml', 'services/service.yaml']) writeFileSync(join(cwd, path), of('DistributedService'));
  copyFileSync(join(root, 'test/corpus/migrate/inputs/minecraft.toml'), join(cwd, 'frpc.toml'));
  symlinkSync(join(root, 'manifests'), join(cwd, 'manifests'));
  writeFileSync(join(cwd, 'injected.yaml'), await inPath('frp-k8s inject -f deployment.yaml --services service.yaml'));
}

suite('shell blocks that are marked with run=docs', () => {
  before(() => prepare());

  for (const { file, line, runner, text } of runnableBlocks())
    if (runner === 'docs')
      test(`${file}:${line} runs as it stands`, async () => {
        const said = await inPath(`rm -f applied\n${text}\n[ ! -e applied ] || cat applied`);
        assert.notEqual(said.trim(), '');
      });
});
