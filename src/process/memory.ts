/** Gives back what starting has left behind. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

type CollectGarbage = (options: { type: 'major'; flavor: 'last-resort' }) => void;

/**
 * One full collection that also shrinks the heap. Reading 10,000 services leaves V8 with room that it sizes by how much
 * of it survived, and it does not shrink by itself while the program is idle: 190 MB become 120. It stops the program
 * for 15 ms, with 10,000 services for 0.1 s, and so is for once after the start.
 */
export function releaseMemory(): void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('globalThis.gc') as CollectGarbage | undefined;
  collect?.({ type: 'major', flavor: 'last-resort' });
}
