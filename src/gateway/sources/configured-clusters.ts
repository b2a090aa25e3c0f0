/** Clusters of the configuration (`gateway.clusters`): their Pods join services of the home; nothing else is known of them. */
import { readFile } from 'node:fs/promises';
import type { Config } from '../../config/schema.ts';
import type { Log } from '../../log.ts';
import { ServiceStore } from '../../model/store.ts';
import { KeySource, keySet } from '../oidc/key-source.ts';
import { Copies } from './secret-copies.ts';
import type { Source } from './source.ts';

/** A file is looked at this often: a key that is taken out of it is trusted no longer. Milliseconds. */
const fileMs = 5000;

export const configuredClusters = ({ gateway: { clusters } }: Config, log: Log): Source[] =>
  clusters.map(({ name, issuer, jwksFile, namespaces }) => {
    const keys = new KeySource({
      load: async () => keySet(JSON.parse(await readFile(jwksFile, 'utf8'))),
      everyMs: fileMs,
      onFailure: (message) => log.warn({ cluster: name }, `the cluster's keys in ${jwksFile} cannot be read: ${message}`),
    });
    return {
      cluster: name,
      services: new ServiceStore(),
      pods: undefined,
      copies: new Copies(() => {}),
      revoked: new Map(),
      tokens: { issuer: () => issuer, keys, trusts: (namespace) => namespaces.includes(namespace) || namespaces.includes('*') },
      synced: Promise.resolve(),
      isCurrent: () => true,
      problem: () => undefined,
      close: () => keys.close(),
    };
  });
