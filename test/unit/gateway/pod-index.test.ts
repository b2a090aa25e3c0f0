import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PodIndex } from '../../../src/gateway/sources/pod-index.ts';
import type { KubeObject } from '../../../src/kube/types.ts';

describe('a Pod', () => {
  const uid = 'u1';
  const pod = (name: string, of: string): KubeObject => ({ metadata: { name, namespace: 'shop', uid: of } });
  const identity = { cluster: '', namespace: 'shop', pod: 'web-1', uid };

  it('that the watch has not told of yet is waited for', async () => {
    const pods = new PodIndex(() => {});
    const sink = pods.sink();
    const found = pods.has(identity, 5000);
    sink.set(pod('web-1', uid));
    assert.equal(await found, true);
    assert.equal(await pods.has({ ...identity, namespace: 'bank' }, 0), false);
    assert.equal(await pods.has({ ...identity, uid: 'u2' }, 1), false);
  });

  it('is gone when it is deleted, has ended, or another has its name', async () => {
    const pods = new PodIndex(() => {});
    const sink = pods.sink();
    for (const end of [
      () => sink.delete(pod('web-1', uid)),
      () => sink.set({ ...pod('web-1', uid), status: { phase: 'Failed' } } as KubeObject),
      () => sink.set(pod('web-1', 'u2')),
      () => sink.replace([]),
    ]) {
      sink.set(pod('web-1', uid));
      assert.equal(await pods.has(identity, 0), true);
      end();
      assert.equal(await pods.has(identity, 1), false);
    }
  });
});
