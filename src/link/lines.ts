/** Messages on a stream of bytes: one JSON text each, in a line of its own. */
import { LinkError } from './protocol.ts';

/**
 * The values of a stream, one line each. It reads no further than its reader asks, so a slow reader holds the sender up.
 * @param limit bytes of a line
 * @param patienceMs how long the first line and the rest of a line that has begun may take to come, between two parts of it
 * @throws LinkError where a line is longer, is no JSON, is cut off by the end, or does not come
 */
export async function* readLines(
  chunks: AsyncIterable<Buffer>,
  { limit, patienceMs }: { limit: number; patienceMs: number },
): AsyncGenerator<unknown> {
  let parts: Buffer[] = [];
  let bytes = 0;
  let isFirst = true;
  const isWaitedFor = () => isFirst || bytes > 0;
  for await (const chunk of inTime(chunks, patienceMs, isWaitedFor)) {
    let from = 0;
    for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, from)) {
      bytes += at - from;
      if (bytes > limit) throw tooLong(limit);
      parts.push(chunk.subarray(from, at));
      const line = Buffer.concat(parts);
      parts = [];
      bytes = 0;
      isFirst = false;
      yield valueOf(line);
      from = at + 1;
    }
    bytes += chunk.length - from;
    if (bytes > limit) throw tooLong(limit);
    if (from < chunk.length) parts.push(chunk.subarray(from));
  }
  if (bytes > 0) throw new LinkError('MessageCutOff', 'the link ended within a message');
}

/** The same, until a part that is waited for is late. @throws LinkError then */
async function* inTime(chunks: AsyncIterable<Buffer>, ms: number, isWaitedFor: () => boolean): AsyncGenerator<Buffer> {
  const source = chunks[Symbol.asyncIterator]();
  for (;;) {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      if (isWaitedFor()) timer = setTimeout(() => reject(tooSlow(ms)), ms);
    });
    const next = source.next();
    next.catch(() => {});
    const part = await Promise.race([next, late]).finally(() => clearTimeout(timer));
    if (part.done) return;
    yield part.value;
  }
}

const tooSlow = (ms: number) =>
  new LinkError('MessageCutOff', `the other end has left a message unfinished for ${Math.round(ms / 1000)} s`);

const tooLong = (limit: number) => new LinkError('MessageTooLarge', `the other end sent a message of more than ${limit} bytes`);

function valueOf(line: Buffer): unknown {
  try {
    return JSON.parse(line.toString('utf8'));
  } catch (error) {
    throw new LinkError('NotAMessage', 'the other end sent a line that is no JSON', { cause: error });
  }
}

export const lineOf = (value: unknown): string => `${JSON.stringify(value)}\n`;
