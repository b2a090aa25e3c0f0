/** The clusters whose Pods may join: those that the gateway has intent from. */
import type { Sources } from '../sources/sources.ts';
import type { TrustedCluster } from './pod-token.ts';

/** How long a Pod's watch may be behind its sidecar. Milliseconds. */
const podWaitMs = 2000;

export const trustedClusters = (sources: Pick<Sources, 'all' | 'home'>): TrustedCluster[] =>
  sources.all.map(({ cluster, tokens, pods }) => ({
    ...tokens,
    name: cluster,
    // A Pod of the gateway's own cluster is no other one's, whoever told of it first.
    isAlive:
      pods && (async (identity) => (await pods.has(identity, podWaitMs)) && (cluster === '' || !sources.home.pods?.get(identity.uid))),
  }));
