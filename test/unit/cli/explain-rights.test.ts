import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { run } from '../../../src/cli/explain.ts';
import { inProcess } from '../../support/command.ts';
import { ApiServer, failure } from '../kube/api-server.ts';

it('explain judges nothing by defaults where the configuration of the installation may not be read', async (t) => {
  const api = await ApiServer.start();
  const folder = mkdtempSync(join(tmpdir(), 'frp-k8s-explain-'));
  t.after(() => {
    rmSync(folder, { recursive: true });
    return api.close();
  });
  const kubeconfig = join(folder, 'kubeconfig');
  writeFileSync(kubeconfig, api.kubeconfig);
  api.intercept = ({ path }) => (path.includes('/namespaces/frp-system/') ? failure(403, 'Forbidden', 'no') : undefined);
  for (const [kind, name] of [
    ['pod', 'web-1'],
    ['service', 'web'],
    ['host', 'web.example.com'],
  ] as const) {
    const { code, stdout } = await inProcess(run, [kind, name, '-n', 'shop', '--kubeconfig', kubeconfig]);
    assert.equal(code, 2, kind);
    assert.match(stdout, /this account may not list deployments of namespace frp-system/, kind);
    assert.match(stdout, /rights to get and list deployments and configmaps in the namespace of the installation/, kind);
    assert.doesNotMatch(stdout, /×|kubectl/, kind);
  }
});
