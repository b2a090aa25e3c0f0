/** Every link of the project's Markdown leads somewhere: file, heading, picture. Addresses of other sites are not asked. */
import { suite, test } from 'node:test';
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { anchorsOf, blocksOf, linksOf, markdownFiles, root, textOf } from '../../support/markdown.ts';

/** @returns what is wrong with a link of that file, if anything */
function problemOf(file: string, href: string): string | undefined {
  if (/^(https?|mailto):/.test(href)) return undefined;
  const [path, anchor] = href.split('#') as [string, string?];
  const target = path === '' ? file : join(dirname(file), path);
  if (target.startsWith('..')) return 'leads out of the repository';
  if (!existsSync(join(root, target))) return 'there is no such file';
  if (anchor === undefined || !target.endsWith('.md')) return undefined;
  return anchorsOf(textOf(target)).has(anchor) ? undefined : `${target} has no heading #${anchor}`;
}

suite('links', () => {
  for (const file of markdownFiles)
    test(`of ${file} lead somewhere`, () => {
      const problems = linksOf(textOf(file)).flatMap(({ line, href }) => {
        const problem = problemOf(file, href);
        return problem === undefined ? [] : [`${file}:${line}: ${href}: ${problem}`];
      });
      assert.deepEqual(problems, []);
    });

  test('are found: a wrong file, a wrong heading and a way out are told, code and other sites are not', () => {
    const text = '# A\n[a](b.md) `[c](d.md)`\n```sh\n[e](f.md)\n```\n![g](h.svg "x") ![i](j.svg)\n';
    assert.deepEqual(linksOf(text), [
      { line: 2, href: 'b.md' },
      { line: 6, href: 'j.svg' },
    ]);
    assert.deepEqual([...anchorsOf('# 1. The `image`!\n## A\n## A\n<a id="X"></a>')], ['1-the-image', 'a', 'a-1', 'X']);
    assert.match(problemOf('docs/index.md', 'nowhere.md')!, /no such file/);
    assert.match(problemOf('docs/index.md', 'concepts.md#nothing')!, /no heading/);
    assert.match(problemOf('README.md', '../x')!, /out of/);
    assert.equal(problemOf('docs/index.md', 'concepts.md#concepts'), undefined);
    assert.equal(blocksOf('  ```sh run=unit\n  a\n  ```')[0]!.text, 'a');
  });

  test('no picture lies in docs/assets that nobody shows', () => {
    const shown = new Set(markdownFiles.flatMap((file) => linksOf(textOf(file)).map(({ href }) => join(dirname(file), href))));
    assert.deepEqual(
      readdirSync(join(root, 'docs/assets')).filter((name) => !shown.has(join('docs/assets', name))),
      [],
    );
  });
});
