/** Where it is kept who has which host and port, for the next process and for other replicas; and the one for a single machine. */
import { readFileSync } from 'node:fs';
import * as z from 'zod';
import { replaceFile } from '../../process/replace-file.ts';

/** Names of clusters that have joined, by claimId(). */
export type Kept = ReadonlyMap<string, string>;

export interface HoldingsStore {
  /** as last known */
  read(): Kept;
  /**
   * Changes it by what it is now, whoever else does so at once. @param next undefined: no change; may be asked again
   * @returns what is there then @throws Error
   */
  change(next: (kept: Kept) => Kept | undefined): Promise<Kept>;
}

const claimIds = z.array(z.string());
const schema = z.record(z.string(), claimIds);

/** By cluster, as it is written. */
export function byCluster(kept: Kept): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const [id, cluster] of kept) {
    const ids = found.get(cluster);
    if (ids) ids.push(id);
    else found.set(cluster, [id]);
  }
  return found;
}

/** Of one cluster; none where it cannot be read. */
export function idsIn(text: string): string[] {
  try {
    return claimIds.parse(JSON.parse(text));
  } catch {
    return [];
  }
}

/** Of a gateway that no cluster joins. */
export function memoryHoldings(): HoldingsStore {
  let kept: Kept = new Map();
  return { read: () => kept, change: (next) => Promise.resolve((kept = next(kept) ?? kept)) };
}

/** @param path absolute */
export function fileHoldings(path: string): HoldingsStore {
  let kept = readKept(path);
  return {
    read: () => kept,
    change: async (next) => {
      const wanted = next(kept);
      if (!wanted) return kept;
      await replaceFile(path, `${JSON.stringify(Object.fromEntries(byCluster(wanted)))}\n`);
      return (kept = wanted);
    },
  };
}

function readKept(path: string): Kept {
  try {
    const clusters = Object.entries(schema.parse(JSON.parse(readFileSync(path, 'utf8'))));
    return new Map(clusters.flatMap(([cluster, ids]) => ids.map((id): [string, string] => [id, cluster])));
  } catch {
    return new Map();
  }
}
