/** What other commands need of a gateway that may have been started a moment ago. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { addressesFile } from './layout.ts';

/** Longer than `gateway up` takes from its start to that file. Milliseconds. */
const defaultPatienceMs = 10_000;

/**
 * HOST:PORT that clients dial, the first one first. By then the gateway has its identity, too: whoever asks for the addresses
 * first makes none beside it.
 * @returns undefined where the directory's gateway has never been started
 */
export async function knownAddresses(directory: string, patienceMs = defaultPatienceMs): Promise<string[] | undefined> {
  for (const until = Date.now() + patienceMs; ; await sleep(100)) {
    try {
      return JSON.parse(readFileSync(addressesFile(directory), 'utf8')) as string[];
    } catch {
      if (Date.now() >= until) return undefined;
    }
  }
}
