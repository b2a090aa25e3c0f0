/** What must hold for the manifests that install frp-k8s, whichever they are. */
/* eslint-disable @typescript-eslint/no-explicit-any, @typescript-eslint/no-unsafe-argument, @typescript-eslint/no-unsafe-call, @typescript-eslint/no-unsafe-return */
import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, it } from 'node:test';
import { objectsOf, readManifests } from '../../../src/manifests/read.ts';

const root = path.join(import.meta.dirname, '../../../manifests');
const objects = readManifests([root]).flatMap(objectsOf).map(({ value }) => value as any);

describe('the manifests of an installation', () => {
  it('give nobody but service accounts of their own the right to write the status of services', () => {
    const roles = objects.filter(({ kind }) => kind === 'ClusterRole' || kind === 'Role');
    assert.ok(roles.length > 3);
    const writers = roles.filter(({ rules = [] }) =>
      rules.some(
        ({ resources = [], verbs = [] }: any) =>
          resources.some((name: string) => ['*', '*/status', 'distributedservices/status', 'distributedservices/*'].includes(name)) &&
          verbs.some((verb: string) => ['*', 'create', 'update', 'patch'].includes(verb)),
      ),
    );
    assert.ok(writers.length > 0);
    for (const { metadata, aggregationRule } of writers) {
      const labels = Object.keys(metadata.labels ?? {});
      assert.ok(!labels.some((key) => key.startsWith('rbac.authorization.k8s.io/aggregate-to-')), metadata.name);
      assert.equal(aggregationRule, undefined, metadata.name);
      const bindings = objects.filter(({ kind, roleRef }) => /Binding$/.test(kind) && roleRef?.name === metadata.name);
      for (const { subjects = [] } of bindings) assert.ok(subjects.every(({ kind }: any) => kind === 'ServiceAccount'), metadata.name);
    }
  });

  it('give each container of a Deployment that liveness asks over HTTP three minutes to start, and one to answer', () => {
    const containers = objects.filter(({ kind }) => kind === 'Deployment').flatMap(({ spec }) => spec.template.spec.containers);
    const probed = containers.filter(({ livenessProbe }) => livenessProbe?.httpGet !== undefined);
    assert.ok(probed.length >= 2);
    for (const { name, startupProbe, livenessProbe } of probed) {
      assert.ok(startupProbe !== undefined && startupProbe.periodSeconds * startupProbe.failureThreshold >= 180, name);
      assert.ok(livenessProbe.periodSeconds * (livenessProbe.failureThreshold ?? 3) >= 60, name);
    }
  });

  it('go on asking a webhook that answers late: on a node without a core to spare all of its replicas do at once', () => {
    const containers = objects.filter(({ kind }) => kind === 'Deployment').flatMap(({ spec }) => spec.template?.spec.containers ?? []);
    const probes = containers.flatMap(({ name, readinessProbe }) => (name === 'webhook' && readinessProbe ? [readinessProbe] : []));
    assert.deepEqual(
      probes.map(({ timeoutSeconds }) => timeoutSeconds),
      [5],
    );
  });
});
