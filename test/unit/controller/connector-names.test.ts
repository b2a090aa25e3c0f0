import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { candidates, Names } from '../../../src/controller/connectors/dns.ts';
import { FakeClock } from '../certs/fake-clock.ts';

const failing = (code: string) => Object.assign(new Error(code), { code });
const settle = () => new Promise((resolve) => setImmediate(resolve));

/** A DNS server whose records the tests change, and a clock that moves when told. */
function world() {
  const clock = new FakeClock();
  const records = new Map<string, string[] | 'SERVFAIL'>();
  const asked: string[] = [];
  const changes: string[] = [];
  let busy = 0;
  let busiest = 0;
  let isSlow = (_name: string) => false;
  const resolve = async (name: string): Promise<string[]> => {
    asked.push(name);
    if (isSlow(name)) await new Promise(() => {});
    busiest = Math.max(busiest, ++busy);
    await settle();
    busy--;
    const found = records.get(name);
    if (found === 'SERVFAIL') throw failing('ESERVFAIL');
    if (!found) throw failing('ENOTFOUND');
    return found;
  };
  const names = new Names({ resolve, clock, domain: 'cluster.local', changed: (key) => changes.push(key) });
  const pass = async (ms: number) => {
    for (let left = ms; left > 0; left -= 500) {
      clock.advance(Math.min(500, left));
      for (let i = 0; i < 8; i++) await settle();
    }
  };
  const start = async () => {
    for (let i = 0; i < 40; i++) await settle();
  };
  const answerSlowly = (which: typeof isSlow) => void (isSlow = which);
  return { answerSlowly, clock, records, asked, changes, names, pass, start, busiest: () => busiest };
}

describe('names of backends', () => {
  it('are pending until they were asked for once', async () => {
    const { names, records, start, changes } = world();
    records.set('db.example.com', ['10.0.0.2', '10.0.0.1', '10.0.0.1']);
    names.follow('prod/db', 'prod', ['db.example.com']);
    assert.deepEqual(names.answer('prod', 'db.example.com'), { addresses: [], pending: true });
    await start();
    assert.deepEqual(names.answer('prod', 'db.example.com'), { addresses: ['10.0.0.1', '10.0.0.2'], pending: false });
    assert.deepEqual(changes, ['prod/db']);
  });

  it('tell of changed records within some two seconds, and of nothing else', async () => {
    const { names, records, start, pass, changes } = world();
    records.set('db.example.com', ['10.0.0.1']);
    names.follow('prod/db', 'prod', ['db.example.com']);
    await start();
    await pass(20_000);
    assert.equal(changes.length, 1);
    records.set('db.example.com', ['10.0.0.2']);
    await pass(2500);
    assert.deepEqual(names.answer('prod', 'db.example.com').addresses, ['10.0.0.2']);
    assert.equal(changes.length, 2);
  });

  for (const [what, broken] of [
    ['a DNS server that fails', 'SERVFAIL'],
    ['a name that is gone', undefined],
  ] as const) {
    it(`keep their addresses for 30 seconds with ${what}, then say so, and heal`, async () => {
      const { names, records, start, pass } = world();
      records.set('db.example.com', ['10.0.0.1']);
      names.follow('prod/db', 'prod', ['db.example.com']);
      await start();
      if (broken) records.set('db.example.com', broken);
      else records.delete('db.example.com');
      await pass(28_000);
      assert.deepEqual(names.answer('prod', 'db.example.com'), { addresses: ['10.0.0.1'], pending: false });
      await pass(6000);
      const { addresses, problem } = names.answer('prod', 'db.example.com');
      assert.deepEqual(addresses, []);
      assert.match(problem ?? '', /^cannot be resolved: /);
      records.set('db.example.com', ['10.0.0.3']);
      await pass(2500);
      assert.deepEqual(names.answer('prod', 'db.example.com'), { addresses: ['10.0.0.3'], pending: false });
    });
  }

  it('follow records that are gone on purpose at once: a headless Service without a Pod', async () => {
    const { names, records, start, pass } = world();
    records.set('web.prod.svc.cluster.local', ['10.0.0.1']);
    names.follow('prod/web', 'prod', ['web']);
    await start();
    records.set('web.prod.svc.cluster.local', []);
    await pass(2500);
    assert.deepEqual(names.answer('prod', 'web').addresses, []);
    assert.match(names.answer('prod', 'web').problem ?? '', /no addresses/);
  });

  it('never resolve: a problem after the first lookup, and pending for 30 seconds', async () => {
    const { names, start, pass } = world();
    names.follow('prod/web', 'prod', ['nowhere']);
    assert.deepEqual(names.answer('prod', 'nowhere'), { addresses: [], pending: true });
    await start();
    assert.match(names.answer('prod', 'nowhere').problem ?? '', /^cannot be resolved: no such name/);
    await pass(25_000);
    assert.equal(names.answer('prod', 'nowhere').pending, true);
    await pass(8000);
    const { pending, problem } = names.answer('prod', 'nowhere');
    assert.equal(pending, false);
    assert.match(problem ?? '', /nowhere\.prod\.svc\.cluster\.local, nowhere/);
  });

  it('are asked for once for all that share them, at most eight at a time of a namespace, and no more when nobody does', async () => {
    const { names, records, asked, start, pass, busiest, clock } = world();
    const hosts = Array.from({ length: 50 }, (_, i) => `h${i}.example.com`);
    for (const host of hosts) records.set(host, ['10.0.0.1']);
    names.follow('prod/a', 'prod', hosts);
    names.follow('prod/b', 'prod', hosts);
    await start();
    await pass(1000);
    assert.equal(asked.length, 50);
    assert.equal(busiest(), 8);
    names.follow('prod/a', 'prod', []);
    await pass(3000);
    assert.ok(asked.length > 50);
    names.follow('prod/b', 'prod', []);
    const before = asked.length;
    assert.equal(clock.pending, 0);
    await pass(5000);
    assert.equal(asked.length, before);
  });

  it('that are slow in one namespace do not delay those of another', async () => {
    const { names, records, start, pass, answerSlowly } = world();
    answerSlowly((name) => name.endsWith('.slow.example'));
    const slow = Array.from({ length: 256 }, (_, i) => `h${i}.slow.example`);
    names.follow('busy/a', 'busy', slow);
    await start();
    records.set('db.example.com', ['10.0.0.1']);
    names.follow('prod/db', 'prod', ['db.example.com']);
    await start();
    assert.deepEqual(names.answer('prod', 'db.example.com').addresses, ['10.0.0.1'], 'though not one of theirs has been answered');
    records.set('db.example.com', ['10.0.0.2']);
    await pass(2500);
    assert.deepEqual(names.answer('prod', 'db.example.com').addresses, ['10.0.0.2']);
    names.close();
  });

  it('that have failed for long are asked for more seldom', async () => {
    const { names, asked, start, pass } = world();
    names.follow('prod/db', 'prod', ['nowhere.example.com.']);
    await start();
    await pass(600_000);
    const before = asked.length;
    await pass(60_000);
    assert.ok(asked.length - before <= 9, `${asked.length - before} times in a minute`);
    assert.ok(asked.length - before >= 6);
    names.close();
  });

  it('are, whatever happens to the records, the last that were found, for 30 seconds and no longer', async () => {
    const found = fc.uniqueArray(fc.ipV4(), { minLength: 1, maxLength: 5 });
    const episode = fc.record({
      outcome: fc.oneof(found, fc.constantFrom('SERVFAIL' as const, undefined)),
      looks: fc.integer({ min: 1, max: 16 }),
    });
    await fc.assert(
      fc.asyncProperty(found, fc.array(episode, { maxLength: 6 }), async (first, episodes) => {
        const { names, records, start, pass } = world();
        records.set('db.example.com', first);
        names.follow('prod/db', 'prod', ['db.example.com']);
        await start();
        let last = [...first].sort();
        let failingMs = 0;
        for (const { outcome, looks } of episodes) {
          if (outcome) records.set('db.example.com', outcome);
          else records.delete('db.example.com');
          for (let look = 0; look < looks; look++) {
            // At least one look, at most two; what has failed for long is looked up more seldom.
            await pass(failingMs > 90_000 && Array.isArray(outcome) ? 10_000 : 2500);
            if (Array.isArray(outcome)) [last, failingMs] = [[...outcome].sort(), 0];
            else failingMs += 2500;
            const { addresses, problem } = names.answer('prod', 'db.example.com');
            if (failingMs < 27_000) assert.deepEqual([addresses, problem], [last, undefined]);
            if (failingMs > 37_000) assert.deepEqual([addresses, typeof problem], [[], 'string']);
          }
        }
        names.close();
      }),
      { numRuns: 40 },
    );
  });

  it('stand for what a Pod of the namespace would ask for', () => {
    const of = (host: string) => candidates(host, 'prod', 'cluster.local');
    assert.deepEqual(of('db'), ['db.prod.svc.cluster.local', 'db']);
    assert.deepEqual(of('db.other.svc'), ['db.other.svc.cluster.local']);
    assert.deepEqual(of('db.other'), ['db.other', 'db.other.svc.cluster.local']);
    assert.deepEqual(of('db.example.com.'), ['db.example.com']);
  });
});
