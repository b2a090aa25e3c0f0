import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import fc from 'fast-check';
import { Journal } from '../../../src/gateway/sources/journal.ts';
import type { Sink } from '../../../src/kube/reflector.ts';
import type { KubeObject } from '../../../src/kube/types.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'frp-k8s-journal-'));
after(() => rmSync(folder, { recursive: true }));
let files = 0;
const newFile = () => path.join(folder, `${++files}.jsonl`);

/** What a collection comes to. */
class Collection implements Sink<KubeObject> {
  readonly objects = new Map<string, KubeObject>();
  replace(objects: KubeObject[]): void {
    this.objects.clear();
    for (const object of objects) this.set(object);
  }
  set(object: KubeObject): void {
    this.objects.set(object.metadata.name, object);
  }
  delete({ metadata }: KubeObject): void {
    this.objects.delete(metadata.name);
  }
  versions(): Record<string, string | undefined> {
    return Object.fromEntries([...this.objects.values()].map(({ metadata }) => [metadata.name, metadata.resourceVersion]));
  }
}

const pod = (name: string, version: number): KubeObject => ({ metadata: { namespace: 'shop', name, resourceVersion: String(version) } });
const fail = (error: Error) => {
  throw error;
};
async function recalled(file: string) {
  const collection = new Collection();
  const isThere = await new Journal(file, collection, fail).recall();
  return isThere ? collection.versions() : undefined;
}
const linesOf = (file: string) => readFileSync(file, 'utf8').split('\n').length - 1;

describe('the journal of a collection', () => {
  it('gives back after a restart what was known last, whatever changed', async () => {
    const name = fc.constantFrom('a', 'b', 'c');
    const change = fc.oneof(
      fc.record({ set: name }),
      fc.record({ delete: name }),
      fc.record({ replace: fc.uniqueArray(name) }),
      fc.constant({ written: true }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(change, { maxLength: 20 }), async (changes) => {
        const [file, collection] = [newFile(), new Collection()];
        const journal = new Journal(file, collection, fail);
        journal.replace([]);
        for (const [version, each] of changes.entries()) {
          if ('set' in each) journal.set(pod(each.set, version));
          else if ('delete' in each) journal.delete(pod(each.delete, version));
          else if ('replace' in each) journal.replace(each.replace.map((one) => pod(one, version)));
          else await journal.close();
        }
        await journal.close();
        assert.deepEqual(await recalled(file), collection.versions());
      }),
      { numRuns: 50 },
    );
  });

  it('is written anew when it has a thousand lines more than twice its objects, and loses nothing', async () => {
    const file = newFile();
    const journal = new Journal(file, new Collection(), fail);
    journal.replace([pod('a', 0), pod('b', 0)]);
    for (let version = 1; version <= 1003; version++) journal.set(pod('a', version));
    await journal.close();
    assert.equal(linesOf(file), 1005, 'all lines as long as they are worth keeping');
    journal.set(pod('a', 1004));
    await journal.close();
    assert.equal(linesOf(file), 2, 'then one for each object');
    assert.deepEqual(await recalled(file), { a: '1004', b: '0' });
    journal.delete(pod('b', 1005));
    await journal.close();
    assert.equal(linesOf(file), 3);
    assert.deepEqual(await recalled(file), { a: '1004' });
  });

  it('is read up to its last whole line, where the process was killed while it wrote', async () => {
    const file = newFile();
    const journal = new Journal(file, new Collection(), fail);
    journal.replace([pod('a', 1)]);
    await journal.close();
    appendFileSync(file, '{"set":{"metadata":{"na');
    assert.deepEqual(await recalled(file), { a: '1' });
  });

  it('is not there before anything was known, and says so when it cannot be written', async () => {
    assert.equal(await recalled(newFile()), undefined);
    writeFileSync(path.join(folder, 'file'), '');
    const failures: Error[] = [];
    const collection = new Collection();
    const journal = new Journal(path.join(folder, 'file', 'journal.jsonl'), collection, (error) => failures.push(error));
    journal.replace([pod('a', 1)]);
    await journal.close();
    assert.equal(failures.length, 1);
    assert.deepEqual(collection.versions(), { a: '1' });
  });
});
