/** What an http health check asks, whoever does it: frpc on a plain frp server, or HAProxy in the gateway. */
import type { Exposure } from './exposure.ts';
import { hostHeaderOf } from './header-changes.ts';
import type { DistributedServiceSpec } from './types.ts';

/** As apps see it in their logs, and may know it by. */
export const checkAgent = 'frp-k8s-health';

/**
 * Host of the check: the one that requests are rewritten to, else the first name that users ask for, `health.` below a
 * wildcard; localhost of a service that has neither.
 */
export function checkHost(spec: DistributedServiceSpec, exposures: readonly Exposure[]): string {
  const named = exposures.find((exposure) => 'host' in exposure);
  return hostHeaderOf(spec) ?? named?.host.replace(/^\*\./, 'health.') ?? 'localhost';
}
