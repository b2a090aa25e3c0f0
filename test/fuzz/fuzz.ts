/** A target under a watch: for its time, its memory and its CPU. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { header, sharedBytes, type Told, type WorkerData } from './shared.ts';

export interface Wanted extends Pick<WorkerData, 'module' | 'seed' | 'forMs'> {
  given?: readonly Buffer[];
  hasCorpus?: boolean;
  /** for which one input may keep the thread; milliseconds. Default: 30 s, as others use the machine too */
  patienceMs?: number;
  /** MiB of heap. Default: 512 */
  heap?: number;
  cpuMs?: number;
}

export type Outcome =
  | { inputs: number; ways: number }
  | {
      /** what does not hold, for people */
      broken: string;
      /** by which input */
      input: Buffer;
    };

/** @returns what was found; the first thing that does not hold ends it */
export async function fuzz(wanted: Wanted): Promise<Outcome> {
  const { module, seed, forMs, given = [], hasCorpus = true, patienceMs = 30_000, heap = 512, cpuMs = 5000 } = wanted;
  const current = new SharedArrayBuffer(sharedBytes);
  const workerData: WorkerData = { module, seed, forMs, given: [...given], hasCorpus, cpuMs, current };
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData, resourceLimits: { maxOldGenerationSizeMb: heap } });
  const inputNow = (): Buffer => {
    const length = Atomics.load(new Int32Array(current, 0, 2), header.length);
    return Buffer.from(new Uint8Array(current, header.bytes, length));
  };
  const broken = (why: string): Outcome => ({ broken: why, input: inputNow() });
  const told = new Promise<Outcome>((resolve) => {
    worker.once('message', (message: Told) => resolve('broken' in message ? broken(message.broken) : message));
    worker.once('error', (error: Error) => resolve(broken(error.stack ?? error.message)));
  });
  const over = new AbortController();
  try {
    return await Promise.race([told, hang(current, patienceMs, over.signal).then(broken)]);
  } finally {
    over.abort();
    await worker.terminate();
  }
}

/** Resolves where one input keeps the thread for too long. */
async function hang(current: SharedArrayBuffer, patienceMs: number, signal: AbortSignal): Promise<string> {
  const counters = new Int32Array(current, 0, 2);
  let since = { count: 0, at: performance.now() };
  while (!signal.aborted) {
    await sleep(Math.min(200, patienceMs / 4), undefined, { signal }).catch(() => {});
    const count = Atomics.load(counters, header.count);
    if (count !== since.count) since = { count, at: performance.now() };
    else if (count > 0 && performance.now() - since.at > patienceMs)
      return `it has not come back from this input for ${patienceMs / 1000} s`;
  }
  return new Promise(() => {});
}
