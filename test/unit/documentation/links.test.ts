import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { documentationLink, projectAddress } from '../../../src/documentation.ts';

const page = 'docs/reference/reasons.md#refused';

describe('a link to the documentation', () => {
  it('leads to the file in the repository that package.json names, however it is written', () => {
    const urls = ['git+https://github.com/a/b.git', 'https://github.com/a/b.git', 'https://github.com/a/b/', 'https://github.com/a/b'];
    for (const repository of urls.flatMap((url) => [url, { url }])) {
      assert.equal(documentationLink(page, { repository, homepage: 'https://b.example.com' }), `https://github.com/a/b/blob/main/${page}`);
      assert.equal(projectAddress({ repository }), 'https://github.com/a/b');
    }
  });

  it('is below the home page where there is no repository', () => {
    assert.equal(documentationLink(page, { homepage: 'https://b.example.com/' }), `https://b.example.com/${page}`);
  });

  it('is a path where package.json has neither', () => {
    assert.equal(documentationLink(page, {}), page);
    assert.equal(projectAddress({}), undefined);
  });
});
