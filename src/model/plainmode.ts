/** Whether a service can be served by what it goes through: the plain frp server, or the gateway. */
import type { Config } from '../config/schema.ts';
import { hasGateway, usesGateway } from './gateway.ts';
import type { DistributedServiceSpec } from './types.ts';
import { endsTls } from './users-certificate.ts';

/** Why a service is not served, and its Pods are refused: reason and message of condition ConfigurationValid=False. */
export interface Unservable {
  reason: 'GatewayRequired' | 'UdpNeedsPlainServer';
  /** begins with the reason and ends in what to do */
  message: string;
}

/**
 * Undefined where the service can be served as it is written. Nothing is ever exposed without the protection that it
 * asks for, and HAProxy knows no udp.
 */
export function unservable(spec: DistributedServiceSpec, config: Pick<Config, 'gateway'>): Unservable | undefined {
  if (!usesGateway(spec, config)) return unprotected(spec);
  if (!hasGateway(config))
    return {
      reason: 'GatewayRequired',
      message:
        'GatewayRequired: spec.gateway is true and the installation has no gateway, so its Pods are not connected; ' +
        'install the frp-k8s gateway (configuration gateway.addresses), or remove spec.gateway',
    };
  if (spec.serviceType === 'udp')
    return {
      reason: 'UdpNeedsPlainServer',
      message:
        'UdpNeedsPlainServer: the gateway serves no udp, so its Pods are not connected; set spec.gateway: false, for the plain frp server',
    };
  return undefined;
}

function unprotected(spec: DistributedServiceSpec): Unservable | undefined {
  const fields = protectingFields(spec);
  if (fields.length === 0) return undefined;
  // The API server keeps 256 characters of a warning.
  const all = fields.join(' and ');
  const named = all.length > 80 ? `${fields[0]} and ${fields.length - 1} more` : all;
  const message =
    `GatewayRequired: ${named} cannot be enforced by a plain frp server, so its Pods are not connected; ` +
    `use the frp-k8s gateway, or remove ${fields.length === 1 ? 'the field' : 'the fields'} to expose it unprotected`;
  return { reason: 'GatewayRequired', message };
}

function protectingFields({ security, expose, backends }: DistributedServiceSpec): string[] {
  const authentication = security?.authentication?.type ?? 'none';
  const { headers, tls } = expose ?? {};
  const fields: [field: string, isAskedFor: boolean][] = [
    [`spec.security.authentication (type ${authentication})`, authentication !== 'none'],
    ['spec.security.authorization', security?.authorization?.enabled === true],
    ['spec.security.rateLimit', security?.rateLimit !== undefined],
    // An app may believe a header because nobody but its gateway could have sent it.
    ['spec.expose.headers.request.remove', (headers?.request?.remove ?? []).length > 0],
    // What is written to a replica is refused, or lost.
    ['spec.backends.readWrite', backends?.readWrite !== undefined],
    ['spec.expose.tls', endsTls({ expose }) || tls?.redirect === true],
  ];
  return fields.flatMap(([field, isAskedFor]) => (isAskedFor ? [field] : []));
}
