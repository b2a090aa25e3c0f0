/** Every threat of docs/security.md names tests that exist. */
import { suite, test } from 'node:test';
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, sectionsOf, textOf } from '../../support/markdown.ts';

/** @param cell `file` “name”, “name”; `file` … @returns what of it does not exist */
function missing(cell: string): string[] {
  const parts = cell.split('`').slice(1);
  const problems: string[] = [];
  for (let index = 0; index < parts.length; index += 2) {
    const [file, names] = [parts[index]!, parts[index + 1] ?? ''];
    const path = join(root, file);
    if (!existsSync(path)) {
      problems.push(`${file}: there is no such file`);
      continue;
    }
    const source = readFileSync(path, 'utf8');
    for (const [, name] of names.matchAll(/“([^”]*)”/g)) {
      const isTest = ['test', 'it'].some((call) => ["'", '"', '`'].some((quote) => source.includes(`${call}(${quote}${name}${quote}`)));
      if (!isTest) problems.push(`${file} has no test “${name}”`);
    }
  }
  return problems;
}

suite('the threats of docs/security.md', () => {
  const section = sectionsOf(textOf('docs/security.md')).find(({ heading }) => heading === 'Threats')!;
  const rows = section.text
    .split('\n')
    .filter((line) => /^\| (\d|all) \|/.test(line))
    .map((line) => line.split('|').map((cell) => cell.trim()));

  test('each have a test, under the name that it has', () => {
    assert.deepEqual(
      rows.flatMap((row) => missing(row[5]!)),
      [],
    );
    for (const row of rows) assert.match(row[5]!, /`test\/[\w./-]+\.test\.ts`/, row[3]);
  });

  test('are of every kind, at every boundary', () => {
    const kinds = new Set(rows.flatMap((row) => row[2]!.split(', ')));
    assert.deepEqual([...kinds].sort(), ['D', 'E', 'I', 'R', 'S', 'T']);
    assert.deepEqual([...new Set(rows.map((row) => row[1]))].sort(), ['1', '2', '3', '4', '5', '6', 'all']);
  });

  test('that name a test which is not there are told', () => {
    assert.deepEqual(missing('`test/unit/docs/threats.test.ts` “that name a test which is not there are told”'), []);
    assert.deepEqual(missing('`test/nowhere.test.ts` “x”'), ['test/nowhere.test.ts: there is no such file']);
    assert.deepEqual(missing('`test/unit/docs/threats.test.ts` “is no test”'), ['test/unit/docs/threats.test.ts has no test “is no test”']);
  });
});
