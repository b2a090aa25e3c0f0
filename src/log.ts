/** Logs: JSON lines on stdout by pino, written in batches off the request path and flushed at exit. */
import { writeSync } from 'node:fs';
import { pino, type DestinationStream, type Logger } from 'pino';

export type Log = Logger;

/** Lines gathered before a write, and milliseconds after which fewer are written: a busy server writes once for many. */
const batchLines = 64;
const batchMs = 250;
/** Lines beyond this many bytes are dropped while stdout is stuck, rather than kept in memory. */
const stuckBytes = 16 * 1024 * 1024;

/** Lines that are told at a stretch: the last waits until stdout has room again. Characters. */
const waitingLines = 4 * 1024 * 1024;

export interface Output {
  log: Log;
  /** Writes whole lines of their own beside the log's. @returns false where they are dropped, because nobody reads stdout fast enough */
  write: (lines: string) => boolean;
}

/** A log at a level (trace, debug, info, warn, error) to stdout. Call once: it flushes when the process exits. */
export const createLog = (level: string): Log => createOutput(level).log;

/** The same, with lines that are no messages. */
export function createOutput(level: string): Output {
  const stdout = pino.destination({ fd: 1, sync: false, maxLength: stuckBytes });
  // A disk that is full, where the output is a file, ends no program: lines are lost, and the next may find room.
  stdout.on('error', () => {});
  const batched = batch((text) => stdout.write(text));
  process.once('exit', () => {
    stdout.flushSync();
    // Not through `stdout`: it would begin an asynchronous write, which the exit does not wait for.
    try {
      writeSync(1, batched.take());
    } catch {
      // Nobody reads it any more.
    }
  });
  return { log: logTo(batched, level), write: withinReach(stdout) };
}

/** What a stream does not take at once waits, up to a limit. */
export function withinReach(
  stream: { write: (text: string) => boolean; on: (event: 'drain', then: () => void) => unknown },
  most = waitingLines,
): (lines: string) => boolean {
  let isFull = false;
  let waiting: string[] = [];
  let size = 0;
  stream.on('drain', () => {
    isFull = false;
    const text = waiting.join('');
    waiting = [];
    size = 0;
    if (text !== '') isFull = !stream.write(text);
  });
  return (lines) => {
    if (!isFull) {
      isFull = !stream.write(lines);
      return true;
    }
    if (size + lines.length > most) return false;
    waiting.push(lines);
    size += lines.length;
    return true;
  };
}

/** pino's own destination has batches too (minLength), but measures the whole batch again with each line. */
function batch(write: (text: string) => void): DestinationStream & { take(): string } {
  let lines: string[] = [];
  let timer: NodeJS.Timeout | undefined;
  const take = () => {
    clearTimeout(timer);
    timer = undefined;
    const text = lines.join('');
    lines = [];
    return text;
  };
  return {
    take,
    write(line) {
      if (lines.push(line) >= batchLines) write(take());
      else timer ??= setTimeout(() => write(take()), batchMs).unref();
    },
  };
}

/** A log to any destination. */
export function logTo(destination: DestinationStream, level = 'info'): Log {
  return pino({ level, base: undefined, timestamp: isoTime, formatters: { level: (label) => ({ level: label }) } }, destination);
}

let second = 0;
let secondText = '';

/** As pino.stdTimeFunctions.isoTime, with the text of the second made once for all the lines of that second. */
function isoTime(): string {
  const now = Date.now();
  const since = now - second;
  if (since < 0 || since >= 1000) {
    second = now - (now % 1000);
    secondText = new Date(second).toISOString().slice(0, 20);
  }
  return `,"time":"${secondText}${String(now % 1000).padStart(3, '0')}Z"`;
}
