/** Messages on a stream of bytes: one JSON text each, in a line of its own. */
import { LinkError } from './protocol.ts';

/**
 * The values of a stream, one line each. It reads no further than its reader asks, so a slow reader holds the sender up.
 * @param limit bytes of a line
 * @throws LinkError where a line is longer, is no JSON, or is cut off by the end
 */
export async function* readLines(chunks: AsyncIterable<Buffer>, limit: number): AsyncGenerator<unknown> {
  let parts: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    let from = 0;
    for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, from)) {
      bytes += at - from;
      if (bytes > limit) throw tooLong(limit);
      parts.push(chunk.subarray(from, at));
      yield valueOf(Buffer.concat(parts));
      parts = [];
      bytes = 0;
      from = at + 1;
    }
    bytes += chunk.length - from;
    if (bytes > limit) throw tooLong(limit);
    if (from < chunk.length) parts.push(chunk.subarray(from));
  }
  if (bytes > 0) throw new LinkError('MessageCutOff', 'the link ended within a message');
}

const tooLong = (limit: number) => new LinkError('MessageTooLarge', `the other end sent a message of more than ${limit} bytes`);

function valueOf(line: Buffer): unknown {
  try {
    return JSON.parse(line.toString('utf8'));
  } catch (error) {
    throw new LinkError('NotAMessage', 'the other end sent a line that is no JSON', { cause: error });
  }
}

export const lineOf = (value: unknown): string => `${JSON.stringify(value)}\n`;
