/** What is to be kept of who has what: for one cluster no more than its share, so that none takes the others' room. */
import type { Source } from '../sources/source.ts';
import type { Claim } from './held-claims.ts';
import type { Kept } from './holdings-store.ts';

/** Of all clusters together, in one Secret (at most 1 MiB). Bytes. */
const mostBytes = 800_000;
/** A few clusters do not have all of it: then a new one would find no room. */
const fewestShares = 8;

export interface HeldNow {
  held: { get: (id: string) => Claim | undefined; all: () => Iterable<[string, Claim]> };
  /** what is claimed now */
  claims: ReadonlyMap<string, Claim>;
  sources: readonly Pick<Source, 'cluster' | 'isCurrent'>[];
}

/** @returns undefined where it is so already */
export function nextKept(kept: Kept, { held, claims, sources }: HeldNow): Kept | undefined {
  const joined = new Map(sources.filter(({ cluster }) => cluster !== '').map((source) => [source.cluster, source]));
  const share = Math.floor(mostBytes / Math.max(fewestShares, joined.size));
  const used = new Map<string, number>();
  const next = new Map<string, string>();
  const keep = (id: string, cluster: string): void => {
    const bytes = (used.get(cluster) ?? 0) + Buffer.byteLength(JSON.stringify(id)) + 1;
    if (bytes > share) return;
    used.set(cluster, bytes);
    next.set(id, cluster);
  };
  for (const [id, cluster] of kept) {
    if (!held.get(id)) continue;
    const claimant = claims.get(id)?.cluster;
    if (joined.has(cluster) || claimant === undefined) keep(id, cluster);
    else if (claimant !== '') keep(id, claimant);
  }
  // A cluster that is away may have let go of it at another replica.
  for (const [id, { cluster }] of held.all()) if (!next.has(id) && claims.has(id) && joined.get(cluster)?.isCurrent()) keep(id, cluster);
  const isSame = next.size === kept.size && [...next].every(([id, cluster]) => kept.get(id) === cluster);
  return isSame ? undefined : next;
}
