/**
 * One target, in a thread of its own: whoever started it sees by the shared memory which input it is at, ends it where it
 * hangs, and is told where its memory is full.
 */
import { performance } from 'node:perf_hooks';
import process from 'node:process';
import { parentPort, workerData } from 'node:worker_threads';
import { mutated } from './mutate.ts';
import { Random } from './random.ts';
import { header, type Told, type WorkerData } from './shared.ts';
import type { Target } from './target.ts';

/** Most inputs that are mutated further. */
const mostKept = 4000;

const data = workerData as WorkerData;
const { target } = (await import(data.module)) as { target: Target };
const counters = new Int32Array(data.current, 0, 2);
const bytes = new Uint8Array(data.current, header.bytes);
const ways = new Set<string>();
let inputs = 0;

/** @returns whether it went a way that none has gone */
async function run(input: Buffer): Promise<boolean> {
  bytes.set(input.subarray(0, bytes.length));
  Atomics.store(counters, header.length, Math.min(input.length, bytes.length));
  Atomics.store(counters, header.count, ++inputs);
  const before = cpu();
  const way = await target.run(input);
  const took = cpu() - before;
  if (took > data.cpuMs) throw new Error(`${Math.round(took)} ms of CPU for ${input.length} bytes are more than ${data.cpuMs}`);
  const isNew = !ways.has(way);
  ways.add(way);
  return isNew;
}

/** Of this thread, in milliseconds. */
function cpu(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

async function fuzz(): Promise<Told> {
  try {
    for (const input of data.given) await run(Buffer.from(input));
    const pool = data.hasCorpus ? [...target.corpus()] : [];
    for (const input of pool) await run(input);
    const random = new Random(data.seed);
    const originals = pool.length;
    for (const end = performance.now() + data.forMs; performance.now() < end;) {
      const input = mutated({ pool, words: target.words, isJson: target.isJson }, random);
      if (!(await run(input))) continue;
      if (pool.length < mostKept) pool.push(input);
      else pool[originals + random.int(pool.length - originals)] = input;
    }
    return { inputs, ways: ways.size };
  } catch (error) {
    return { broken: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

parentPort!.postMessage(await fuzz());
