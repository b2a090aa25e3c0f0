/** Both ways to remove the installation, each with services and injected Pods present. The last suite. */
import { suite, test } from 'node:test';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { installation, installed, root, system, testNamespace } from '../support/cluster.ts';
import { gatewayInstalled, users } from '../support/gateway.ts';
import { apply, gone, items, kubectl, rolledOut, scale, tryKubectl } from '../support/kubectl.ts';
import { deployment, httpService, pod } from '../support/objects.ts';
import { eventually, must } from '../support/run.ts';
import { servedBy } from '../support/traffic.ts';

async function inUse(ns: string, via?: string): Promise<void> {
  await testNamespace(ns);
  await apply(httpService(ns, 'busy', `${ns}.example.com`), deployment({ namespace: ns, name: 'busy', frp: { group: 'busy' } }));
  await rolledOut(ns, 'busy');
  await servedBy(`${ns}.example.com`, 1, via);
}

/** Nothing cluster-wide is left, and Pods can be created, annotated or not. */
async function clean(ns: string): Promise<void> {
  const kinds =
    'crd,mutatingwebhookconfiguration,validatingwebhookconfiguration,clusterrole,clusterrolebinding,validatingadmissionpolicy,validatingadmissionpolicybinding,priorityclass,namespace';
  const names = (await kubectl('get', kinds, '-o', 'name')).split('\n');
  assert.deepEqual(
    names.filter((name) => /frp-k8s|frp\.io|frp-system|frp-gateway/.test(name)),
    [],
  );
  // The API server asks the webhooks for as long as its own watch has not told it that they are gone.
  await eventually('Pods, annotated or not', () =>
    apply(pod({ namespace: ns, name: 'plain' }), pod({ namespace: ns, name: 'annotated', frp: { group: 'busy' } })),
  );
  await kubectl('-n', ns, 'wait', '--for=condition=Ready', 'pod/plain', 'pod/annotated', '--timeout=60s');
  await kubectl('-n', ns, 'delete', 'deployment', 'busy', '--timeout=60s');
  await kubectl('delete', 'namespace', ns, '--timeout=120s');
}

suite('uninstalling', () => {
  test('frp-k8s uninstall leaves a clean cluster, gateway and all', async () => {
    await gatewayInstalled();
    await inUse('uninstall-command', users);
    await must('node', [join(root, 'dist/frp-k8s.js'), 'uninstall']);
    await clean('uninstall-command');
  });

  test('frp-k8s uninstall leaves a clean cluster where no controller runs', async () => {
    await installed();
    await inUse('uninstall-orphan');
    await scale(system, 'frp-controller', 0);
    await gone(system, 'pod', '-l', 'app=frp-controller');
    await must('node', [join(root, 'dist/frp-k8s.js'), 'uninstall', '--timeout', '10s']).catch(async () => {
      // The namespace may take longer than services get here.
      await must('node', [join(root, 'dist/frp-k8s.js'), 'uninstall']);
    });
    await clean('uninstall-orphan');
  });

  test('kubectl delete -k leaves a clean cluster, with 100 services in it', async () => {
    await installed();
    await inUse('uninstall-kubectl');
    await apply(...Array.from({ length: 100 }, (_, i) => httpService('uninstall-kubectl', `idle-${i}`, `idle-${i}.uninstall.example.com`)));
    await eventually(
      'their finalizers',
      async () => {
        const services = await items('uninstall-kubectl', 'distributedservice');
        assert.ok(services.every(({ metadata }) => ((metadata.finalizers ?? []) as string[]).includes('frp.io/cleanup')));
      },
      180,
    );
    await kubectl('delete', '-k', installation(), '--timeout=180s');
    assert.equal((await tryKubectl('get', 'distributedservices', '-A')).code, 1);
    await clean('uninstall-kubectl');
  });
});
