/** One log for all parts: what they write to their files goes on to standard output, each line with its part. */
import { closeSync, fstatSync, ftruncateSync, openSync, readSync } from 'node:fs';
import type { Log } from '../../log.ts';
import { logFile, type PartName } from './layout.ts';

const everyMs = 250;
/** A file that is read and longer than this begins anew. Bytes. */
const longest = 1024 * 1024;
const longestLine = 64 * 1024;

export class Output {
  readonly #log: Log;
  readonly #tails: Tail[];
  readonly #timer: NodeJS.Timeout;

  /** What was written before counts as read. */
  constructor(directory: string, parts: readonly PartName[], log: Log) {
    this.#log = log;
    this.#tails = parts.map((part) => new Tail(logFile(directory, part), (line) => this.#pass(part, line)));
    this.#timer = setInterval(() => this.#read(), everyMs);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#read();
    for (const tail of this.#tails) tail.close();
  }

  #read(): void {
    for (const tail of this.#tails) tail.read();
  }

  #pass(part: PartName, line: string): void {
    const own = part === 'agent' ? fieldsOf(line) : undefined;
    if (own) {
      const { level, msg, time: _, ...fields } = own;
      this.#log[levelOf(level)]({ part, ...fields }, String(msg));
    } else this.#log[severityOf(line)]({ part }, line);
  }
}

type Level = 'error' | 'warn' | 'info' | 'debug';
const levelOf = (level: unknown): Level => (level === 'error' || level === 'warn' || level === 'debug' ? level : 'info');

/** HAProxy: [ALERT], [WARNING], [NOTICE], of which most warnings are of nothing unusual, such as a server that is up; frps: [E], [W]. */
const severities: Readonly<Record<string, Level>> = { ALERT: 'error', E: 'error', WARNING: 'info', W: 'warn', NOTICE: 'debug' };
const severityOf = (line: string): Level => severities[/\[([A-Z]+)\]/.exec(line.slice(0, 60))?.[1] ?? ''] ?? 'info';

/** Of a line of JSON, as the agent writes it. */
function fieldsOf(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && 'msg' in value ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

class Tail {
  readonly #file: number;
  readonly #line: (line: string) => void;
  readonly #chunk = Buffer.alloc(64 * 1024);
  #at: number;
  #rest = '';

  constructor(path: string, line: (line: string) => void) {
    this.#file = openSync(path, 'a+', 0o600);
    this.#line = line;
    this.#at = fstatSync(this.#file).size;
  }

  read(): void {
    if (fstatSync(this.#file).size < this.#at) this.#at = 0;
    for (;;) {
      const count = readSync(this.#file, this.#chunk, 0, this.#chunk.length, this.#at);
      if (count === 0) break;
      this.#at += count;
      const lines = (this.#rest + this.#chunk.toString('utf8', 0, count)).split('\n');
      this.#rest = lines.pop()!.slice(-longestLine);
      for (const line of lines) if (line.trim() !== '') this.#line(line);
    }
    if (this.#at <= longest) return;
    // Its writers append, wherever its end is.
    ftruncateSync(this.#file);
    this.#at = 0;
  }

  close(): void {
    closeSync(this.#file);
  }
}
