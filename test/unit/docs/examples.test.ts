/** What README and docs show can be copied as it stands. */
import { suite, test } from 'node:test';
import assert from 'node:assert/strict';
import { globSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { examplesOf } from '../../support/examples.ts';
import { run as validate } from '../../../src/cli/validate.ts';

const root = join(import.meta.dirname, '../../..');
const files = ['README.md', ...globSync('docs/**/*.md', { cwd: root })];

suite('the examples of README and docs', () => {
  for (const file of files)
    for (const { line, objects } of examplesOf(join(root, file))) {
      if (!objects.some(({ apiVersion }) => apiVersion.startsWith('frp.io/'))) continue;
      test(`${file}:${line} passes validate`, async (t) => {
        const directory = mkdtempSync(join(tmpdir(), 'frp-k8s-example-'));
        t.after(() => rmSync(directory, { recursive: true }));
        writeFileSync(join(directory, 'example.yaml'), objects.map((object) => JSON.stringify(object)).join('\n---\n'));
        const printed = t.mock.method(process.stdout, 'write', () => true);
        const code = await validate(['-f', directory]);
        assert.equal(code, 0, printed.mock.calls.map(({ arguments: [text] }) => String(text)).join(''));
      });
    }

  test('there are some', () => {
    assert.ok(files.flatMap((file) => examplesOf(join(root, file))).flatMap(({ objects }) => objects).length >= 5);
  });
});
