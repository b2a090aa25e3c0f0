/** What speaks against serving a service as it is written (ConfigurationValid). */
import type { Conflict } from '../model/claims.ts';
import { describeExposure } from '../model/exposure.ts';
import { gatewayRequired, gatewayRequiredReason } from '../model/plainmode.ts';
import type { DistributedService } from '../model/types.ts';
import type { FactSource } from './facts.ts';
import type { ConfigurationCheck } from './status.ts';

/** A protection that plain mode does not have. */
export const needsGateway: ConfigurationCheck = ({ spec }) => {
  const message = gatewayRequired(spec);
  return message === undefined ? undefined : { reason: gatewayRequiredReason, message };
};

/** For people: why a service may not have the host or port that it claims. */
export type DescribeConflict = (conflict: Conflict, service: DistributedService) => string;

/** A host or port that another service has, or that its namespace may not have. */
export function losesExposure(
  facts: Pick<FactSource, 'conflictOf'>,
  describe: DescribeConflict = ({ exposure }) => describeExposure(exposure),
): ConfigurationCheck {
  return (service) => {
    const conflict = facts.conflictOf(service);
    if (!conflict) return undefined;
    return { reason: conflict.kind === 'notGranted' ? 'NotGranted' : 'HostConflict', message: describe(conflict, service) };
  };
}
