/** A service that users reach although some of its backends are down: Ready is True, and tells nothing of them. */
import type { DistributedService } from '../model/types.ts';

/** @returns which are down, and why; undefined of a service that is otherwise */
export function partlyDown({ status }: DistributedService): { reason: string; message: string } | undefined {
  if (status?.state !== 'Degraded') return undefined;
  const available = status.conditions?.find(({ type }) => type === 'BackendsAvailable');
  if (available?.status !== 'True') return undefined;
  return { reason: 'BackendPartlyDown', message: available.message ?? 'not all of its backends are up' };
}
