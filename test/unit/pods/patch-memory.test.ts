import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { defaultConfig, type Config } from '../../../src/config/schema.ts';
import type { DistributedService } from '../../../src/model/types.ts';
import { decidePod } from '../../../webhooks/pods/decide.ts';
import { PatchMemory } from '../../../webhooks/pods/patch-memory.ts';
import { annotatedPod, gatewayConfig, services } from '../../support/arbitraries.ts';
import { service, storeOf } from '../../support/services.ts';

/** Ways in which a Pod may differ from the one whose patch is remembered, and get another patch. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- whatever a Pod may be
const variations: Record<string, (pod: any) => void> = {
  'a configuration that a user wrote': (pod) => (pod.metadata.annotations['frp.io/frpc.json'] = '{"serverAddr":"evil.example"}'),
  'a configuration of another sidecar': (pod) => (pod.metadata.annotations['frp.io/frpc-1.json'] = '{}'),
  'a mark that a user wrote': (pod) => (pod.metadata.annotations['frp.io/injected'] = '{}'),
  'the label': (pod) => (pod.metadata.labels = { 'frp.io/sidecar': 'injected' }),
  'another value of the label': (pod) => (pod.metadata.labels = { 'frp.io/sidecar': 'no' }),
  'no labels': (pod) => delete pod.metadata.labels,
  'labels that are null': (pod) => (pod.metadata.labels = null),
  'no volumes': (pod) => delete pod.spec.volumes,
  'volumes that are null': (pod) => (pod.spec.volumes = null),
  'another init container': (pod) => (pod.spec.initContainers = [{ name: 'first' }]),
  'a gate of its own': (pod) => (pod.spec.readinessGates = [{ conditionType: 'frp.io/registered' }]),
  'another grace period': (pod) => (pod.spec.terminationGracePeriodSeconds = 3),
  'cores without end': (pod) => (pod.spec.containers[0].resources = { limits: { cpu: '1e999' } }),
  'no resources': (pod) => delete pod.spec.containers[0].resources,
  'a limit': (pod) => (pod.spec.containers[0].resources = { limits: { cpu: '4', memory: '8Gi' } }),
  'another image': (pod) => (pod.metadata.annotations['frp.io/sidecar-image'] = 'example.com/frpc:1'),
};

if (process.argv[2] === 'reviews') review();
else suite();

function suite() {
  describe('the memory of rendered patches', () => {
    it('gives every Pod the patch that it gets without a memory', () => {
      const decide = (pod: unknown, known: DistributedService[], config: Config) =>
        decidePod(pod, { namespace: 'shop', services: storeOf(...known), config, selectorMode: false });
      const steps = fc.array(fc.constantFrom(...Object.keys(variations)), { minLength: 1, maxLength: 6 });
      fc.assert(
        fc.property(annotatedPod, services, fc.oneof(fc.constant(defaultConfig), gatewayConfig), steps, (pod, known, config, names) => {
          const varied = structuredClone(pod);
          for (const name of ['nothing', ...names]) {
            variations[name]?.(varied);
            // Remembered patches belong to one configuration object, so a copy of it has none.
            assert.deepEqual(decide(varied, known, config), decide(varied, known, structuredClone(config)), name);
          }
        }),
        { numRuns: 200 },
      );
    });

    it('never keeps a wrong text because a Pod before had the right one', () => {
      const known = storeOf(service('web'));
      const key = 'frp.io/frpc.json';
      const written = (text?: string) => {
        const annotations = { 'frp.io/group': 'web', 'frp.io/port': '80', ...(text !== undefined && { [key]: text }) };
        const pod = { metadata: { annotations }, spec: { containers: [{ name: 'app' }] } };
        const { patch = [] } = decidePod(pod, { namespace: 'shop', services: known, config: defaultConfig, selectorMode: false });
        return patch.find(({ path }) => path === '/metadata/annotations/frp.io~1frpc.json') as { value: string } | undefined;
      };
      const right = written('{}')!.value;
      assert.equal(written(right), undefined, 'the right text is left as it is');
      assert.equal(written('{"serverAddr":"evil.example"}')?.value, right);
    });

    it('keeps within its bytes, whatever is put into it', () => {
      const memory = new PatchMemory(100_000);
      fc.assert(
        fc.property(fc.string({ maxLength: 400 }), fc.nat(40_000), (key, length) => {
          const built = { patch: [], patchBase64: 'x'.repeat(length), annotationBytes: 0 };
          memory.remembered(`${key} ${length}`, () => built);
          assert.ok(memory.bytes <= 100_000);
        }),
      );
    });

    it('10,000 Pods that differ in everything a user can write are reviewed in a heap of 64 MB', () => {
      const { status, stdout, stderr } = spawnSync(process.execPath, ['--max-old-space-size=64', import.meta.filename, 'reviews'], {
        encoding: 'utf8',
        cwd: path.dirname(import.meta.filename),
      });
      assert.equal(status, 0, stderr.slice(0, 2000));
      const { reviews, patched, rssMB } = JSON.parse(stdout) as { reviews: number; patched: number; rssMB: number };
      assert.deepEqual([reviews, patched], [10_000, 10_000]);
      assert.ok(rssMB < 320, `${rssMB} MB`);
    });
  });
}

/** As a program of its own: what the reviews leave behind. */
function review(): void {
  const groups = Array.from({ length: 4 }, (_, index) => `group-${index}`);
  const known = storeOf(...groups.map((name) => service(name)));
  let patched = 0;
  for (let index = 0; index < 10_000; index++) {
    const pod = {
      metadata: {
        annotations: {
          'frp.io/group': groups.join(','),
          'frp.io/port': String(1 + index),
          'frp.io/sidecar-image': `example.com/${'x'.repeat(1 + (index % 400))}/frpc:v${index}`,
          'frp.io/weight': String(index),
        },
        labels: { 'frp.io/sidecar': 'y'.repeat(index % 60) },
      },
      spec: { containers: [{ name: 'app', image: 'app', resources: { limits: { cpu: `${index}m`, memory: `${index}Ki` } } }] },
    };
    const { outcome } = decidePod(pod, { namespace: 'shop', services: known, config: defaultConfig, selectorMode: false });
    if (outcome === 'patched') patched++;
  }
  const rssMB = Math.round(process.memoryUsage.rss() / 1e6);
  process.stdout.write(JSON.stringify({ reviews: 10_000, patched, rssMB }));
}
