/** Every shell block that is marked as runnable is run by the one that its mark names. */
import { suite, test } from 'node:test';
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { commandsOf } from '../../cluster/support/guide.ts';
import { root } from '../../support/markdown.ts';
import { runnableBlocks, runnableIn, type Runnable } from '../../support/runnable.ts';

const read = (file: string): string => readFileSync(join(root, file), 'utf8');

/** @returns why nobody runs the block, if nobody does */
function unrun({ file, heading, runner, text }: Runnable): string | undefined {
  // test/docs/blocks.test.ts takes all of these, whatever page they are in.
  if (runner === 'docs') return undefined;
  const suiteFile = `test/cluster/suite/${runner}.test.ts`;
  if (!existsSync(join(root, suiteFile))) return `there is no ${suiteFile}`;
  // Page and section are named by the suite itself, or by HomeCluster, which several suites follow a guide with.
  const suiteText = read(suiteFile);
  const isHome = suiteText.includes('.followGuide()');
  if (!isHome && !suiteText.includes('commandsOf(')) return `${suiteFile} follows no guide`;
  const follower = isHome ? read('test/cluster/support/home-cluster.ts') : suiteText;
  if (!follower.includes(`'${file}'`) || !follower.includes(`'${heading}'`)) return `${suiteFile} does not follow "${heading}" of ${file}`;
  const typed = commandsOf(join(root, file), heading, ['On the VPS', 'At home', 'From anywhere', 'With cluster-admin']);
  const first = text.split('\n')[0]!.replace(/ &$/, '');
  return typed.some((command) => command.text.startsWith(first)) ? undefined : `"${first}" is not among the commands that ${suiteFile} types`;
}

suite('shell blocks that are marked as runnable', () => {
  test('are run by the one that the mark names', (t) => {
    const blocks = runnableBlocks();
    for (const { file, heading, runner } of blocks) t.diagnostic(`${runner}: ${file}, ${heading}`);
    const problems = blocks.flatMap((block) => {
      const problem = unrun(block);
      return problem === undefined ? [] : [`${block.file}:${block.line}: ${problem}`];
    });
    assert.deepEqual(problems, []);
    assert.deepEqual([...new Set(blocks.map(({ runner }) => runner))].sort(), ['88-home-cluster', '92-backup', 'docs']);
  });

  test('are told where nobody runs them: no such suite, one that follows no guide, another section', () => {
    const block = { file: 'docs/guide/gateway-anywhere.md', heading: 'A home cluster and a VPS', line: 1, runner: '88-home-cluster', text: 'x' };
    assert.match(unrun({ ...block, runner: '12-nobody' })!, /there is no/);
    assert.match(unrun({ ...block, runner: '10-install' })!, /follows no guide/);
    assert.match(unrun({ ...block, heading: 'Clients' })!, /does not follow "Clients"/);
    assert.match(unrun(block)!, /"x" is not among/);
  });

  test('are told from others by the fence, and a mark that cannot be read is an error', () => {
    const text = '# A\n```sh\nls\n```\n## B\ntext\n```sh run=docs\nls -l\n```\n';
    assert.deepEqual(runnableIn('a.md', text), [{ file: 'a.md', heading: 'B', line: 8, runner: 'docs', text: 'ls -l' }]);
    for (const info of ['sh ran=docs', 'yaml run=docs', 'sh run=docs and more']) assert.throws(() => runnableIn('a.md', `\`\`\`${info}\n\`\`\``), /no mark/);
  });
});
