/** What README and docs set at the chart is a value of the chart. */
import { suite, test } from 'node:test';
import assert from 'node:assert/strict';
import { blocksOf, markdownFiles, textOf } from '../../support/markdown.ts';

interface Schema {
  properties?: Record<string, Schema>;
}

const schema = JSON.parse(textOf('charts/frp-k8s/values.schema.json')) as Schema;

const isValue = (key: string): boolean =>
  key.split('.').reduce<Schema | undefined>((at, part) => at?.properties?.[part], schema) !== undefined;

/** @returns keys of `--set` of the commands for this chart */
const keysSet = (text: string): string[] =>
  blocksOf(text)
    .filter(({ text: block }) => block.includes('charts/frp-k8s'))
    .flatMap(({ text: block }) => [...block.matchAll(/--set ([\w.]+)=/g)].map(([, key]) => key!));

suite('values of the chart in README and docs', () => {
  test('are those that the chart has', () => {
    const set = markdownFiles.flatMap((file) => keysSet(textOf(file)).map((key) => ({ file, key })));
    assert.ok(set.length >= 8, `${set.length}`);
    assert.deepEqual(
      set.filter(({ key }) => !isValue(key)),
      [],
    );
  });

  test('are told where they are none', () => {
    assert.deepEqual(keysSet('```sh\nhelm install x charts/frp-k8s --set gatway.enabled=true\n```'), ['gatway.enabled']);
    assert.equal(isValue('gatway.enabled'), false);
    assert.equal(isValue('gateway.enabled'), true);
  });
});
