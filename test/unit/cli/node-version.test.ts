import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { frpK8s } from '../../support/command.ts';

const as = (version: string) => {
  const script = `Object.defineProperty(process.versions, 'node', { value: '${version}' })`;
  return frpK8s(['--version'], '', ['--import', `data:text/javascript,${encodeURIComponent(script)}`]);
};

describe('the program', () => {
  for (const version of ['18.20.8', '20.20.2', '22.18.0'])
    it(`says in one line which Node.js it needs, to Node.js ${version}`, () => {
      const { code, stdout, stderr } = as(version);
      assert.deepEqual([code, stdout], [1, '']);
      assert.match(stderr, /^frp-k8s: Node\.js 22\.19 or newer is needed, and \S+ is [\d.]+; install a newer one.*\n$/);
      assert.ok(stderr.includes(` is ${version};`));
    });
  for (const version of ['22.19.0', '24.0.0']) it(`runs on Node.js ${version}`, () => assert.equal(as(version).code, 0));
});
