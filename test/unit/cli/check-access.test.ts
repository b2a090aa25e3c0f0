import assert from 'node:assert/strict';
import { it } from 'node:test';
import { run } from '../../../src/cli/check.ts';
import { inProcess } from '../../support/command.ts';

it('check ends with 2 where there is no way to a cluster: nothing was looked at', async () => {
  const { code, stdout, stderr } = await inProcess(run, ['--kubeconfig', '/nowhere/kubeconfig']);
  assert.deepEqual([code, stdout], [2, '']);
  assert.match(stderr, /\/nowhere\/kubeconfig/);
});
