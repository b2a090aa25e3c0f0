/** The fuzzer finds what is planted, says by which input, and does the same again for a seed. */
import { suite, test } from 'node:test';
import assert from 'node:assert/strict';
import { fuzz, type Outcome } from '../../fuzz/fuzz.ts';
import { longest, mutated } from '../../fuzz/mutate.ts';
import { Random } from '../../fuzz/random.ts';

const module = new URL('./planted.ts', import.meta.url).href;
const found = (outcome: Outcome): [string, string] => ('broken' in outcome ? [outcome.broken, outcome.input.toString()] : ['', '']);
const given = (text: string, more: object = {}) =>
  fuzz({ module, seed: 1, forMs: 0, given: [Buffer.from('fine'), Buffer.from(text)], ...more });

suite('fuzzing', () => {
  test('finds an input that breaks a rule by mutating what is fine, and the input breaks it again', async () => {
    const [why, input] = found(await fuzz({ module, seed: 7, forMs: 60_000 }));
    assert.match(why, /there is no magic/);
    assert.match(input, /magic/);
    assert.match(found(await given(input))[0], /there is no magic/);
  });

  test('ends an input that never comes back', async () => {
    const [why, input] = found(await given('hang', { patienceMs: 500 }));
    assert.match(why, /has not come back/);
    assert.equal(input, 'hang');
  });

  test('ends an input that takes all memory', async () => {
    const [why, input] = found(await given('memory', { heap: 32, patienceMs: 120_000 }));
    assert.match(why, /memory/i);
    assert.equal(input, 'memory');
  });

  test('tells an input that takes too much CPU', async () => {
    const [why, input] = found(await given('slow', { cpuMs: 20 }));
    assert.match(why, /ms of CPU for 4 bytes/);
    assert.equal(input, 'slow');
  });

  test('says how much it has done where all holds', async () => {
    assert.deepEqual(await given('other'), { inputs: 4, ways: 4 });
  });
});

test('a mutation is the same for a seed, another for another, and bounded', () => {
  const pool = [Buffer.from('{"a": {"b": [1, "x"]}, "c": "d"}'), Buffer.from('a = 1\nb = 2\n')];
  const some = (seed: number) => {
    const random = new Random(seed);
    return Array.from({ length: 300 }, () => mutated({ pool, words: ['word'], isJson: true }, random).toString('latin1'));
  };
  assert.deepEqual(some(3), some(3));
  assert.notDeepEqual(some(3), some(4));
  assert.ok(new Set(some(3)).size > 200);
  assert.ok(some(3).every((text) => text.length <= longest));
});
