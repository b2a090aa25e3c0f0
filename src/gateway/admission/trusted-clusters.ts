/** The clusters whose Pods may join: its own, whose keys its API server publishes, and those of the configuration. */
import { readFile } from 'node:fs/promises';
import type { JSONWebKeySet } from 'jose';
import type { Config } from '../../config/schema.ts';
import type { KubeClient } from '../../kube/client.ts';
import type { Log } from '../../log.ts';
import type { TrustedCluster } from './pod-token.ts';
import { KeySource, keySet } from '../oidc/key-source.ts';
import type { PodIndex } from '../watches/pod-index.ts';

export interface Clusters {
  trusted: readonly TrustedCluster[];
  /** of every one of them */
  keys: () => JSONWebKeySet;
  /** why the own cluster's keys are not known */
  problem: () => string | undefined;
  close: () => Promise<void>;
}

/** How long a Pod's watch may be behind its sidecar. Milliseconds. */
const podWaitMs = 2000;
/** A file is looked at this often: a key that is taken out of it is trusted no longer. Milliseconds. */
const fileMs = 5000;

export function trustedClusters(config: Config, client: KubeClient, pods: PodIndex, log: Log): Clusters {
  let issuer: string | undefined;
  const own = new KeySource({
    // RFC 8414, as kube-apiserver serves it (KEP-1393)
    load: async () => {
      const [discovery, set] = await Promise.all([
        client.raw<{ issuer?: unknown }>('/.well-known/openid-configuration'),
        client.raw('/openid/v1/jwks'),
      ]);
      if (typeof discovery.issuer !== 'string') throw new Error('the API server names no issuer');
      issuer = discovery.issuer;
      return keySet(set);
    },
    onFailure: (message) => log.warn(`the keys of service account tokens cannot be fetched: ${message}`),
  });
  const others = config.gateway.clusters.map(({ name, jwksFile, ...cluster }) => {
    const keys = new KeySource({
      load: async () => keySet(JSON.parse(await readFile(jwksFile, 'utf8'))),
      everyMs: fileMs,
      onFailure: (message) => log.warn({ cluster: name }, `the cluster's keys in ${jwksFile} cannot be read: ${message}`),
    });
    const trusts = (namespace: string) => cluster.namespaces.includes(namespace) || cluster.namespaces.includes('*');
    return { name, issuer: () => cluster.issuer, keys, trusts, isAlive: undefined };
  });
  const isAlive: TrustedCluster['isAlive'] = (identity) => pods.has(identity, podWaitMs);
  const sources = [own, ...others.map(({ keys }) => keys)];
  return {
    trusted: [{ name: '', issuer: () => issuer, keys: own, trusts: () => true, isAlive }, ...others],
    keys: () => ({ keys: sources.flatMap(({ set }) => set?.keys ?? []) }),
    problem: () => (own.set ? undefined : (own.problem ?? 'the keys of service account tokens are being fetched')),
    close: async () => {
      await Promise.all(sources.map((source) => source.close()));
    },
  };
}
