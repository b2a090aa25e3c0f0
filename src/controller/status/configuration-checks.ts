/** What speaks against serving a service as it is written (ConfigurationValid). */
import type { Config } from '../../config/schema.ts';
import { hostConflict, type Conflict } from '../../model/claims.ts';
import { describeExposure } from '../../model/exposure.ts';
import { unservable } from '../../model/plainmode.ts';
import type { DistributedService } from '../../model/types.ts';
import type { ConfigurationCheck } from './status.ts';

/** What plain mode does not have, and an installation without a gateway. */
export const needsGateway =
  (config: Config): ConfigurationCheck =>
  ({ spec }) =>
    unservable(spec, config);

/** For people: why a service may not have the host or port that it claims. */
export type DescribeConflict = (conflict: Conflict, service: DistributedService) => string;

/** A host or port that another service has, or that its namespace may not have. */
export function losesExposure(
  facts: { conflictOf: (service: DistributedService) => Conflict | undefined },
  describe: DescribeConflict = ({ exposure }) => describeExposure(exposure),
): ConfigurationCheck {
  return (service) => {
    const conflict = facts.conflictOf(service);
    if (!conflict) return undefined;
    const isGrants = conflict.kind === 'notGranted' || conflict.kind === 'reserved';
    return { reason: isGrants ? 'NotGranted' : hostConflict, message: describe(conflict, service) };
  };
}
