import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { replaceFile } from '../../../src/process/replace-file.ts';

const directory = mkdtempSync(join(tmpdir(), 'frp-k8s-file-'));
after(() => rmSync(directory, { recursive: true }));

describe('a file that is replaced', () => {
  it("is its owner's only, also where a process that was killed left a part of one that everybody reads", async () => {
    const path = join(directory, 'keys', 'ca.key');
    await replaceFile(path, 'first');
    writeFileSync(`${path}.new`, 'a part', { mode: 0o644 });
    await replaceFile(path, 'second');
    assert.equal(readFileSync(path, 'utf8'), 'second');
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.equal(statSync(join(directory, 'keys')).mode & 0o777, 0o700);
    assert.deepEqual(readdirSync(join(directory, 'keys')), ['ca.key']);
  });
});
