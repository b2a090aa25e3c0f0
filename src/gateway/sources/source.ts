/**
 * What is wanted of the gateway, and where from: its own cluster, clusters that have joined, files. Whatever comes after
 * (admission, claims, rendering, status) reads the sum of all (sources.ts) and knows no difference between them.
 */
import type { ConfigMap, Secret } from '../../kube/types.ts';
import type { ServiceStore } from '../../model/store.ts';
import type { KeySource } from '../oidc/key-source.ts';
import type { PodIndex } from './pod-index.ts';
import type { Copies } from './secret-copies.ts';

/** Whom a source tells that something of it has changed. */
export interface SourceEvents {
  /** something that traffic depends on; services tell their store's subscribers */
  changed: () => void;
  /** something that the tunnel depends on */
  tunnelChanged: () => void;
}

/** By which tokens the clients of a source are known. */
export interface TokenTrust {
  /** claim `iss`; undefined while it is not known. Sources may have the same: the key decides whose a token is */
  issuer: () => string | undefined;
  keys: Pick<KeySource, 'resolve' | 'set' | 'problem'>;
  /** whether tokens of a namespace are believed */
  trusts: (namespace: string) => boolean;
}

export interface Source {
  /** empty: the gateway's own; else the name of the cluster, of Kubernetes' own characters */
  readonly cluster: string;
  /** defaulted and checked, and only those that the source may have */
  readonly services: ServiceStore;
  /** by UID; undefined where nothing is known of them: whoever has a tunnel then serves, with weight 1 */
  readonly pods: PodIndex | undefined;
  /** what the source's services refer to, and the authorities of its clients */
  readonly copies: Copies;
  /** lists of certificates that are turned away, by name of the list (model/revocation.ts) */
  readonly revoked: ReadonlyMap<string, ConfigMap>;
  readonly tokens: TokenTrust;
  /** resolves once the source has said all that it has at the start, or what was last known of it is read */
  readonly synced: Promise<void>;
  /** whether it says what is wanted now: one that is away says what was wanted before */
  isCurrent: () => boolean;
  /** why the gateway is not to be ready yet on its account */
  problem: () => string | undefined;
  close: () => Promise<void>;
}

/** The source that the gateway itself belongs to. Its `copies` have the identity of replicas. */
export interface HomeSource extends Source {
  readonly cluster: '';
  /** Secret frp-gateway-tls: tls.crt, tls.key, ca.crt */
  readonly server: Secret | undefined;
  /** Secret frp-server-api: user, password */
  readonly api: Secret | undefined;
}
