/**
 * A collection of the API server on disk, as it was last known: an agent that starts while the API server is away goes by it.
 * A line for each change; when there are many more lines than objects it is written anew.
 */
import { appendFile, readFile } from 'node:fs/promises';
import type { Sink } from '../../kube/reflector.ts';
import type { KubeObject } from '../../kube/types.ts';
import { replaceFile } from '../../process/replace-file.ts';

/** After a failure, such as of a full disk; milliseconds. */
const againMs = 5000;

type Line<T> = { set: T } | { delete: string };

/** Lines beyond twice the number of objects that are worth less than writing them all anew. */
const slack = 1000;

export class Journal<T extends KubeObject> implements Sink<T> {
  readonly #path: string;
  readonly #sink: Sink<T>;
  readonly #onFailure: (error: Error) => void;
  readonly #known = new Map<string, T>();
  #lines = 0;
  #pending: Line<T>[] = [];
  #isWhole = false;
  #isBroken = false;
  #work: Promise<void> | undefined;
  #again: NodeJS.Timeout | undefined;

  /** @param sink gets everything, and first @param onFailure told when the file cannot be written: it is then older */
  constructor(path: string, sink: Sink<T>, onFailure: (error: Error) => void) {
    this.#path = path;
    this.#sink = sink;
    this.#onFailure = onFailure;
  }

  replace(objects: T[]): void {
    this.#sink.replace(objects);
    this.#known.clear();
    for (const object of objects) this.#known.set(keyOf(object), object);
    this.#writeWhole();
  }

  set(object: T): void {
    this.#sink.set(object);
    this.#known.set(keyOf(object), object);
    this.#write({ set: object });
  }

  delete(object: T): void {
    this.#sink.delete(object);
    this.#known.delete(keyOf(object));
    this.#write({ delete: keyOf(object) });
  }

  /** Gives the sink what the file has. @returns whether there is a file that can be read */
  async recall(): Promise<boolean> {
    const text = await readFile(this.#path, 'utf8').catch(() => undefined);
    if (text === undefined) return false;
    const found = new Map<string, T>();
    // The last line may be half a line, of a process that was killed.
    for (const line of text.split('\n').slice(0, -1)) {
      const change = JSON.parse(line) as Line<T>;
      if ('set' in change) found.set(keyOf(change.set), change.set);
      else found.delete(change.delete);
    }
    this.#sink.replace([...found.values()]);
    return true;
  }

  /** Resolves when everything is written. */
  async close(): Promise<void> {
    while (this.#work) await this.#work;
  }

  #write(line: Line<T>): void {
    if (this.#isBroken || this.#lines > 2 * this.#known.size + slack) return this.#writeWhole();
    this.#pending.push(line);
    this.#lines++;
    this.#start();
  }

  #writeWhole(): void {
    this.#pending = [];
    this.#isWhole = true;
    this.#lines = this.#known.size;
    this.#start();
  }

  #start(): void {
    this.#work ??= this.#run().finally(() => {
      this.#work = undefined;
      if (this.#isWhole || this.#pending.length > 0) this.#start();
    });
  }

  async #run(): Promise<void> {
    clearTimeout(this.#again);
    const isWhole = this.#isWhole;
    const lines: Line<T>[] = isWhole ? [...this.#known.values()].map((object) => ({ set: object })) : this.#pending;
    this.#isWhole = false;
    this.#isBroken &&= !isWhole;
    this.#pending = [];
    const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
    try {
      if (!isWhole) return await appendFile(this.#path, text);
      await replaceFile(this.#path, text);
    } catch (error) {
      // Whatever is in the file by now, half a line may be its end.
      this.#isBroken = true;
      this.#onFailure(error as Error);
      this.#again = setTimeout(() => this.#writeWhole(), againMs).unref();
    }
  }
}

const keyOf = ({ metadata: { namespace, name } }: KubeObject): string => `${namespace}/${name}`;
