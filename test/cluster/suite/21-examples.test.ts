/** What README and the install guide show, applied as it stands: users reach the app, and the status says so. */
import { before, suite, test } from 'node:test';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { examplesOf } from '../../support/examples.ts';
import { installed, root, testNamespace } from '../support/cluster.ts';
import { apply, get, rolledOut, type Manifest } from '../support/kubectl.ts';
import { images } from '../support/objects.ts';
import { eventually } from '../support/run.ts';
import { servedBy } from '../support/traffic.ts';

/** How the named images run and answer; the cluster has no registry to pull them from. `only`: the path that is not 404. */
const standIns: Record<string, { user: number; port: number; only: string }> = {
  'nginx:1.29': { user: 0, port: 80, only: '/' },
  'nginxinc/nginx-unprivileged:stable': { user: 101, port: 8080, only: '/' },
};

interface Workload extends Manifest {
  spec: { replicas: number; template: { spec: { containers: { image: string; env?: object[]; securityContext?: object }[] } } };
}
interface Service extends Manifest {
  spec: { expose: { domain: string } };
}

function withStandIn(workload: Workload): Workload {
  const copy = structuredClone(workload);
  for (const container of copy.spec.template.spec.containers) {
    const standIn = standIns[container.image];
    assert.ok(standIn, `there is no stand-in for ${container.image}`);
    container.image = images.echo;
    container.env = [
      { name: 'PORT', value: String(standIn.port) },
      { name: 'ECHO_ONLY', value: standIn.only },
    ];
    container.securityContext = { runAsUser: standIn.user };
  }
  return copy;
}

suite('the examples of README and docs', () => {
  before(() => installed());

  for (const file of ['README.md', 'docs/guide/install.md'])
    test(`the application of ${file} serves users as it stands`, async () => {
      const [example] = examplesOf(join(root, file)).filter(({ objects }) => objects.some(({ kind }) => kind === 'Deployment'));
      const find = (wanted: string) => example!.objects.find(({ kind }) => kind === wanted) as unknown as Manifest;
      const service = find('DistributedService') as Service;
      const workload = find('Deployment') as Workload;
      const { name = '' } = workload.metadata;
      const ns = workload.metadata.namespace ?? 'demo';
      // The image of README starts as root.
      await testNamespace(ns, { 'pod-security.kubernetes.io/enforce': 'baseline' });
      for (const object of [service, withStandIn(workload)]) await apply({ ...object, metadata: { ...object.metadata, namespace: ns } });
      await rolledOut(ns, name);
      await servedBy(service.spec.expose.domain, workload.spec.replicas);
      await eventually('Ready', async () => {
        const { status } = (await get(ns, 'distributedservice', service.metadata.name!)) as {
          status?: { conditions?: { type: string; status: string }[] };
        };
        const ready = status?.conditions?.find(({ type }) => type === 'Ready');
        assert.equal(ready?.status, 'True', JSON.stringify(ready));
      });
    });
});
