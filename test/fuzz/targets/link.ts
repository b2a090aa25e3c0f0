/** What comes by a link: lines, messages, and a whole conversation that these are one end of. */
import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { readLines } from '../../../src/link/lines.ts';
import { LinkError, parseMessage, version } from '../../../src/link/protocol.ts';
import { endOf, talk } from '../../unit/link/ends.ts';
import { wayOf, type Target } from '../target.ts';

const limits = { message: 64 * 1024, bytes: 256 * 1024, items: 200 };
const kinds = ['service', 'secret'];
const digest = 'A'.repeat(22);
const hello = { type: 'hello', version, program: '0.1.0', now: 1_790_000_000_000, digest, kinds, limits };
const have = { type: 'have', items: [['service', 'prod/api', digest]], isSame: false, isLast: true };
const changes = (number: number, more: object = {}) => ({
  type: 'changes',
  number,
  set: [{ kind: 'service', key: 'prod/api', value: { port: 80 } }],
  delete: [{ kind: 'service', key: 'prod/web' }],
  isWhole: true,
  ...more,
});
const lines = (...messages: object[]): Buffer => Buffer.from(messages.map((message) => `${JSON.stringify(message)}\n`).join(''));

function* corpus(): Iterable<Buffer> {
  yield lines(hello, have, changes(1), changes(2, { set: [] }));
  yield lines(hello, { ...have, isLast: false }, { ...have, items: [] }, changes(1, { isWhole: false }), changes(2));
  yield lines(
    hello,
    { ...have, isSame: true, items: [] },
    { type: 'acknowledged', number: 1 },
    { type: 'end', reason: 'Closing', message: 'bye' },
  );
  yield lines({ ...hello, version: { major: 2, minor: 0 } });
  yield lines({ ...hello, compression: 'zstd' }, { type: 'later', of: 'a newer version' }, have, changes(1));
  yield lines(
    hello,
    have,
    changes(1, { set: Array.from({ length: 300 }, (_, index) => ({ kind: 'service', key: String(index), value: null })) }),
  );
  for (const message of [hello, have, changes(1)]) yield lines(message);
}

/** In parts of a few bytes, as they come over a network; the same for the same input. */
function* partsOf(input: Buffer): Iterable<Buffer> {
  const step = 1 + (input.length % 977);
  for (let at = 0; at < input.length; at += step) yield input.subarray(at, at + step);
}

const ended = (error: unknown): string => {
  if (!(error instanceof LinkError)) throw error;
  assert.ok(error.message.length < 4000, `a message of ${error.message.length} characters`);
  return error.reason;
};

async function read(input: Buffer): Promise<string> {
  const types: string[] = [];
  try {
    const source = (async function* () {
      yield* partsOf(input);
    })();
    for await (const value of readLines(source, { limit: limits.message, patienceMs: 10_000 })) {
      const message = parseMessage(value, (what) => assert.ok(what.length <= 160, `${what.length} characters of a name`));
      types.push(message?.type ?? 'unknown');
    }
  } catch (error) {
    types.push(ended(error), wayOf((error as Error).message));
  }
  return types.slice(-6).join();
}

async function conversed(input: Buffer): Promise<string> {
  const end = endOf(limits);
  const [there, back] = [new PassThrough(), new PassThrough()];
  back.resume();
  for (const part of partsOf(input)) there.write(part);
  there.end();
  const over = await talk(end, there, back, { kinds, patienceMs: 10_000 }).then(() => 'over', ended);
  const held = [...end.inbox.collection.all()];
  assert.ok(held.length <= limits.items, `${held.length} items are held`);
  return `${over} ${Math.min(held.length, 3)}`;
}

export const target: Target = {
  corpus,
  isJson: false,
  words: [
    '"type":"hello"',
    '"type":"have"',
    '"type":"changes"',
    '"type":"acknowledged"',
    '"type":"end"',
    '"number":2',
    '"isWhole":false',
    '"isLast":true',
    '"__proto__":{}',
    `${JSON.stringify(hello)}\n`,
    `${JSON.stringify(have)}\n`,
    `${JSON.stringify(changes(1))}\n`,
    `${JSON.stringify(changes(2))}\n`,
    '[]',
    '{}',
    'null',
    '\n',
  ],
  run: async (input) => `${await read(input)}\n${await conversed(input)}`,
};
