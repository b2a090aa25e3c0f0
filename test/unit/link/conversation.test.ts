import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import fc from 'fast-check';
import { lineOf, readLines } from '../../../src/link/lines.ts';
import { LinkError, version, type Message } from '../../../src/link/protocol.ts';
import { Rate } from '../../../src/link/rate.ts';
import { Outbox } from '../../../src/link/outbox.ts';
import { connect, endOf, heard, talk, told } from './ends.ts';

const item = (key: string, value: unknown = key, kind = 'service') => ({ kind, key, value: value as never });

test('each end has what the other tells, at the start and after each change', async () => {
  const [a, b] = [endOf(), endOf()];
  a.outbox.set(item('prod/api', { port: 80 }));
  b.outbox.set(item('prod.api.1', 'online', 'proxy'));
  const link = connect(a, b);
  await link.settled;
  assert.deepEqual([heard(b), heard(a)], [told(a), told(b)]);
  const before = b.taken.length;
  a.outbox.set(item('prod/web'));
  a.outbox.delete({ kind: 'service', key: 'prod/api' });
  while (b.taken.length === before) await new Promise(setImmediate);
  assert.deepEqual(heard(b), { 'service prod/web': 'prod/web' });
  await link.cut();
});

test('after any changes on any number of links both ends agree, and a new link sends only what differs', async () => {
  const change = fc.record({ key: fc.integer({ min: 0, max: 20 }).map(String), value: fc.option(fc.json(), { nil: undefined }) });
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(change, { maxLength: 10 }), { minLength: 1, maxLength: 5 }), async (rounds) => {
      const [a, b] = [endOf(), endOf()];
      for (const round of rounds) {
        for (const { key, value } of round)
          if (value === undefined) a.outbox.delete({ kind: 'service', key });
          else a.outbox.set(item(key, JSON.parse(value)));
        const link = connect(a, b);
        await link.settled;
        assert.deepEqual(heard(b), told(a));
        await link.cut();
      }
      const taken = b.taken.length;
      const link = connect(a, b);
      await link.settled;
      await link.cut();
      assert.deepEqual(
        b.taken.slice(taken).flatMap(({ set, gone }) => [...set, ...gone]),
        [],
      );
    }),
    { numRuns: 50, examples: [[[[{ key: '0', value: '{"__proto__":1}' }]]]] },
  );
});

test('what an end does not know yet stays as the other end has it, until it is known', async () => {
  const gateway = endOf();
  const first = endOf();
  for (const key of ['same', 'other', 'gone', 'unwanted']) first.outbox.set(item(key, key, 'secret'));
  const before = connect(first, gateway);
  await before.settled;
  await before.cut();
  const next = endOf();
  next.outbox.replace('secret', [item('new', 'new', 'secret')], new Set(['same', 'other', 'gone']));
  const link = connect(next, gateway);
  await link.settled;
  const kept = { 'secret same': 'same', 'secret other': 'other', 'secret gone': 'gone', 'secret new': 'new' };
  assert.deepEqual(heard(gateway), kept);
  next.outbox.delete({ kind: 'secret', key: 'unwanted' });
  const taken = gateway.taken.length;
  next.outbox.replace('secret', [item('new', 'new', 'secret'), item('same', 'same', 'secret'), item('other', 'changed', 'secret')]);
  while (gateway.taken.length === taken) await new Promise(setImmediate);
  assert.deepEqual(heard(gateway), { 'secret same': 'same', 'secret other': 'changed', 'secret new': 'new' });
  assert.deepEqual(heard(gateway), told(next));
  await link.cut();
});

test('whatever an end leaves, sets and deletes on any number of links, the other has all that is set and nothing that was deleted', async () => {
  const step = fc.record({ key: fc.integer({ min: 0, max: 8 }).map(String), action: fc.constantFrom('set', 'delete', 'leave', 'anew') });
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(step, { maxLength: 8 }), { minLength: 1, maxLength: 6 }), async (rounds) => {
      const gateway = endOf();
      let cluster = endOf();
      const isThere = new Map<string, boolean>();
      for (const round of rounds) {
        const all = [...isThere.keys()];
        // Another process knows nothing at first, and says so.
        if (round.some(({ action }) => action === 'anew')) {
          cluster = endOf();
          for (const key of all) cluster.outbox.leave({ kind: 'service', key });
        }
        const link = connect(cluster, gateway);
        await link.settled;
        for (const { key, action } of round) {
          if (action === 'set') cluster.outbox.set(item(key));
          else if (action === 'delete') cluster.outbox.delete({ kind: 'service', key });
          else if (action === 'leave') cluster.outbox.leave({ kind: 'service', key });
          if (action === 'set' || action === 'delete') isThere.set(key, action === 'set');
        }
        while (!cluster.outbox.isSettled) await new Promise(setImmediate);
        await link.cut();
      }
      const link = connect(cluster, gateway);
      await link.settled;
      await link.cut();
      assert.deepEqual(new Set(Object.keys(heard(gateway))), new Set([...isThere].filter(([, is]) => is).map(([key]) => `service ${key}`)));
    }),
    { numRuns: 50 },
  );
});

test('another leader sends what the gateway does not have, and nothing else', async () => {
  const [first, gateway] = [endOf(), endOf()];
  for (let i = 0; i < 500; i++) first.outbox.set(item(`prod/${i}`, { text: 'x'.repeat(1000) }));
  const link = connect(first, gateway);
  await link.settled;
  await link.cut();
  const second = endOf();
  for (let i = 1; i < 501; i++) second.outbox.set(item(`prod/${i}`, { text: 'x'.repeat(1000) }));
  const restarted = endOf({}, gateway.inbox.collection.all());
  const again = connect(second, restarted);
  await again.settled;
  assert.deepEqual(heard(restarted), told(second));
  assert.deepEqual(
    restarted.taken.flatMap(({ set }) => set.map(({ key }) => key)),
    ['prod/500'],
  );
  assert.deepEqual(
    restarted.taken.flatMap(({ gone }) => gone.map(({ key }) => key)),
    ['prod/0'],
  );
  assert.ok(again.sent()[0] < 5000, `${again.sent()[0]} bytes`);
  await again.cut();
});

test('the start of a link is taken as a whole, however many messages it has', async () => {
  const [a, b] = [endOf(), endOf()];
  for (let i = 0; i < 5000; i++) a.outbox.set(item(`prod/${i}`, 'x'.repeat(300)));
  const link = connect(a, b);
  await link.settled;
  assert.deepEqual(
    b.taken.map(({ set }) => set.length),
    [5000],
  );
  await link.cut();
});

/** What an end does with these messages of a stranger. */
async function against(messages: (Message | object)[], limits = {}) {
  const end = endOf(limits);
  const [input, output] = [new PassThrough(), new PassThrough()];
  const done = talk(end, input, output).then(
    () => undefined,
    (error: unknown) => error as LinkError,
  );
  for (const message of messages) input.write(lineOf(message));
  input.end();
  const error = await done;
  output.end();
  const said: Message[] = [];
  for await (const line of readLines(output, { limit: 1e9, patienceMs: 1e6 })) said.push(line as Message);
  return { end, error, said };
}

const hello = { type: 'hello', version, program: '0', now: 0, digest: '', kinds: [], limits: { message: 2048, bytes: 0, items: 0 } };
const changes = (number: number, set: object[], isWhole = true) => ({ type: 'changes', number, set, delete: [], isWhole });

test('a cluster that tells more than its bound is told so, and nothing of it is taken', async () => {
  const many = Array.from({ length: 20 }, (_, i) => changes(i + 1, [item(`${i}`, 'x'.repeat(1000))], false));
  const { error, said, end } = await against([hello, ...many], { bytes: 10_000 });
  assert.equal(error?.reason, 'TooMuch');
  assert.deepEqual(said.at(-1), { type: 'end', reason: 'TooMuch', message: error.message });
  assert.deepEqual(end.taken, []);
});

test('objects that are small and too many are refused as well', async () => {
  const { error } = await against([hello, changes(1, [item('1'), item('2'), item('3')])], { items: 2 });
  assert.equal(error?.reason, 'TooMuch');
});

test('a bound holds for changes after the start, where what goes makes room', async () => {
  const big = (key: string) => item(key, 'x'.repeat(900));
  const swap = { ...changes(2, [big('2')]), delete: [{ kind: 'service', key: '1' }] };
  const { end, error } = await against([hello, changes(1, [big('1')]), swap, changes(3, [big('3')])], { bytes: 1000 });
  assert.deepEqual(Object.keys(heard(end)), ['service 2']);
  assert.equal(error?.reason, 'TooMuch');
});

test('a line without an end is given up at its bound', async () => {
  const end = endOf({ message: 2048 });
  const [input, output] = [new PassThrough(), new PassThrough()];
  const done = talk(end, input, output);
  input.write('x'.repeat(4096));
  await assert.rejects(done, { reason: 'MessageTooLarge' });
});

for (const [what, messages, reason] of [
  ['half a message', [hello], 'MessageCutOff'],
  ['another major version', [{ ...hello, version: { major: 2, minor: 0 } }], 'VersionDiffers'],
  ['a message before the first', [changes(1, [])], 'OutOfOrder'],
  ['two first messages', [hello, hello], 'OutOfOrder'],
  ['a change that is left out', [hello, changes(1, []), changes(3, [])], 'OutOfOrder'],
  ['a change again', [hello, changes(1, []), changes(1, [])], 'OutOfOrder'],
  ['a number for a message', [hello, 5 as never], 'NotAMessage'],
  ['a message with a wrong field', [hello, { ...changes(1, []), number: 'one' }], 'NotAMessage'],
] as const)
  test(`${what} ends the link with ${reason}`, async () => {
    const end = endOf();
    const [input, output] = [new PassThrough(), new PassThrough()];
    const done = talk(end, input, output);
    for (const message of messages) input.write(lineOf(message));
    input.end(reason === 'MessageCutOff' ? '{"type":"chan' : '');
    await assert.rejects(done, { name: 'Error', reason });
    assert.deepEqual(
      end.taken.flatMap(({ set }) => set),
      [],
    );
  });

test('a first message, and the rest of one that has begun, have to come in time; a link without anything to say has all the time', async () => {
  for (const given of ['', `${lineOf(hello)}{"type":"chan`]) {
    const [input, output] = [new PassThrough(), new PassThrough()];
    input.write(given);
    await assert.rejects(talk(endOf(), input, output, { patienceMs: 20 }), { reason: 'MessageCutOff', message: /unfinished for/ });
  }
  const [input, output] = [new PassThrough(), new PassThrough()];
  const done = talk(endOf(), input, output, { patienceMs: 20 });
  input.write(lineOf(hello));
  await new Promise((resolve) => setTimeout(resolve, 100));
  input.end();
  await done;
});

test('an end that goes on telling and does not read is ended, before what it is told piles up', async () => {
  const [input, output] = [new PassThrough(), new PassThrough({ highWaterMark: 10 })];
  const done = talk(endOf(), input, output);
  input.write(lineOf(hello));
  for (let number = 1; number <= 200; number++) input.write(lineOf(changes(number, [])));
  await assert.rejects(done, { reason: 'NotReading' });
  assert.ok(output.writableLength < 10_000, `${output.writableLength} bytes`);
});

test('objects in objects without an end are no message', async () => {
  const [input, output] = [new PassThrough(), new PassThrough()];
  const done = talk(endOf(), input, output);
  input.write(lineOf(hello));
  const deep = `${'['.repeat(5000)}${']'.repeat(5000)}`;
  input.write(`{"type":"changes","number":1,"set":[{"kind":"service","key":"a","value":${deep}}],"delete":[],"isWhole":true}\n`);
  await assert.rejects(done, { reason: 'NotAMessage', message: /more than 64 levels/ });
});

test('messages count though there is nothing in them, over all links of one cluster', async () => {
  let now = 0;
  const rate = new Rate({ rate: 1, burst: 30 }, () => now);
  for (const link of [1, 2]) {
    const [input, output] = [new PassThrough(), new PassThrough()];
    const done = talk(endOf(), input, output, { rate });
    for (const each of [hello, ...Array.from({ length: 9 }, (_, at) => changes(at + 1, []))]) input.write(lineOf(each));
    input.end();
    await done;
    assert.equal(rate.take(0), 0, `link ${link}`);
  }
  assert.equal(rate.take(12), 2000);
  now += 2000;
  assert.equal(rate.take(0), 0);
});

test('what only a newer minor version knows is left alone, and named', async () => {
  const end = endOf();
  const [input, output] = [new PassThrough(), new PassThrough()];
  const unknown: string[] = [];
  const done = talk(end, input, output, { onUnknown: (what) => unknown.push(what) });
  for (const message of [{ ...hello, version: { major: 1, minor: 9 }, mood: 'good' }, { type: 'song', text: 'la' }, { type: 'song' }])
    input.write(lineOf(message));
  input.write(lineOf({ ...changes(1, [item('prod/api')]), zipped: false }));
  input.end();
  await done;
  assert.deepEqual(unknown, ['hello.mood', 'song', 'changes.zipped']);
  assert.deepEqual(heard(end), { 'service prod/api': 'prod/api' });
});

test('text of any kind never throws anything but a LinkError', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(fc.json(), fc.string(), fc.constant(JSON.stringify(hello))), { maxLength: 5 }), async (lines) => {
      const [input, output] = [new PassThrough(), new PassThrough()];
      const done = talk(endOf(), input, output);
      input.end(lines.map((line) => `${line}\n`).join(''));
      await done.catch((error: unknown) => assert.ok(error instanceof LinkError, String(error)));
    }),
  );
});

test('an item that no message can hold is not told, and neither is what it replaces', () => {
  const outbox = new Outbox();
  assert.ok(outbox.set(item('prod/api')));
  assert.ok(!outbox.set(item('prod/api', 'x'.repeat(2 ** 21))));
  assert.equal(outbox.collection.size, 0);
});

test('more than the rate waits as long as the rate says, after a burst', () => {
  let now = 0;
  const rate = new Rate({ rate: 100, burst: 1000 }, () => now);
  assert.equal(rate.take(1000), 0);
  assert.equal(rate.take(50), 500);
  now += 500;
  assert.equal(rate.take(0), 0);
  now += 60_000;
  assert.equal(rate.take(1000), 0);
});
