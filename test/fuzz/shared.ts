/** What the thread of a target and whoever watches it share. */
import { longest } from './mutate.ts';

export interface WorkerData {
  /** path of the module that exports `target` */
  module: string;
  seed: number;
  /** of mutating; milliseconds. 0: the given inputs and the corpus only */
  forMs: number;
  /** run first; whoever replays gives one and no time */
  given: Uint8Array[];
  /** whether the corpus is run too */
  hasCorpus: boolean;
  /** CPU that one input may take; milliseconds */
  cpuMs: number;
  current: SharedArrayBuffer;
}

export type Told = { inputs: number; ways: number } | { broken: string };

/** Where `current` has what: how many inputs have begun, and how long the last one is; then its bytes. */
export const header = { count: 0, length: 1, bytes: 8 } as const;
export const sharedBytes = header.bytes + 2 * longest;
