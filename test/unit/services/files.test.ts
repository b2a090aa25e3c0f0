import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, it, type TestContext } from 'node:test';
import { logTo } from '../../../src/log.ts';
import { ServiceStore } from '../../../src/model/store.ts';
import { watchFiles } from '../../../src/webhook/services/files.ts';

const root = await mkdtemp(path.join(tmpdir(), 'frp-k8s-services-'));
after(() => rm(root, { recursive: true }));

const service = (name: string, more = '') => `
apiVersion: frp.io/v1beta1
kind: DistributedService
metadata: { name: ${name}, namespace: prod }
spec:
  serviceType: tcp
  backends: { discovery: { mode: selector, selector: { matchLabels: { app: web } }, port: 80 } }
  expose: { type: port, port: 6000 }${more}
`;

/** A folder that is watched, and its log: `next` resolves with the next message. */
async function watched(test: TestContext, prepare: (folder: string) => Promise<void>, location = '') {
  const folder = await mkdtemp(path.join(root, 'f-'));
  await prepare(folder);
  const waiting: ((line: string) => void)[] = [];
  const missed: string[] = [];
  const log = logTo({
    write: (line) => {
      const { msg } = JSON.parse(line) as { msg: string };
      const waiter = waiting.shift();
      if (waiter) waiter(msg);
      else missed.push(msg);
    },
  });
  const next = () => new Promise<string>((resolve) => (missed.length > 0 ? resolve(missed.shift()!) : void waiting.push(resolve)));
  const store = new ServiceStore();
  const files = watchFiles(path.join(folder, location), store, log);
  test.after(() => files.close());
  assert.equal(await next(), 'services read');
  return { folder, store, files, next };
}

describe('services from files', () => {
  it('follow a changed, an added and a removed file', async (test) => {
    const { folder, store, next } = await watched(test, (to) => writeFile(path.join(to, 'a.yaml'), service('one')));
    assert.deepEqual(store.names('prod'), ['one']);
    await writeFile(path.join(folder, 'b.yaml'), service('two'));
    assert.equal(await next(), 'services read again');
    assert.deepEqual(store.names('prod'), ['one', 'two']);
    await rm(path.join(folder, 'a.yaml'));
    assert.equal(await next(), 'services read again');
    assert.deepEqual(store.names('prod'), ['two']);
  });

  it('stay as they were when a file is bad, and the log says why', async (test) => {
    const { folder, store, files, next } = await watched(test, (to) => writeFile(path.join(to, 'a.yaml'), service('one')));
    await writeFile(path.join(folder, 'a.yaml'), service('one', '\n  serviceTyp: udp'));
    assert.match(await next(), /^services not changed: .*a\.yaml: DistributedService\/one: .*unknown field "spec.serviceTyp"/);
    assert.deepEqual(store.names('prod'), ['one']);
    assert.match(files.problem()!, /serviceTyp/);
    await writeFile(path.join(folder, 'a.yaml'), service('three'));
    assert.equal(await next(), 'services read again');
    assert.deepEqual(store.names('prod'), ['three']);
    assert.equal(files.problem(), undefined);
  });

  it('follow a single file that an editor replaces', async (test) => {
    const { folder, store, next } = await watched(test, (to) => writeFile(path.join(to, 'a.yaml'), service('one')), 'a.yaml');
    await writeFile(path.join(folder, '.a.yaml.new'), service('two'));
    await rename(path.join(folder, '.a.yaml.new'), path.join(folder, 'a.yaml'));
    assert.equal(await next(), 'services read again');
    assert.deepEqual(store.names('prod'), ['two']);
  });

  it('follow the symlink swap of a mounted ConfigMap, and are read once', async (test) => {
    const { folder, store, next } = await watched(test, async (to) => {
      await mkdir(path.join(to, '..v1'));
      await writeFile(path.join(to, '..v1', 'a.yaml'), service('one'));
      await symlink('..v1', path.join(to, '..data'));
      await symlink('..data/a.yaml', path.join(to, 'a.yaml'));
    });
    assert.deepEqual(store.names('prod'), ['one']);
    await mkdir(path.join(folder, '..v2'));
    await writeFile(path.join(folder, '..v2', 'a.yaml'), service('two'));
    await symlink('..v2', path.join(folder, '..data_tmp'));
    await rename(path.join(folder, '..data_tmp'), path.join(folder, '..data'));
    // The new folder alone may have been noticed first.
    while (store.names('prod').join() !== 'two') assert.equal(await next(), 'services read again');
  });

  it('stop the start when their directory does not exist', () => {
    assert.throws(
      () => watchFiles(path.join(root, 'nowhere'), new ServiceStore(), logTo({ write: () => {} })),
      /nowhere: no such file or directory/,
    );
  });
});
