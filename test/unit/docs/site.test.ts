/** The site's menu has every page. */
import { suite, test } from 'node:test';
import assert from 'node:assert/strict';
import { markdownFiles } from '../../support/markdown.ts';
import { navigation } from '../../../site/navigation.ts';

suite('the menu of the documentation site', () => {
  test('has every page of docs once, and none that is not there', () => {
    const pages = markdownFiles.flatMap((file) => /^docs\/(.*)\.md$/.exec(file)?.[1] ?? []);
    const listed = navigation.flatMap((group) => group.pages.map(([page]) => page));
    const wanted = pages.filter((page) => !/^decisions\/\d/.test(page));
    assert.deepEqual(listed.toSorted(), wanted.toSorted());
  });
});
