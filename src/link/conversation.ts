/** One link, from the first message to the last: what is told, what is heard, in which order. */
import type { Readable, Writable } from 'node:stream';
import { programVersion } from '../version.ts';
import type { Inbox } from './inbox.ts';
import { lineOf, readLines } from './lines.ts';
import type { Outbox } from './outbox.ts';
import {
  checkVersion,
  LinkError,
  parseMessage,
  version,
  type Changes,
  type Have,
  type Hello,
  type Limits,
  type Message,
} from './protocol.ts';
import { Rate } from './rate.ts';

export interface Conversation {
  input: Readable;
  output: Writable;
  /** what this end tells */
  outbox: Outbox;
  /** what it hears */
  inbox: Inbox;
  /** kinds of items that this end understands */
  kinds: readonly string[];
  limits: Limits;
  /** how much of the other is taken, over all of its links; default: of this one alone */
  rate?: Rate | undefined;
  /** until the first message has to be here, and the rest of one that has begun; milliseconds */
  patienceMs?: number | undefined;
  /** told of the other's first message, before anything else of it */
  onHello?: (hello: Hello) => void;
  /** told what the other end says that this one does not know; each once */
  onUnknown?: (what: string) => void;
  /** told each time that the other end has everything, and that this end has everything of the other */
  onSettled?: () => void;
  now?: () => number;
  /** ends the link; its reason is a LinkError, which the other end is told */
  signal?: AbortSignal;
}

/** Most names of what is not understood that are remembered. */
const unknownLimit = 100;
const patienceMs = 15_000;
/** Acknowledgements that may wait for the other end to read them: it has never more messages than 4 under way without one. */
const mostUnread = 64;

/**
 * Talks until the input ends. @throws LinkError why this end ended it, or the other; any error of the streams
 */
export async function converse(options: Conversation): Promise<void> {
  const talk = new Talk(options);
  try {
    await Promise.race([talk.run(), ...(options.signal ? [abortion(options.signal)] : [])]);
  } catch (error) {
    if (error instanceof LinkError && error.reason !== 'EndedByOther')
      talk.say({ type: 'end', reason: error.reason, message: error.message.slice(0, 2000) });
    throw error;
  } finally {
    options.outbox.stop();
  }
}

const abortion = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    const abort = () => reject(signal.reason as Error);
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });

class Talk {
  readonly #options: Conversation;
  readonly #rate: Rate;
  readonly #unknown = new Set<string>();
  #hello: Hello | undefined;
  #had: Have['items'] | undefined;
  #hadBytes = 0;
  #unread = 0;
  #isPumping = false;

  constructor(options: Conversation) {
    this.#options = options;
    this.#rate = options.rate ?? new Rate(options.limits);
  }

  async run(): Promise<void> {
    const { input, outbox, kinds, limits, now = Date.now } = this.#options;
    this.#had = [];
    outbox.begin(() => void this.#pump());
    const { message, bytes, items } = limits;
    const digest = outbox.collection.digest();
    const hello = { version, program: programVersion, now: now(), digest, kinds: [...kinds], limits: { message, bytes, items } };
    this.say({ type: 'hello', ...hello });
    // What is wrong with a message is still to be said, where both streams are one.
    const chunks = input.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
    const lines = readLines(chunks, { limit: message, patienceMs: this.#options.patienceMs ?? patienceMs });
    for await (const value of lines) {
      const heard = parseMessage(value, (what) => this.#notUnderstood(what));
      if (heard) await this.#hear(heard);
      // Nothing more is read meanwhile, so the sender waits.
      const waitMs = this.#rate.take(Math.max(1, heard?.type === 'changes' ? heard.set.length + heard.delete.length : 0));
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
  }

  say(message: Message): boolean {
    const { output } = this.#options;
    return output.writable && output.write(lineOf(message));
  }

  async #hear(message: Message): Promise<void> {
    if (message.type === 'end') throw new LinkError('EndedByOther', `the other end ended the link: ${message.message}`);
    if (!this.#hello) {
      if (message.type !== 'hello') throw new LinkError('OutOfOrder', `the first message is to be "hello", and it is "${message.type}"`);
      return this.#greeted(message);
    }
    switch (message.type) {
      case 'hello':
        throw new LinkError('OutOfOrder', 'a second "hello" came');
      case 'have':
        return this.#compare(message);
      case 'changes':
        return this.#take(message);
      case 'acknowledged':
        this.#options.outbox.acknowledge(message.number);
        return this.#tellSettled();
    }
  }

  #greeted(hello: Hello): void {
    checkVersion(hello.version);
    this.#hello = hello;
    this.#options.onHello?.(hello);
    for (const have of this.#options.inbox.begin(hello.digest)) this.say(have);
  }

  #compare({ items, isSame, isLast }: Have): void {
    const { outbox, limits } = this.#options;
    if (!this.#had) throw new LinkError('OutOfOrder', 'a message "have" came after the last one');
    for (const item of items) {
      this.#had.push(item);
      this.#hadBytes += item[1].length;
    }
    if (this.#had.length > 2 * limits.items || this.#hadBytes > limits.bytes)
      throw new LinkError('TooMuch', 'the other end says that it has more than anybody told it');
    if (!isLast) return;
    outbox.compare(isSame ? undefined : this.#had);
    this.#had = undefined;
  }

  async #take(changes: Changes): Promise<void> {
    await this.#options.inbox.receive(changes);
    this.#acknowledge(changes.number);
    this.#tellSettled();
  }

  /** @throws LinkError where the other end goes on without reading: what it is told would pile up here */
  #acknowledge(number: number): void {
    if (this.#unread >= mostUnread) throw new LinkError('NotReading', 'the other end goes on telling and does not read what it is told');
    this.#unread++;
    const { output } = this.#options;
    if (output.writable) output.write(lineOf({ type: 'acknowledged', number }), () => this.#unread--);
  }

  #tellSettled(): void {
    if (this.#options.outbox.isSettled) this.#options.onSettled?.();
  }

  /** As long as there is something to say and the stream takes it. */
  async #pump(): Promise<void> {
    if (this.#isPumping) return;
    this.#isPumping = true;
    // What changes together is told together.
    await Promise.resolve();
    const { outbox, output } = this.#options;
    try {
      for (let part = outbox.next(); part && output.writable; part = outbox.next())
        if (!this.say(part)) await new Promise((resolve) => output.once('drain', resolve).once('close', resolve));
    } finally {
      this.#isPumping = false;
    }
  }

  #notUnderstood(what: string): void {
    if (this.#unknown.has(what) || this.#unknown.size >= unknownLimit) return;
    this.#unknown.add(what);
    this.#options.onUnknown?.(what);
  }
}
