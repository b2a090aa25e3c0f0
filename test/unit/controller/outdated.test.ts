import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Registry } from '@prometheus-io/client';
import { ControllerMetrics } from '../../../src/controller/metrics.ts';
import { OutdatedPods } from '../../../src/controller/backends/outdated-pods.ts';
import type { KubeObject } from '../../../src/kube/types.ts';
import { ServiceStore } from '../../../src/model/store.ts';

/** A Pod whose annotation `made-for` lists services with the generation that it was configured from: `api=1,web=2`. */
const pod = (name: string, madeFor: string): KubeObject => ({
  metadata: { name, namespace: 'prod', annotations: { 'made-for': madeFor } },
});

function watched() {
  const services = new ServiceStore();
  const registry = new Registry();
  const metrics = new ControllerMetrics(registry, { services: () => services.all() });
  const outdatedOf = ({ metadata }: KubeObject) =>
    (metadata.annotations?.['made-for'] ?? '')
      .split(',')
      .map((entry) => entry.split('='))
      .filter(([name = '', generation]) => String(services.get(metadata.namespace ?? '', name)?.metadata.generation) !== generation)
      .map(([name = '']) => name);
  const pods = new OutdatedPods(outdatedOf, services, (...change) => metrics.setOutdated(...change));
  const put = (name: string, generation: number) =>
    services.set({
      apiVersion: 'frp.io/v1beta1',
      kind: 'DistributedService',
      metadata: { name, namespace: 'prod', generation },
      spec: { serviceType: 'http', backends: {} },
    });
  const outdated = async () =>
    [...(await registry.metrics()).matchAll(/^frp_distributed_service_outdated_pods\{namespace="prod",name="(.+)",pod="(.+)"\} 1$/gm)].map(
      ([, name, of]) => `${of} for ${name}`,
    );
  return { pods, put, outdated, registry };
}

describe('outdated Pods', () => {
  it('are named with the service that they are older than, until they are gone', async () => {
    const { pods, put, outdated } = watched();
    put('api', 1);
    put('web', 1);
    pods.replace([pod('a', 'api=1,web=1'), pod('b', 'api=1')]);
    assert.deepEqual(await outdated(), []);
    put('api', 2);
    pods.refresh('prod');
    assert.deepEqual(await outdated(), ['a for api', 'b for api']);
    pods.delete(pod('a', ''));
    pods.set(pod('c', 'api=2'));
    assert.deepEqual(await outdated(), ['b for api']);
    pods.replace([pod('c', 'api=2')]);
    assert.deepEqual(await outdated(), []);
  });

  it('are no longer named when the service is changed back', async () => {
    const { pods, put, outdated } = watched();
    put('api', 1);
    pods.set(pod('a', 'api=2'));
    assert.deepEqual(await outdated(), ['a for api']);
    put('api', 2);
    pods.refresh('prod');
    assert.deepEqual(await outdated(), []);
  });

  it('stand beside the number of services in each state', async () => {
    const { put, registry } = watched();
    put('api', 1);
    const text = await registry.metrics();
    assert.match(text, /frp_operator_managed_services\{state="Pending"\} 1/);
    assert.match(text, /frp_operator_managed_services\{state="Running"\} 0/);
  });

  it('leave a reconcile that fails counted by the kind of its error', async () => {
    const registry = new Registry();
    const metrics = new ControllerMetrics(registry, { services: () => [] });
    await assert.rejects(
      metrics.timed(async () => {
        throw new TypeError('x');
      }),
      TypeError,
    );
    const text = await registry.metrics();
    assert.match(text, /frp_operator_reconcile_errors_total\{error_type="TypeError"\} 1/);
    assert.match(text, /frp_operator_reconcile_duration_seconds_count 1/);
  });
});
