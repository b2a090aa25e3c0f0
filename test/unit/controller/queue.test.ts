import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { DueTimes } from '../../../src/kube/due-times.ts';
import { WorkQueue, type QueueOptions } from '../../../src/kube/work-queue.ts';
import { FakeClock } from '../certs/fake-clock.ts';

/** A queue whose work waits until the test lets it go on. */
function held(options: Partial<QueueOptions> = {}) {
  const clock = new FakeClock();
  const started: string[] = [];
  const failed: { key: string; waitMs: number }[] = [];
  const releases = new Map<string, { resolve: () => void; reject: (error: Error) => void }>();
  const queue = new WorkQueue({
    handle: (key) => {
      started.push(key);
      return new Promise((resolve, reject) => releases.set(key, { resolve, reject }));
    },
    onFailure: (key, _error, waitMs) => failed.push({ key, waitMs }),
    clock,
    ...options,
  });
  const finish = async (key: string, error?: Error) => {
    if (error) releases.get(key)?.reject(error);
    else releases.get(key)?.resolve();
    await turn();
  };
  return { clock, queue, started, failed, finish };
}

describe('the work queue', () => {
  it('keeps what was added before its start', async () => {
    const { queue, started } = held();
    queue.add('a');
    await turn();
    assert.deepEqual(started, []);
    queue.start();
    await turn();
    assert.deepEqual(started, ['a']);
  });

  it('works once on a key that was added many times', async () => {
    const { queue, started } = held();
    for (let i = 0; i < 5; i++) queue.add('a');
    queue.start();
    await turn();
    assert.deepEqual(started, ['a']);
  });

  it('never works twice at a time on one key, and once more when it changed meanwhile', async () => {
    const { queue, started, finish } = held();
    queue.start();
    queue.add('a');
    await turn();
    queue.add('a');
    queue.add('a');
    await turn();
    assert.deepEqual(started, ['a']);
    await finish('a');
    assert.deepEqual(started, ['a', 'a']);
    await finish('a');
    assert.deepEqual(started, ['a', 'a']);
  });

  it('works on as many keys at a time as it may', async () => {
    const { queue, started, finish } = held({ concurrency: 2 });
    queue.start();
    for (const key of ['a', 'b', 'c']) queue.add(key);
    await turn();
    assert.deepEqual(started, ['a', 'b']);
    await finish('b');
    assert.deepEqual(started, ['a', 'b', 'c']);
  });

  it('tries a failed key again after pauses that double up to a limit, each at least half of it', async () => {
    const { queue, clock, started, failed, finish } = held({ backoff: { minMs: 100, maxMs: 400 } });
    queue.start();
    queue.add('a');
    await turn();
    for (const limit of [100, 200, 400, 400]) {
      await finish('a', new Error('no'));
      const { waitMs } = failed.at(-1)!;
      assert.ok(waitMs >= limit / 2 && waitMs <= limit, `${waitMs} of ${limit}`);
      const before = started.length;
      clock.advance(limit / 2 - 1);
      await turn();
      assert.equal(started.length, before);
      clock.advance(limit / 2 + 1);
      await turn();
      assert.equal(started.length, before + 1);
    }
  });

  it('keeps its pauses for a key that is overdue and fails, however often one looks for what is due', async () => {
    const clock = new FakeClock();
    const due = new DueTimes();
    let attempts = 0;
    const handle = async () => {
      attempts++;
      throw new Error('no');
    };
    const queue = new WorkQueue({ clock, handle, onFailure: () => undefined });
    due.set('a', clock.now());
    queue.start();
    for (let seconds = 0; seconds < 600; seconds += 5) {
      for (const key of due.take(clock.now())) queue.add(key);
      for (let step = 0; step < 50; step++) {
        await turn();
        clock.advance(100);
      }
    }
    assert.ok(attempts > 10 && attempts <= 20, `${attempts} attempts in ten minutes`);
  });

  it('begins with short pauses again after a success', async () => {
    const { queue, clock, failed, finish } = held({ backoff: { minMs: 100, maxMs: 100_000 } });
    queue.start();
    queue.add('a');
    await turn();
    for (let i = 0; i < 5; i++) {
      await finish('a', new Error('no'));
      clock.advance(100_000);
      await turn();
    }
    await finish('a');
    queue.add('a');
    await turn();
    await finish('a', new Error('no'));
    assert.ok(failed.at(-1)!.waitMs <= 100);
  });

  it('lets one failing key hold up no other', async () => {
    const { queue, started, finish } = held({ concurrency: 1 });
    queue.start();
    queue.add('bad');
    queue.add('good');
    await turn();
    await finish('bad', new Error('no'));
    assert.deepEqual(started, ['bad', 'good']);
  });

  it('tries a waiting key at once when its object changes, and not a second time later', async () => {
    const { queue, clock, started, finish } = held();
    queue.start();
    queue.add('a');
    await turn();
    await finish('a', new Error('no'));
    queue.add('a');
    await turn();
    assert.equal(started.length, 2);
    await finish('a');
    clock.advance(1_000_000);
    await turn();
    assert.equal(started.length, 2);
  });

  it('starts a burst at once and then so many a second', async () => {
    const done: string[] = [];
    const { queue, clock } = held({ handle: async (key) => void done.push(key), perSecond: 10, burst: 3, concurrency: 100 });
    queue.start();
    for (let i = 0; i < 10; i++) queue.add(String(i));
    await turn();
    assert.equal(done.length, 3);
    for (let i = 0; i < 5; i++) {
      clock.advance(100);
      await turn();
    }
    assert.equal(done.length, 8);
  });

  it('waits at its end for what is running, and starts nothing more', async () => {
    const { queue, clock, started, finish } = held({ concurrency: 1 });
    queue.start();
    queue.add('a');
    queue.add('b');
    await turn();
    let closed = false;
    const closing = queue.close().then(() => (closed = true));
    await turn();
    assert.equal(closed, false);
    await finish('a', new Error('no'));
    await closing;
    queue.add('c');
    clock.advance(1_000_000);
    await turn();
    assert.deepEqual(started, ['a']);
    assert.equal(clock.pending, 0);
  });
});
