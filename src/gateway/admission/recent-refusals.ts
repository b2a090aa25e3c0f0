/** Services whose Pods were refused a short time ago because they want too much: their owners are told in the service's status. */
import { systemClock, type Clock } from '../../../certs/clock.ts';
import type { Refusal, RefusalReason } from './refusals.ts';

export interface TunnelRefusal {
  /** namespace/name */
  service: string;
  reason: RefusalReason;
  message: string;
}

const told: ReadonlySet<RefusalReason> = new Set(['TooManyTunnels', 'TooManyLogins', 'TooManyProxies']);
/** frpc tries again within 30 s. */
const keepMs = 60_000;
const most = 1000;

export class RecentRefusals {
  readonly #clock: Pick<Clock, 'now'>;
  /** by service, the last one last */
  readonly #refusals = new Map<string, TunnelRefusal & { at: number }>();

  constructor(clock: Pick<Clock, 'now'> = systemClock) {
    this.#clock = clock;
  }

  /** @param services namespace/name of those that the Pod is of */
  add({ reason, message }: Refusal, services: readonly string[]): void {
    if (!told.has(reason)) return;
    for (const service of services) {
      this.#refusals.delete(service);
      this.#refusals.set(service, { service, reason, message, at: this.#clock.now() });
    }
    for (const [oldest] of this.#refusals) {
      if (this.#refusals.size <= most) break;
      this.#refusals.delete(oldest);
    }
  }

  get all(): TunnelRefusal[] {
    for (const [service, { at }] of this.#refusals) if (this.#clock.now() - at > keepMs) this.#refusals.delete(service);
    return [...this.#refusals.values()].map(({ service, reason, message }) => ({ service, reason, message }));
  }
}
