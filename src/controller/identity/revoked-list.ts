/** One list of revoked certificates as a value: what is added to it, and what makes room where it is full. */
import { parseRevoked } from '../../model/revocation.ts';

/** SHA-256 fingerprint → text (model/revocation.ts). */
export type Revoked = Readonly<Record<string, string>>;

/** As a merge patch: null takes an entry off. */
export type RevokedPatch = Readonly<Record<string, string | null>>;

/** Entries of one list: some 230 bytes each with their managed fields, of an object that may have 1.5 MB. */
export const mostEntries = 4000;

export const withoutNull = (patch: RevokedPatch): Record<string, string> =>
  Object.fromEntries(Object.entries(patch).filter((entry): entry is [string, string] => entry[1] !== null));

interface Addition {
  /** nothing, where the list has all of it already */
  patch: RevokedPatch;
  /** what there was no room for */
  left: Revoked;
  /** how many entries were taken off, or not put on, before their certificates ended */
  dropped: number;
}

/**
 * What becomes of a list when entries are added. What does not fit is left for the next list; in the last one there is
 * always room: the namespace that has most entries loses those that end first.
 */
export function added(list: Revoked, entries: Revoked, { now, isLast }: { now: number; isLast: boolean }): Addition {
  const missing = Object.entries(entries).filter(([fingerprint]) => list[fingerprint] === undefined);
  if (missing.length === 0) return { patch: {}, left: {}, dropped: 0 };
  const live = Object.entries(list).filter(([, value]) => endOf(value) >= now);
  const room = isLast ? missing.length : Math.max(0, mostEntries - live.length);
  const all = [...live, ...missing.slice(0, room)];
  const off = new Set(surplus(all, all.length - mostEntries));
  const isOn = new Set(live.map(([fingerprint]) => fingerprint));
  const taken = Object.keys(list).filter((fingerprint) => !isOn.has(fingerprint) || off.has(fingerprint));
  const put = missing.slice(0, room).filter(([fingerprint]) => !off.has(fingerprint));
  return {
    patch: { ...Object.fromEntries(taken.map((fingerprint) => [fingerprint, null])), ...Object.fromEntries(put) },
    left: Object.fromEntries(missing.slice(room)),
    dropped: off.size,
  };
}

type Entry = [fingerprint: string, value: string];

/** Fingerprints to take off: again and again of the namespace that has most, the one that ends first. */
function surplus(entries: readonly Entry[], count: number): string[] {
  const groups = [...Map.groupBy(entries, ([, value]) => namespaceOf(value)).values()].map((group) =>
    group.sort(([, a], [, b]) => endOf(b) - endOf(a)),
  );
  const off: string[] = [];
  while (off.length < count) {
    const largest = groups.reduce((a, b) => (b.length > a.length ? b : a));
    off.push(largest.pop()![0]);
  }
  return off;
}

const endOf = (text: string): number => parseRevoked(text).end;
const namespaceOf = (text: string): string => parseRevoked(text).namespace;
