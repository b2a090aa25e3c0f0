import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { FairLimit } from '../../../src/net/fair-limit.ts';

const settle = () => new Promise((resolve) => setImmediate(resolve));

describe('work that is limited by key', () => {
  it('runs all of it, never more at a time than it may, whatever fails', async () => {
    const job = fc.record({ key: fc.constantFrom('a', 'b', 'c'), fails: fc.boolean(), turns: fc.integer({ min: 0, max: 3 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(job, { maxLength: 40 }), async (jobs) => {
        const limit = new FairLimit(4, 2);
        const running: string[] = [];
        const results = await Promise.allSettled(
          jobs.map(({ key, fails, turns }) =>
            limit.run(key, async () => {
              running.push(key);
              assert.ok(running.length <= 4 && running.filter((each) => each === key).length <= 2);
              for (let turn = 0; turn < turns; turn++) await settle();
              running.splice(running.indexOf(key), 1);
              if (fails) throw new Error('of the work');
            }),
          ),
        );
        assert.deepEqual(
          results.map(({ status }) => status),
          jobs.map(({ fails }) => (fails ? 'rejected' : 'fulfilled')),
        );
      }),
      { numRuns: 50 },
    );
  });

  it('takes turns: who comes with one waits for one of each other key, not for all that came before', async () => {
    const limit = new FairLimit(1, 1);
    const order: string[] = [];
    const work = (key: string) => limit.run(key, async () => (order.push(key), settle()));
    await Promise.all([...Array.from({ length: 20 }, () => work('many')), work('one')]);
    assert.ok(order.indexOf('one') <= 2, order.join());
  });
});
