import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ServiceStore } from '../../../src/model/store.ts';
import type { DistributedService } from '../../../src/model/types.ts';

const at = (version: number): DistributedService => ({
  apiVersion: 'frp.io/v1beta1',
  kind: 'DistributedService',
  metadata: { name: 'api', namespace: 'shop', resourceVersion: String(version) },
  spec: { serviceType: 'http', backends: {} },
});

/** The store, the version that it holds, and what its listeners were told. */
function storeOf() {
  const store = new ServiceStore();
  const told: (string | undefined)[] = [];
  store.subscribe((_, after) => told.push(after?.metadata.resourceVersion));
  return { store, told, held: () => store.get('shop', 'api')?.metadata.resourceVersion };
}

describe('the store of services', () => {
  it('is not set back by the answer to a write that arrives after the watch has told of a later change', () => {
    const { store, told, held } = storeOf();
    store.set(at(7));
    store.set(at(6));
    assert.equal(held(), '7');
    assert.deepEqual(told, ['7']);
  });

  it('does not bring a deleted service to life with the answer to a write of before', () => {
    const { store, held } = storeOf();
    store.set(at(5));
    store.delete('shop', 'api', '8');
    store.set(at(6));
    assert.equal(held(), undefined);
    store.set(at(9));
    assert.equal(held(), '9');
  });

  it('does not bring a service to life that a list no longer has', () => {
    const { store, held } = storeOf();
    store.set(at(5));
    store.replace([], '8');
    store.set(at(6));
    assert.equal(held(), undefined);
  });

  it('keeps a service that was made anew when a late report says that the one before is gone', () => {
    const { store, held } = storeOf();
    store.set(at(9));
    store.delete('shop', 'api', '8');
    assert.equal(held(), '9');
  });

  it('takes a list as it is, older versions too, and what comes after it', () => {
    const { store, held } = storeOf();
    store.set(at(90));
    store.delete('shop', 'api', '91');
    store.replace([at(5)], '6');
    assert.equal(held(), '5');
    store.set(at(7));
    assert.equal(held(), '7');
  });

  it('tells its listeners of each version once', () => {
    const { store, told } = storeOf();
    store.set(at(3));
    store.set(at(3));
    store.replace([at(3)], '4');
    assert.deepEqual(told, ['3']);
  });

  it('ends with the last state of the API server, in whatever order late answers arrive between the reports of the watch', () => {
    const life = fc.array(fc.boolean(), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(life, fc.array(fc.nat(), { maxLength: 12 }), (changes, delays) => {
        const { store, held } = storeOf();
        // true: written by this program, which has the answer at some later time as well; false: deleted
        const history = changes.map((isWritten, index) => ({ isWritten, version: index + 1 }));
        const late = new Map<number, number[]>();
        for (const [index, { isWritten, version }] of history.entries()) {
          const arrives = index + ((delays[index] ?? 0) % 4);
          if (isWritten) late.set(arrives, [...(late.get(arrives) ?? []), version]);
        }
        for (let step = 0; step < history.length + 4; step++) {
          const event = history[step];
          if (event?.isWritten) store.set(at(event.version));
          else if (event) store.delete('shop', 'api', String(event.version));
          for (const version of late.get(step) ?? []) store.set(at(version));
        }
        const last = history.at(-1)!;
        assert.equal(held(), last.isWritten ? String(last.version) : undefined);
      }),
    );
  });
});
