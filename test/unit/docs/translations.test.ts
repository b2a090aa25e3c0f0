/** The Korean pages say what the English ones say now: each section has the hash of the one that it was translated from. */
import { suite, test } from 'node:test';
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { slug } from '../../../site/slug.ts';
import { blocksOf, sectionsOf, textOf } from '../../support/markdown.ts';

const translations: readonly (readonly [english: string, korean: string])[] = [
  ['README.md', 'README.ko.md'],
  ['docs/guide/quick-start.md', 'docs/ko/quick-start.md'],
];

/** @returns a line for each section, as it is to stand before its translation */
const marksOf = (english: string): string[] =>
  sectionsOf(english).map(({ heading, text }) => `<!-- en: ${slug(heading)} ${createHash('sha256').update(text).digest('hex').slice(0, 12)} -->`);

const marksIn = (korean: string): string[] => korean.match(/^<!-- en: .* -->$/gm) ?? [];

/** Commands without what is said beside them. */
const commandsOf = (text: string): string[] =>
  blocksOf(text)
    .filter(({ info }) => info.startsWith('sh'))
    .map(({ text: block }) => block.replace(/ *# .*$/gm, ''));

suite('the Korean translation', () => {
  for (const [english, korean] of translations) {
    test(`of ${english} is of each section as it is now: else translate what changed, and put the line that is missing before it`, () => {
      assert.deepEqual(marksIn(textOf(korean)), marksOf(textOf(english)));
      assert.equal(sectionsOf(textOf(korean)).length, sectionsOf(textOf(english)).length);
    });

    test(`of ${english} has the same commands`, () => {
      assert.deepEqual(commandsOf(textOf(korean)), commandsOf(textOf(english)));
    });
  }

  test('is told which section of several has changed', () => {
    const before = marksOf('# A\na\n## B\nb\n');
    const now = marksOf('# A\na\n## B\nc\n');
    assert.match(before[1]!, /^<!-- en: b [0-9a-f]{12} -->$/);
    assert.equal(now[0], before[0]);
    assert.notEqual(now[1], before[1]);
  });
});
