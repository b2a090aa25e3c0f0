/** The recording in README shows what `npm run demo` says today. */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { demoLines, recording } from '../../scripts/recording.ts';
import { root } from '../support/markdown.ts';

/** What is told, without the objects that are shown, and with one number for all: ports and times differ from run to run. */
const told = (svg: string): string[] =>
  [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, line]) => line!.replace(/\d+(\.\d+)?/g, '0')).filter((line) => !/^[ +-]/.test(line));

test('docs/assets/demo.svg is of a run that says what a run says now: else run `node scripts/recording.ts`', () => {
  const recorded = told(readFileSync(join(root, 'docs/assets/demo.svg'), 'utf8'));
  assert.ok(recorded.length > 15);
  assert.deepEqual(told(recording(demoLines())), recorded);
});
