import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Loop } from '../../../src/kube/loop.ts';

describe('a loop', () => {
  it('waits for the round under way when it is closed, and begins no other', async () => {
    const begun = Promise.withResolvers<void>();
    const release = Promise.withResolvers<void>();
    const events: string[] = [];
    const loop = new Loop();
    loop.start(async () => {
      events.push('begins');
      if (events.filter((event) => event === 'begins').length === 3) {
        begun.resolve();
        await release.promise;
      }
      events.push('ends');
    }, 0);
    await begun.promise;
    const closed = loop.close().then(() => events.push('closed'));
    assert.equal(loop.signal.aborted, true);
    release.resolve();
    await closed;
    assert.deepEqual(events, ['begins', 'ends', 'begins', 'ends', 'begins', 'ends', 'closed']);
  });

  it('closes at once where it was never started', async () => {
    await new Loop().close();
  });
});
