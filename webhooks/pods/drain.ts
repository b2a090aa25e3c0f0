/** How long a sidecar goes on serving once its Pod ends. */
import type { Config } from '../../src/config/schema.ts';
import { annotation as names } from '../../src/model/names.ts';
import type { PodAnnotations } from './annotations.ts';
import type { NamespaceDefaults } from './namespace-defaults.ts';
import type { CheckedPod } from './pod.ts';

/** Of Kubernetes, for a Pod that names none. Seconds. */
const defaultGracePeriod = 30;

/**
 * The drain time must end before the grace period does, or the kubelet would kill the hook.
 * @param config with the Namespace's defaults
 * @returns whole seconds, and a warning where somebody asked for more: on the Pod or on its Namespace
 */
export function drainOf(
  { spec }: CheckedPod,
  annotations: PodAnnotations,
  config: Config,
  namespace?: NamespaceDefaults & { name: string },
): { seconds: number; warnings: string[] } {
  const own = annotations[names.drain];
  const wanted = Math.ceil((own ?? config.sidecar.drain) / 1000);
  const grace = spec.terminationGracePeriodSeconds ?? defaultGracePeriod;
  if (wanted === 0 || wanted < grace) return { seconds: wanted, warnings: [] };
  const seconds = Math.max(0, grace - 1);
  const place = own !== undefined ? 'the Pod' : namespace?.values.drain !== undefined ? `namespace ${namespace.name}` : undefined;
  if (place === undefined) return { seconds, warnings: [] };
  const warning =
    `annotation ${names.drain} of ${place}: ${wanted} s is not below terminationGracePeriodSeconds (${grace} s), ` +
    `so ${seconds} s are used; give the Pod terminationGracePeriodSeconds: ${wanted + 1}, or ${names.drain}: ${seconds}s`;
  return { seconds, warnings: [warning] };
}
