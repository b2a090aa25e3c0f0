import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseLogLine, RequestTimes } from '../../../src/gateway/telemetry/request-times.ts';

describe('times of requests', () => {
  it("are read from HAProxy's log, where a server was reached", () => {
    const line =
      '<134>Nov 21 13:00:00 haproxy[7]: 127.0.0.1:4242 [21/Nov/2026:13:00:00.123] frp-http be-97375646b1deb3d2/s-8342ce17136ab1a0 0/0/1/2/37 200 120 - - ---- 1/1/0/0/0 0/0 "GET / HTTP/1.1"';
    assert.deepEqual(parseLogLine(line), { backend: 'be-97375646b1deb3d2', server: 's-8342ce17136ab1a0', milliseconds: 37 });
    assert.equal(parseLogLine(line.replace('s-8342ce17136ab1a0', '<NOSRV>')), undefined);
    assert.equal(parseLogLine('nonsense'), undefined);
  });

  it('give quantiles to five percent, of the last minutes', () => {
    let now = 0;
    const times = new RequestTimes({ now: () => now });
    for (let milliseconds = 1; milliseconds <= 1000; milliseconds++) times.add({ backend: 'b', server: 's', milliseconds });
    const close = (actual: number | undefined, wanted: number) =>
      assert.ok(Math.abs(actual! - wanted) <= 0.05 * wanted, `${actual} for ${wanted}`);
    const found = times.quantiles(['b/s'], [0.5, 0.99]);
    close(found.get(0.5), 0.5);
    close(found.get(0.99), 0.99);
    times.add({ backend: 'b', server: 'of-another', milliseconds: 60_000 });
    close(times.quantiles(['b/s', 'b/of-another'], [1]).get(1), 60);
    close(times.quantiles(['b/s', 'b/none'], [1]).get(1), 1);
    now = 60_000;
    assert.equal(times.quantiles(['b/s'], [0.5]).size, 1);
    now = 200_000;
    assert.equal(times.quantiles(['b/s'], [0.5]).size, 0);
  });
});
