import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RecentRefusals } from '../../../src/gateway/admission/recent-refusals.ts';
import { refused } from '../../../src/gateway/admission/refusals.ts';

describe('services whose Pods were refused', () => {
  it('are known by the cluster of the Pods, and those of one cluster take no room of the others', () => {
    const recent = new RecentRefusals({ now: () => 0 });
    const refusal = refused('TooManyLogins', 'too many');
    recent.add(refusal, 'calm', ['shop/web']);
    recent.add(
      refusal,
      'evil',
      Array.from({ length: 3000 }, (_, i) => `evil/${i}`),
    );
    recent.add(refusal, '', ['shop/web']);
    const of = (name: string) => recent.all.filter(({ cluster }) => cluster === name).map(({ service }) => service);
    assert.deepEqual([of('calm'), of('')], [['shop/web'], ['shop/web']]);
    assert.deepEqual([of('evil').length, of('evil').at(-1)], [1000, 'evil/2999']);
  });

  it('are forgotten after a minute', () => {
    let now = 0;
    const recent = new RecentRefusals({ now: () => now });
    recent.add(refused('TooManyLogins', 'too many'), 'calm', ['shop/web']);
    now = 60_001;
    assert.deepEqual(recent.all, []);
  });
});
