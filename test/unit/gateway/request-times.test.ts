import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RequestTimes } from '../../../src/gateway/telemetry/request-times.ts';

describe('times of requests', () => {
  it('give quantiles to five percent, of the last minutes', () => {
    let now = 0;
    const times = new RequestTimes({ now: () => now });
    for (let milliseconds = 1; milliseconds <= 1000; milliseconds++)
      times.add({ server: 'b/s', duration: milliseconds / 1000, weight: 10 });
    const close = (actual: number | undefined, wanted: number) =>
      assert.ok(Math.abs(actual! - wanted) <= 0.05 * wanted, `${actual} for ${wanted}`);
    const found = times.quantiles(['b/s'], [0.5, 0.99]);
    close(found.get(0.5), 0.5);
    close(found.get(0.99), 0.99);
    times.add({ server: 'b/of-another', duration: 60, weight: 1 });
    close(times.quantiles(['b/s', 'b/of-another'], [1]).get(1), 60);
    close(times.quantiles(['b/s', 'b/none'], [1]).get(1), 1);
    now = 60_000;
    assert.equal(times.quantiles(['b/s'], [0.5]).size, 1);
    now = 200_000;
    assert.equal(times.quantiles(['b/s'], [0.5]).size, 0);
  });
});
