import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ObjectStore } from '../../../src/kube/object-store.ts';
import type { Secret } from '../../../src/kube/types.ts';

const at = (resourceVersion: string, more: object = {}): Secret => ({
  metadata: { name: 'keys', namespace: 'shop', resourceVersion },
  ...more,
});

function storeOf(): { store: ObjectStore<Secret>; told: string[] } {
  const told: string[] = [];
  return { store: new ObjectStore<Secret>(({ metadata }) => told.push(metadata.resourceVersion!)), told };
}

describe('the store of objects that are watched and written', () => {
  it('is not set back by the answer to a write that comes after the watch has told of a later change', () => {
    const { store, told } = storeOf();
    store.set(at('7'));
    store.set(at('6'));
    assert.equal(store.get('shop', 'keys')?.metadata.resourceVersion, '7');
    assert.deepEqual(told, ['7']);
  });

  it('does not bring back what the watch says is gone', () => {
    const { store } = storeOf();
    store.delete(at('8'));
    store.set(at('6'));
    assert.equal(store.get('shop', 'keys'), undefined);
    store.set(at('9'));
    assert.equal(store.get('shop', 'keys')?.metadata.resourceVersion, '9');
  });

  it('does not bring back what a list no longer has', () => {
    const { store } = storeOf();
    store.set(at('5'));
    store.replace([], '8');
    store.set(at('6'));
    assert.equal(store.get('shop', 'keys'), undefined);
  });

  it('remembers the later of two reports that an object is gone', () => {
    const { store } = storeOf();
    store.set(at('5'));
    store.delete(at('8'));
    store.delete(at('5'));
    store.set(at('6'));
    assert.equal(store.get('shop', 'keys'), undefined);
  });

  it('keeps an object that was made anew when a late report says that the one before is gone', () => {
    const { store } = storeOf();
    store.set(at('9'));
    store.delete(at('8'));
    assert.equal(store.get('shop', 'keys')?.metadata.resourceVersion, '9');
  });

  it('tells of each version once', () => {
    const { store, told } = storeOf();
    store.set(at('3'));
    store.set(at('3'));
    assert.deepEqual(told, ['3']);
  });

  it('takes a list of one namespace for that one, and judges late answers by it there alone', () => {
    const { store } = storeOf();
    const elsewhere = (resourceVersion: string): Secret => ({ metadata: { name: 'keys', namespace: 'blog', resourceVersion } });
    store.set(at('5'));
    store.set(elsewhere('6'));
    store.in('shop').replace([], '9');
    assert.equal(store.get('shop', 'keys'), undefined);
    assert.equal(store.get('blog', 'keys')?.metadata.resourceVersion, '6');
    store.set(at('8'));
    store.set(elsewhere('7'));
    assert.equal(store.get('shop', 'keys'), undefined);
    assert.equal(store.get('blog', 'keys')?.metadata.resourceVersion, '7');
  });

  it('takes a list as it is, older versions too', () => {
    const { store } = storeOf();
    store.set(at('90'));
    store.replace([at('5')]);
    assert.equal(store.get('shop', 'keys')?.metadata.resourceVersion, '5');
    store.replace([]);
    assert.equal(store.get('shop', 'keys'), undefined);
  });
});
