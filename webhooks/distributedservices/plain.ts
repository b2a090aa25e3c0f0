/** Warnings of what a plain frp server leaves undone or cannot do (W-1). */
import { unservable } from '../../src/model/plainmode.ts';
import { usesGateway } from '../../src/model/gateway.ts';
import type { Rule } from './rule.ts';

/** Of services that do not go through the gateway. */
const plain = (rule: Rule): Rule => ({
  ...rule,
  broken: (subject) => !usesGateway(subject.spec, subject.config) && rule.broken(subject),
});

const unapplied = 'needs the frp-k8s gateway; a plain frp server does not apply it';

const shapingWarnings: readonly Rule[] = [
  {
    id: 'W-1',
    path: 'spec.loadBalancing.algorithm',
    states: 'least-conn, weighted and ip-hash',
    broken: ({ loadBalancing: { algorithm }, serviceType }) =>
      serviceType !== 'udp' && ['least-conn', 'weighted', 'ip-hash'].includes(algorithm ?? ''),
    message: ({ loadBalancing: { algorithm }, serviceType }) =>
      `"${algorithm}" needs the frp-k8s gateway; a plain frp server balances ${serviceType === 'http' ? 'round-robin' : 'at random'}`,
  },
  {
    id: 'W-1',
    path: 'spec.loadBalancing.algorithm',
    states: 'round-robin on tcp and grpc',
    broken: ({ loadBalancing: { algorithm }, serviceType }) =>
      algorithm === 'round-robin' && (serviceType === 'tcp' || serviceType === 'grpc'),
    message: ({ serviceType }) =>
      `"round-robin" of a ${serviceType} service needs the frp-k8s gateway; a plain frp server balances at random`,
  },
  {
    id: 'W-1',
    path: 'spec.loadBalancing.sessionAffinity',
    states: 'session affinity',
    broken: ({ affinity }) => affinity.enabled === true,
    message: unapplied,
  },
  {
    id: 'W-1',
    path: 'spec.advanced.retry',
    states: 'retry',
    broken: ({ retry }) => retry !== undefined && retry.enabled !== false,
    message: unapplied,
  },
  {
    id: 'W-1',
    path: 'spec.advanced.connectionPool.idleTimeout',
    states: 'an idleTimeout other than the default',
    broken: ({ pool: { idleTimeout } }) => idleTimeout !== undefined && idleTimeout !== '90s',
    message: unapplied,
  },
  {
    id: 'W-1',
    path: 'spec.loadBalancing.healthCheck.successThreshold',
    states: 'a successThreshold above 1',
    broken: ({ health: { successThreshold } }) => Number(successThreshold) > 1,
    message: 'needs the frp-k8s gateway; a plain frp server takes a backend in after its first success',
  },
  {
    id: 'W-1',
    path: 'spec.loadBalancing.healthCheck.type',
    states: 'https and grpc checks become tcp checks',
    broken: ({ health: { type }, serviceType }) => serviceType !== 'udp' && (type === 'https' || type === 'grpc'),
    message: ({ health: { type } }) => `frp checks by tcp and http only, so "${type}" is a check that the port accepts connections`,
  },
  {
    id: 'W-1',
    path: 'spec.advanced.connectionPool.size',
    states: 'a pool larger than the frp server takes (configuration `frps.maxPoolCount`)',
    broken: ({ pool, config }) => pool.enabled !== false && Number(pool.size) > config.frps.maxPoolCount,
    message: ({ pool, config }) =>
      `the frp server caps ${pool.size} at its transport.maxPoolCount, ${config.frps.maxPoolCount}; raise it there and in frps.maxPoolCount of the frp-k8s configuration`,
  },
  {
    id: 'W-1',
    path: 'spec.routes',
    states: 'routes',
    broken: ({ routes }) => routes.length > 0,
    message: 'needs the frp-k8s gateway; on a plain frp server the own backends answer every request',
  },
  {
    id: 'W-1',
    path: 'spec.security.cors',
    states: 'CORS',
    broken: ({ cors }) => cors !== undefined,
    message: 'needs the frp-k8s gateway; on a plain frp server the backends answer preflights themselves',
  },
  {
    id: 'W-1',
    path: 'spec.metrics',
    states: 'metrics of backends',
    broken: ({ metrics }) => metrics !== undefined,
    message: unapplied,
  },
  {
    id: 'W-1',
    path: 'spec.expose.proxyProtocol',
    states: 'the PROXY protocol',
    broken: ({ expose }) => expose.proxyProtocol !== undefined,
    message: unapplied,
  },
  {
    id: 'W-1',
    path: 'spec.advanced.compression',
    states: 'compression of answers',
    broken: ({ compression }) => compression === true,
    message: unapplied,
  },
];

export const plainWarnings: readonly Rule[] = [
  ...shapingWarnings.map(plain),
  {
    id: 'design',
    path: 'spec.security',
    states: 'what needs the gateway to protect: the service is stored, but its Pods are not connected (`GatewayRequired`)',
    broken: ({ spec, config }) => unservable(spec, config)?.reason === 'GatewayRequired',
    message: ({ spec, config }) => unservable(spec, config)!.message,
  },
];
