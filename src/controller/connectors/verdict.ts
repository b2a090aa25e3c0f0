/** What connectors say of a service: what is not known yet counts neither as good nor as bad, so the last word stands. */
import type { DistributedService } from '../../model/types.ts';
import type { Problem } from '../problem.ts';
import type { Members } from './targets.ts';

/** `pending`: nothing can be said yet, and nothing was said before. */
export interface Verdict {
  problem?: Problem;
  pending?: Problem;
}

/** What targets.ts finds. */
const reasons = ['NameNotResolved', 'AddressRefused', 'MissingPort', 'TooManyBackends'] as const;

/** @param isInherited what is served was found by a controller before this one */
export function verdictOf({ status }: DistributedService, found: Members, isInherited: boolean): Verdict {
  const { problem, unknown } = found;
  const said = problem ? { problem } : {};
  if (unknown === undefined && !(found.pending && isInherited)) return said;
  const last = status?.conditions?.find(({ type }) => type === 'ConfigurationValid');
  if (last?.status === 'True') return {};
  if (unknown === undefined) return said;
  const reason = reasons.find((each) => each === last?.reason);
  if (last?.status === 'False' && reason) return { problem: { reason, message: last.message ?? '' } };
  return problem ? said : { pending: { reason: 'LookingUpBackends', message: unknown } };
}
