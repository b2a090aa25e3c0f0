import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ApplyLoop } from '../../../src/gateway/apply-loop.ts';
import { logTo } from '../../../src/log.ts';

const log = logTo({ write: () => {} });
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe('a change', () => {
  it('that comes while another is applied is applied after it, and many are one', async () => {
    let applied = 0;
    let finish = () => {};
    const applyLoop = new ApplyLoop({
      what: 'it',
      apply: () => {
        applied++;
        return new Promise((resolve) => (finish = () => resolve({ waitMs: undefined })));
      },
      log,
      gatherMs: 1,
    });
    applyLoop.schedule();
    await pause(10);
    assert.equal(applied, 0, 'nothing is applied before all is known');
    applyLoop.start();
    for (let index = 0; index < 10; index++) applyLoop.schedule();
    await pause(20);
    assert.equal(applied, 1);
    applyLoop.schedule();
    applyLoop.schedule();
    finish();
    await pause(20);
    assert.equal(applied, 2);
    finish();
    await applyLoop.close();
  });

  it('that fails is tried again, and the failure is told until then', async () => {
    let left = 1;
    const applyLoop = new ApplyLoop({
      what: 'it',
      apply: async () => {
        if (left-- > 0) throw new Error('no');
        return { waitMs: undefined };
      },
      log,
      gatherMs: 1,
    });
    applyLoop.start();
    while (!applyLoop.hasApplied) await pause(5);
    assert.equal(applyLoop.problem, undefined);
    await applyLoop.close();
  });

  it('that fails after it has succeeded is no problem for users: what was applied before goes on', async (t) => {
    let attempts = 0;
    const applyLoop = new ApplyLoop({
      what: 'it',
      apply: async () => {
        if (attempts++ > 0) throw new Error('no');
        return { waitMs: undefined };
      },
      log,
      gatherMs: 1,
    });
    t.after(() => applyLoop.close());
    applyLoop.start();
    while (!applyLoop.hasApplied) await pause(5);
    applyLoop.schedule();
    while (attempts < 3) await pause(5);
    assert.equal(applyLoop.problem, undefined);
  });
});
