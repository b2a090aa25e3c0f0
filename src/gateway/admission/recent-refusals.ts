/** Services whose Pods were refused a short time ago because they want too much: their owners are told in the service's status. */
import { systemClock, type Clock } from '../../../certs/clock.ts';
import type { Refusal, RefusalReason } from './refusals.ts';

export interface TunnelRefusal {
  /** of the Pods; empty: the gateway's own */
  cluster: string;
  /** namespace/name */
  service: string;
  reason: RefusalReason;
  message: string;
}

const told: ReadonlySet<RefusalReason> = new Set(['TooManyTunnels', 'TooManyLogins', 'TooManyProxies']);
/** frpc tries again within 30 s. */
const keepMs = 60_000;
/** Of one cluster, so that none takes the others' room. */
const most = 1000;

export class RecentRefusals {
  readonly #clock: Pick<Clock, 'now'>;
  /** by cluster and service, the last one last */
  readonly #refusals = new Map<string, Map<string, TunnelRefusal & { at: number }>>();

  constructor(clock: Pick<Clock, 'now'> = systemClock) {
    this.#clock = clock;
  }

  /** @param cluster of the Pod @param services namespace/name of those that it is of */
  add({ reason, message }: Refusal, cluster: string, services: readonly string[]): void {
    if (!told.has(reason)) return;
    const refusals = this.#refusals.get(cluster) ?? new Map<string, TunnelRefusal & { at: number }>();
    this.#refusals.set(cluster, refusals);
    for (const service of services) {
      refusals.delete(service);
      refusals.set(service, { cluster, service, reason, message, at: this.#clock.now() });
    }
    for (const [oldest] of refusals) {
      if (refusals.size <= most) break;
      refusals.delete(oldest);
    }
  }

  get all(): TunnelRefusal[] {
    return [...this.#refusals].flatMap(([cluster, refusals]) => {
      for (const [service, { at }] of refusals) if (this.#clock.now() - at > keepMs) refusals.delete(service);
      if (refusals.size === 0) this.#refusals.delete(cluster);
      return [...refusals.values()].map(({ service, reason, message }) => ({ cluster, service, reason, message }));
    });
  }
}
