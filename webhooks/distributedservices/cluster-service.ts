/** Rules of `spec.expose.clusterService`: it has a name that a Service may have, a gateway to lead to, and does not lead to itself. */
import { clusterServiceName, isServiceName } from '../../src/model/cluster-service.ts';
import { usesGateway } from '../../src/model/gateway.ts';
import type { Rule } from './rule.ts';
import type { Subject } from './subject.ts';

export const clusterServiceRules: readonly Rule[] = [
  {
    id: 'design',
    path: 'spec.expose.clusterService.name',
    states: 'needed where the name of the DistributedService is none that a Service may have',
    broken: (s) => isAsked(s) && s.expose.clusterService!.name === undefined && s.name !== '' && !isServiceName(s.name),
    message: ({ name }) =>
      `is required: ${JSON.stringify(name.slice(0, 80))} is no name for a Service, which has lower-case letters, digits and hyphens, begins with a letter and is at most 63 characters long; set it`,
  },
  {
    id: 'design',
    path: 'spec.expose.clusterService',
    states: 'its Service is not one of its own backends',
    broken: (s) => ownBackend(s) !== undefined,
    message: (s) =>
      `would have the service ask itself: its Service is the backend ${JSON.stringify(ownBackend(s))}; set spec.expose.clusterService.name to another name`,
  },
];

export const clusterServiceWarnings: readonly Rule[] = [
  {
    id: 'design',
    path: 'spec.expose.clusterService',
    states: 'it is not made without the gateway',
    broken: (s) => isAsked(s) && s.serviceType !== undefined && !usesGateway(s.spec, s.config),
    message: 'is not made: a plain frp server has no port for it; install manifests/gateway, or remove it',
  },
];

const isAsked = ({ expose }: Subject): boolean => typeof expose.clusterService === 'object' && expose.clusterService !== null;

/** The backend that is the Service itself, by any of the names that the cluster's DNS gives it. */
function ownBackend(subject: Subject): string | undefined {
  const { name, namespace, spec, discovery, endpoints = [] } = subject;
  if (!isAsked(subject)) return undefined;
  const service = clusterServiceName({ metadata: { name, namespace }, spec });
  const named = discovery?.mode === 'dns' && endpoints.length === 0 ? [discovery.name ?? `${name}.${namespace}.svc`] : [];
  const hosts = [...named, ...endpoints.map(({ host }) => host)].filter((host) => typeof host === 'string');
  return hosts.find((host) => {
    const [first, second, third] = host.replace(/\.$/, '').split('.');
    return first === service && (second === undefined || (second === namespace && (third === undefined || third === 'svc')));
  });
}
