/** The commands of a gateway on a machine, where there is none yet or another was meant. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { run as clusters } from '../../../src/cli/gateway-clusters.ts';
import { run as gateway } from '../../../src/cli/gateway.ts';
import { inProcess } from '../../support/command.ts';

describe('the commands of a gateway on a machine', () => {
  const empty = mkdtempSync(join(tmpdir(), 'frp-k8s-none-'));
  after(() => rmSync(empty, { recursive: true, force: true }));

  for (const args of [[], ['remove', 'home']])
    it(`do not say of a directory without a gateway which clusters have joined (${['clusters', ...args].join(' ')})`, async () => {
      const { code, stdout, stderr } = await inProcess(clusters, [...args, '--dir', empty]);
      assert.deepEqual([code, stdout], [1, '']);
      assert.ok(stderr.includes(`${empty} is no gateway's directory: say the one that frp-k8s gateway up was started with`), stderr);
    });

  it('are named where the agent of a cluster was started and there is no cluster', async (t) => {
    const { HOME, KUBECONFIG, KUBERNETES_SERVICE_HOST } = process.env;
    t.after(() =>
      Object.assign(process.env, {
        ...(HOME && { HOME }),
        ...(KUBECONFIG && { KUBECONFIG }),
        ...(KUBERNETES_SERVICE_HOST && { KUBERNETES_SERVICE_HOST }),
      }),
    );
    delete process.env.KUBECONFIG;
    delete process.env.KUBERNETES_SERVICE_HOST;
    process.env.HOME = empty;
    const { code, stderr } = await inProcess(gateway, []);
    assert.equal(code, 1);
    assert.match(stderr, /no access to a cluster: .*; for a gateway on a machine without Kubernetes say: frp-k8s gateway up\n$/);
  });
});
