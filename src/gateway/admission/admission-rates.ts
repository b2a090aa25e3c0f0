/** How fast a Pod, a namespace and a cluster that has joined may log in and open proxies: each login costs the agent a signature, and each proxy that ends keeps its port from others for a minute. */
import { systemClock, type Clock } from '../../../certs/clock.ts';
import type { Identity } from '../pod-identity.ts';
import { limits } from './plugin-protocol.ts';
import { refused, type Refusal } from './refusals.ts';

export type Rated = 'logins' | 'proxies';

/** At once, and each second. A sidecar that crashes in a loop logs in once in some seconds; a connector opens all that a Pod may have. */
const budgets = {
  logins: { pod: { burst: 60, perSecond: 1 }, namespace: { burst: 11_000, perSecond: 200 }, cluster: { burst: 16_500, perSecond: 300 } },
  proxies: {
    pod: { burst: 2 * limits.pod, perSecond: 5 },
    namespace: { burst: limits.namespace, perSecond: 100 },
    cluster: { burst: limits.cluster, perSecond: 150 },
  },
};
const reasons = { logins: 'TooManyLogins', proxies: 'TooManyProxies' } as const;

export class AdmissionRates {
  readonly #clock: Pick<Clock, 'now'>;
  /** what is left, as of when (milliseconds); those that are full again are forgotten */
  readonly #left = new Map<string, { left: number; at: number; burst: number; perSecond: number }>();
  #sweptAt = 0;

  constructor(clock: Pick<Clock, 'now'> = systemClock) {
    this.#clock = clock;
  }

  /** One more of these. */
  take(what: Rated, { cluster, namespace, pod, uid }: Identity): { ok: true } | Refusal {
    this.#sweep();
    const { pod: ofPod, namespace: ofNamespace, cluster: ofCluster } = budgets[what];
    const who = [
      { key: `${what}/pod/${cluster}/${uid}`, budget: ofPod, name: `Pod ${namespace}/${pod}` },
      { key: `${what}/namespace/${cluster}/${namespace}`, budget: ofNamespace, name: `namespace ${namespace}` },
      ...(cluster === '' ? [] : [{ key: `${what}/cluster/${cluster}`, budget: ofCluster, name: `cluster ${cluster}` }]),
    ].map((each) => ({ ...each, bucket: this.#bucket(each.key, each.budget) }));
    for (const { bucket, name, budget } of who)
      if (bucket.left < 1)
        return refused(
          reasons[what],
          `${name} has had ${budget.burst} ${what} in a short time, and ${budget.perSecond} a second is the limit then; frpc tries again`,
        );
    for (const { bucket } of who) bucket.left--;
    return { ok: true };
  }

  #bucket(key: string, { burst, perSecond }: { burst: number; perSecond: number }) {
    const now = this.#clock.now();
    const bucket = this.#left.get(key) ?? { left: burst, at: now, burst, perSecond };
    bucket.left = Math.min(burst, bucket.left + Math.max(0, (now - bucket.at) / 1000) * perSecond);
    bucket.at = now;
    this.#left.set(key, bucket);
    return bucket;
  }

  #sweep(): void {
    const now = this.#clock.now();
    if (now - this.#sweptAt < 60_000) return;
    this.#sweptAt = now;
    for (const [key, { left, at, burst, perSecond }] of this.#left)
      if (left + ((now - at) / 1000) * perSecond >= burst) this.#left.delete(key);
  }
}
