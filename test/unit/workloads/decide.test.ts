import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { defaultConfig } from '../../../src/config/schema.ts';
import { decideWorkload } from '../../../webhooks/workloads/decide.ts';
import { service, storeOf } from '../../support/services.ts';

const context = { namespace: 'shop', services: storeOf(service('web')), config: defaultConfig, selectorMode: false };
const spec = { containers: [{ name: 'app', image: 'nginx:1', ports: [{ containerPort: 80 }] }] };
const template = (annotations: Record<string, string>) => ({ metadata: { annotations }, spec });

const workload = (apiVersion: string, kind: string, pod: unknown, annotations = {}) => ({
  apiVersion,
  kind,
  metadata: { name: 'x', annotations },
  spec: kind === 'CronJob' ? { jobTemplate: { spec: { template: pod } } } : { template: pod },
});

const kinds = [
  ['apps/v1', 'Deployment'],
  ['apps/v1', 'StatefulSet'],
  ['apps/v1', 'DaemonSet'],
  ['apps/v1', 'ReplicaSet'],
  ['batch/v1', 'Job'],
  ['batch/v1', 'CronJob'],
] as const;

describe('a workload', () => {
  for (const [apiVersion, kind] of kinds) {
    it(`of kind ${kind} is allowed with a warning where its Pods would be refused`, () => {
      const { outcome, warnings } = decideWorkload(workload(apiVersion, kind, template({ 'frp.io/group': 'wbe' })), context);
      assert.equal(outcome, 'allowed');
      assert.match(warnings.join(), /its Pods will be refused: .*did you mean "web"\?/);
    });
  }

  it('with a good template has no warning', () => {
    assert.deepEqual(decideWorkload(workload('apps/v1', 'Deployment', template({ 'frp.io/group': 'web' })), context).warnings, []);
  });

  it('that carries the annotation itself is told where it belongs', () => {
    const { warnings } = decideWorkload(workload('batch/v1', 'CronJob', template({}), { 'frp.io/group': 'web' }), context);
    assert.match(
      warnings.join(),
      /has no effect there; put it on its Pod template: spec\.jobTemplate\.spec\.template\.metadata\.annotations/,
    );
  });

  it('whose group is misspelt is told the annotation that was meant', () => {
    for (const key of ['frp.io/gruop', 'frp-io/group', 'frp.io.group', 'frpio/group'])
      assert.deepEqual(decideWorkload(workload('apps/v1', 'Deployment', template({ [key]: 'web' })), context).warnings, [
        `annotation ${key} is not known to frp-k8s and has no effect; did you mean frp.io/group?`,
      ]);
  });

  it('without a template, or of another kind, is left alone', () => {
    for (const object of [null, {}, { apiVersion: 'apps/v1', kind: 'Deployment' }, { apiVersion: 'v1', kind: 'Service' }]) {
      assert.deepEqual(decideWorkload(object, context).warnings, []);
    }
  });
});
