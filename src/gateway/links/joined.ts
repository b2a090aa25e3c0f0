/** The clusters that have joined, for people: what the store has of them. */
import type { JoinedCluster } from '../api/report-types.ts';
import type { LinkStore } from './link-store.ts';

/** Whoever joined first is first. @param now milliseconds since the epoch */
export async function joinedClusters(store: Pick<LinkStore, 'clusters' | 'seen' | 'seenMs'>, now: number): Promise<JoinedCluster[]> {
  const clusters = [...(await store.clusters()).keys()];
  return Promise.all(
    clusters.map(async (cluster): Promise<JoinedCluster> => {
      const seen = await store.seen(cluster);
      const most = (of: 'services' | 'backends' | 'at') => Math.max(0, ...seen.map((each) => each[of]));
      return {
        cluster,
        isLinked: seen.some(({ isLinked, at }) => isLinked && now - at < store.seenMs),
        ...(seen.length > 0 && { seen: new Date(most('at')).toISOString() }),
        services: most('services'),
        backends: most('backends'),
      };
    }),
  );
}
