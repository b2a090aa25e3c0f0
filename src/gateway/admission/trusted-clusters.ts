/** The clusters whose Pods may join: its own, whose keys its API server publishes, and those of the configuration. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { JSONWebKeySet } from 'jose';
import type { Config } from '../../config/schema.ts';
import type { KubeClient } from '../../kube/client.ts';
import type { Log } from '../../log.ts';
import type { TrustedCluster } from './pod-token.ts';
import { KeySource, keySet } from '../oidc/key-source.ts';
import { keepFile } from '../watches/kept-file.ts';
import { awayMs } from '../watches/watches.ts';
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

interface IssuerKeys {
  issuer: string;
  set: unknown;
}

/** RFC 8414, as kube-apiserver serves it (KEP-1393). */
async function fetchKeys(client: KubeClient): Promise<IssuerKeys> {
  const [{ issuer }, set] = await Promise.all([
    client.raw<{ issuer?: unknown }>('/.well-known/openid-configuration'),
    client.raw('/openid/v1/jwks'),
  ]);
  if (typeof issuer !== 'string') throw new Error('the API server names no issuer');
  return { issuer, set };
}

/** Those that an agent of this Pod had last, where the API server does not answer soon. @throws where there are neither */
async function orKept(fetched: Promise<IssuerKeys>, file: string): Promise<IssuerKeys> {
  const kept = () =>
    readFile(file, 'utf8').then(
      (text) => JSON.parse(text) as IssuerKeys,
      () => undefined,
    );
  try {
    return (await Promise.race([fetched, sleep(awayMs, undefined, { ref: false }).then(kept)])) ?? (await fetched);
  } catch (error) {
    const last = await kept();
    if (last) return last;
    throw error;
  }
}

interface ClustersDeps {
  pods: PodIndex;
  log: Log;
  /** where the own cluster's keys are kept */
  directory: string;
}

export function trustedClusters(config: Config, client: KubeClient, { pods, log, directory }: ClustersDeps): Clusters {
  let issuer: string | undefined;
  const file = join(directory, 'keys.json');
  const own = new KeySource({
    load: async () => {
      const fetched = fetchKeys(client).then(async (found) => {
        await keepFile(file, JSON.stringify(found)).catch(() => {});
        return found;
      });
      const found = await (issuer === undefined ? orKept(fetched, file) : fetched);
      issuer = found.issuer;
      return keySet(found.set);
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
