/** Rules of health checks, durations and limits (G-8, G-9). */
import { usesGateway } from '../../src/model/gateway.ts';
import { durationOf, type Rule } from './rule.ts';
import type { Subject } from './subject.ts';

const defaultInterval = '10s';
const defaultTimeout = '3s';

/** Every field that holds a duration. */
const durations: Record<string, (subject: Subject) => unknown> = {
  'spec.loadBalancing.sessionAffinity.timeout': ({ affinity }) => affinity.timeout,
  'spec.loadBalancing.healthCheck.interval': ({ health }) => health.interval,
  'spec.loadBalancing.healthCheck.timeout': ({ health }) => health.timeout,
  'spec.security.mtls.certRotation.beforeExpiry': ({ rotation }) => rotation.beforeExpiry,
  'spec.advanced.connectionPool.idleTimeout': ({ pool }) => pool.idleTimeout,
  'spec.advanced.timeout.dial': ({ timeout }) => timeout.dial,
  'spec.advanced.timeout.keepAlive': ({ timeout }) => timeout.keepAlive,
  'spec.advanced.timeout.request': ({ timeout }) => timeout.request,
};

const zeroDurations = Object.entries(durations).map(([path, read]): Rule => ({
  id: 'G-9',
  path,
  states: 'longer than zero',
  broken: (subject) => durationOf(read(subject)) === 0,
  message: 'must be longer than zero; remove it for the default',
}));

export const healthRules: readonly Rule[] = [
  {
    id: 'G-8',
    path: 'spec.loadBalancing.healthCheck.type',
    states: 'a udp service cannot be checked by http, https or grpc',
    broken: ({ serviceType, health }) => serviceType === 'udp' && health.type !== undefined && health.type !== 'tcp',
    message: ({ health }) => `"${health.type}" cannot check a udp service; remove spec.loadBalancing.healthCheck`,
  },
  {
    id: 'G-9',
    path: 'spec.loadBalancing.healthCheck.timeout',
    states: 'shorter than `interval`',
    broken: ({ health }) => {
      const interval = durationOf(health.interval ?? defaultInterval);
      const timeout = durationOf(health.timeout ?? defaultTimeout);
      return interval !== undefined && timeout !== undefined && interval > 0 && timeout >= interval;
    },
    message: ({ health }) =>
      `${health.timeout ?? defaultTimeout} must be shorter than spec.loadBalancing.healthCheck.interval, ${health.interval ?? defaultInterval}; shorten the timeout or lengthen the interval`,
  },
  ...zeroDurations,
  {
    id: 'G-9',
    path: 'spec.advanced.bandwidth.limit',
    states: 'more than zero',
    broken: ({ bandwidth: { limit } }) => typeof limit === 'string' && /^0+[KMG]B$/.test(limit),
    message: 'must be more than zero; remove it for no limit',
  },
];

export const healthWarnings: readonly Rule[] = [
  {
    id: 'G-8',
    path: 'spec.loadBalancing.healthCheck',
    states: 'a health check of a udp service',
    broken: ({ serviceType, health }) => serviceType === 'udp' && health.type === 'tcp' && health.enabled !== false,
    message: 'has no effect: frp cannot check a udp backend',
  },
  {
    id: 'G-8',
    path: 'spec.loadBalancing.healthCheck.type',
    states: '`https` for an http service, through the gateway',
    broken: ({ serviceType, health, spec, config }) =>
      serviceType === 'http' && health.type === 'https' && health.enabled !== false && usesGateway(spec, config),
    message:
      '"https" asks the app by TLS, at the port that gets requests without; one of the two will fail. Set http, or serviceType tcp for an app that speaks TLS',
  },
];
