/** What a plain frp server cannot do for a service (design, "Plain mode"). */
import type { DistributedServiceSpec } from './types.ts';

/** Reason of condition ConfigurationValid=False, and of the denial of a service's Pods. */
export const gatewayRequiredReason = 'GatewayRequired';

/**
 * Why a service must not be served by a plain frp server: it asks for a protection that only the gateway gives.
 * Undefined where it asks for none. Nothing is ever exposed without the protection that it asks for.
 */
export function gatewayRequired(spec: DistributedServiceSpec): string | undefined {
  const fields = protectingFields(spec);
  if (fields.length === 0) return undefined;
  return (
    `GatewayRequired: ${fields.join(' and ')} cannot be enforced by a plain frp server, so its Pods are not connected; ` +
    `use the frp-k8s gateway, or remove ${fields.length === 1 ? 'the field' : 'the fields'} to expose it unprotected`
  );
}

function protectingFields({ security }: DistributedServiceSpec): string[] {
  const fields = [];
  const authentication = security?.authentication?.type ?? 'none';
  if (authentication !== 'none') fields.push(`spec.security.authentication (type ${authentication})`);
  if (security?.authorization?.enabled) fields.push('spec.security.authorization');
  return fields;
}
