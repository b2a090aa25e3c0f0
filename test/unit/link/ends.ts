/** Two ends of a link in one process, with pipes between them. */
import { PassThrough } from 'node:stream';
import type { Entry } from '../../../src/link/collection.ts';
import { converse, type Conversation } from '../../../src/link/conversation.ts';
import { Inbox } from '../../../src/link/inbox.ts';
import { Outbox } from '../../../src/link/outbox.ts';
import { defaultLimits, type Limits, type Reference } from '../../../src/link/protocol.ts';

export interface End {
  outbox: Outbox;
  inbox: Inbox;
  /** each batch that was taken */
  taken: { set: readonly Entry[]; gone: readonly Reference[] }[];
  limits: Limits;
}

export function endOf(limits: Partial<Limits> = {}, known: Iterable<Entry> = [], outbox = new Outbox()): End {
  const all = { ...defaultLimits, ...limits };
  const taken: End['taken'] = [];
  const inbox = new Inbox({ known, limits: all, take: async (set, gone) => void taken.push({ set, gone }) });
  return { outbox, inbox, taken, limits: all };
}

/** One end on two streams. */
export const talk = (end: End, input: PassThrough, output: PassThrough, more: Partial<Conversation> = {}): Promise<void> =>
  converse({ input, output, outbox: end.outbox, inbox: end.inbox, kinds: ['service'], limits: end.limits, ...more });

export interface Connected {
  /** resolves when each end has all of the other */
  settled: Promise<unknown>;
  /** bytes that each end has sent */
  sent: () => [number, number];
  cut: () => Promise<unknown>;
  done: Promise<PromiseSettledResult<void>[]>;
}

export function connect(a: End, b: End): Connected {
  const sent: [number, number] = [0, 0];
  const counting = (index: 0 | 1) =>
    new PassThrough({
      transform(chunk: Buffer, _encoding, done) {
        sent[index] += chunk.length;
        done(null, chunk);
      },
    });
  const [there, back] = [counting(0), counting(1)];
  const whole = [Promise.withResolvers<void>(), Promise.withResolvers<void>()] as const;
  const done = Promise.allSettled([
    talk(a, back, there, { onSettled: whole[0].resolve }).finally(() => there.end()),
    talk(b, there, back, { onSettled: whole[1].resolve }).finally(() => back.end()),
  ]);
  const cut = () => {
    there.end();
    back.end();
    return done;
  };
  return { settled: Promise.all(whole.map(({ promise }) => promise)), sent: () => sent, cut, done };
}

/** What an end knows of the other, as plain values. */
export const heard = ({ inbox }: End): Record<string, unknown> =>
  Object.fromEntries([...inbox.collection.all()].map(({ kind, key, value }) => [`${kind} ${key}`, value]));
export const told = ({ outbox }: End): Record<string, unknown> =>
  Object.fromEntries([...outbox.collection.all()].map(({ kind, key, value }) => [`${kind} ${key}`, value]));
