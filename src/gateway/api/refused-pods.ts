/**
 * Which Pods were turned away, and why, until they are let in or have not tried for a while: their cluster is told, so that its
 * status has the reason that otherwise only the sidecar's log has.
 */
import type { PodFacts } from '../../frp/pod-facts.ts';
import type { Identity } from '../pod-identity.ts';
import type { ProxyStatus } from './proxy-status.ts';

interface RefusedPod {
  identity: Identity;
  /** of one of the Pod's services, name; undefined: of the Pod as a whole */
  service: string | undefined;
  /** one word */
  code: string;
  /** a sentence, which begins with who refuses and why */
  reason: string;
  at: number;
}

/** The last refusal of a Pod, for one of its services. */
export interface RecentRefusal {
  /** namespace/name */
  service: string;
  pod: string;
  uid: string;
  /** empty: the gateway's own */
  cluster: string;
  code: string;
  reason: string;
  /** milliseconds since the epoch */
  at: number;
}

/** A sidecar that is turned away tries again within half a minute. */
const keptMs = 120_000;
/** of one cluster: one that floods the gateway takes no place of another's */
const mostOfCluster = 200;
const longestReason = 300;
/** In the place of the hash that a proxy's name has: no proxy of frps has this one. */
const noHash = '00000000';

export class RefusedPods {
  /** by cluster, then by UID and service; the oldest first */
  readonly #refused = new Map<string, Map<string, RefusedPod>>();
  readonly #now: () => number;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /** @param about whom it concerns, as was proven; without a UID nothing is said of it */
  refused(reason: string, message: string, about?: Omit<Identity, 'uid'> & { uid?: string; service?: string }): void {
    if (about?.uid === undefined) return;
    const { cluster, namespace, pod, uid, service } = about;
    const ofCluster = this.#refused.get(cluster) ?? new Map<string, RefusedPod>();
    this.#refused.set(cluster, ofCluster);
    const key = keyOf(uid, service);
    ofCluster.delete(key);
    const text = `refused by the gateway, ${reason}: ${message}`.slice(0, longestReason);
    ofCluster.set(key, { identity: { cluster, namespace, pod, uid }, service, code: reason, reason: text, at: this.#now() });
    if (ofCluster.size > mostOfCluster) ofCluster.delete(ofCluster.keys().next().value!);
  }

  /** @param service undefined: the Pod has logged in */
  admitted({ cluster, uid }: Identity, service?: string): void {
    this.#refused.get(cluster)?.delete(keyOf(uid, service));
  }

  /**
   * As proxies that are offline.
   * @param podOf what is known of a Pod: which services it is for. Where that is not known, nothing is said
   */
  statuses(podOf: PodOf): ProxyStatus[] {
    return this.recent(podOf).map(({ service, pod, uid, cluster, reason }) => ({
      name: `${service.replace('/', '.')}.${noHash}.${pod}.${uid}`,
      status: 'offline' as const,
      ...(cluster === '' ? {} : { elsewhere: `${cluster}/${pod}` }),
      isRefused: true as const,
      reason,
    }));
  }

  /** One for each service of each Pod that is turned away. @param podOf as of statuses */
  recent(podOf: PodOf): RecentRefusal[] {
    const since = this.#now() - keptMs;
    for (const [cluster, ofCluster] of this.#refused) {
      for (const [key, { at }] of ofCluster) if (at < since) ofCluster.delete(key);
      if (ofCluster.size === 0) this.#refused.delete(cluster);
    }
    return [...this.#refused.values()].flatMap((ofCluster) =>
      [...ofCluster.values()].flatMap(({ identity, service, code, reason, at }) => {
        const { cluster, namespace, pod, uid } = identity;
        const facts = podOf(identity);
        const known = facts === undefined || facts === 'unknown' ? [] : Object.keys(facts.ports);
        return (service === undefined ? known : [service]).map((name) => ({
          service: `${namespace}/${name}`,
          pod,
          uid,
          cluster,
          code,
          reason,
          at,
        }));
      }),
    );
  }
}

type PodOf = (identity: Identity) => PodFacts | 'unknown' | undefined;

const keyOf = (uid: string, service = ''): string => `${uid} ${service}`;
