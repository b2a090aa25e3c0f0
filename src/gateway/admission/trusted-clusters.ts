/** The clusters whose Pods may join: those that the gateway has intent from. */
import type { Sources } from '../sources/sources.ts';
import type { TrustedCluster } from './pod-token.ts';

/** How long a Pod's watch may be behind its sidecar. Milliseconds. */
const podWaitMs = 2000;

export const trustedClusters = (sources: Pick<Sources, 'all'>): TrustedCluster[] =>
  sources.all.map(({ cluster, tokens, pods }) => ({
    ...tokens,
    name: cluster,
    isAlive: pods && ((identity) => pods.has(identity, podWaitMs)),
  }));
