/** What a person can do about backends that are missing or unhealthy: it depends on where the service has them from. */
import { connectorName } from '../../model/names.ts';
import type { DistributedService } from '../../model/types.ts';
import type { Backend, JudgedBackend } from '../backends/health.ts';
import { failing, type Lack } from '../backends/lacking.ts';

type Source = 'pods' | 'endpoints' | 'dns' | 'selector';

function sourceOf({ spec: { backends } }: DistributedService): Source {
  if (backends.endpoints !== undefined) return 'endpoints';
  const mode = backends.discovery?.mode ?? 'auto';
  return mode === 'auto' ? 'pods' : mode;
}

/** How a service that has no backend gets one (R1.36, R2.10, R2.11). */
export function howToGetBackends(service: DistributedService): string {
  switch (sourceOf(service)) {
    case 'pods':
      return `no Pod of this namespace has a sidecar for it: put frp.io/group: ${service.metadata.name} on a Pod template; where it is there, see why no Pods are: frp-k8s check -n ${service.metadata.namespace}`;
    case 'endpoints':
      return 'list hosts in spec.backends.endpoints that have an address';
    case 'dns':
      return `let ${service.spec.backends.discovery?.name ?? `${service.metadata.name}.${service.metadata.namespace}.svc`} resolve to addresses, or name another host in spec.backends.discovery.name`;
    case 'selector':
      return 'start Pods in this namespace that match spec.backends.discovery.selector, or correct the selector';
  }
}

/** Where the reason is to be found that backends are not healthy. */
function whereToLook(service: DistributedService, backend: Backend, isGateway: boolean, isOutdated: boolean): string {
  const { namespace, name } = service.metadata;
  const source = sourceOf(service);
  if (source === 'endpoints' || source === 'dns' || (source === 'selector' && backend.isGateway === undefined))
    return `see the logs of what dials it: kubectl -n ${namespace} logs deployment/${connectorName(name)}`;
  const logs = `see: kubectl -n ${namespace} logs ${backend.name} -c ${backend.container ?? 'frpc'}`;
  // An outdated Pod checks what its service said before.
  return isGateway ? logs : `a plain frp server does not say why${isOutdated ? '' : checked(service)}; ${logs}`;
}

/** What frpc itself looks at (client-config.ts). */
function checked({ spec: { serviceType, loadBalancing } }: DistributedService): string {
  const check = loadBalancing?.healthCheck;
  if (!check || check.enabled === false || serviceType === 'udp') return '';
  const isHttp = (check.type ?? (serviceType === 'http' ? 'http' : 'tcp')) === 'http';
  return ` (its health check is ${isHttp ? `GET ${check.path ?? '/health'}` : 'a connection to its port'})`;
}

/** The first of the unhealthy backends, why it is so, and what to do about it. @param outdated names of Pods */
export function unhealthyBackends(
  service: DistributedService,
  backends: readonly JudgedBackend[],
  isGateway: boolean,
  outdated: ReadonlySet<string>,
): string {
  const unhealthy = backends.filter(({ health }) => health === 'unhealthy');
  const first = unhealthy.find(({ reason }) => reason !== undefined) ?? unhealthy[0];
  if (!first) return '';
  return `${described(first)}${andMore(unhealthy.length - 1)}; ${remedyFor(service, first, isGateway, outdated.has(first.name))}`;
}

function remedyFor(service: DistributedService, backend: JudgedBackend, isGateway: boolean, isOutdated: boolean): string {
  const { namespace } = service.metadata;
  if (backend.problem !== undefined) return `see: kubectl -n ${namespace} describe pod ${backend.name}`;
  if (backend.isRefused)
    return `its sidecar tries again; see: kubectl -n ${namespace} logs ${backend.name} -c ${backend.container ?? 'frpc'}`;
  if (backend.reason !== undefined) return 'mend the app, or correct spec.loadBalancing.healthCheck';
  return whereToLook(service, backend, isGateway, isOutdated);
}

const mostParts = 3;

/** Which addresses some of the backends do not serve, and what to do about the first of them; nothing where there is none. */
export function lackingParts(
  service: DistributedService,
  lacks: readonly Lack[],
  isGateway: boolean,
  outdated: ReadonlySet<string>,
): string[] {
  const known = lacks.filter(({ backends }) => backends.length > 0);
  const [first] = known.flatMap(({ backends }) => backends.find(({ reason }) => reason !== undefined) ?? backends[0] ?? []);
  if (!first) return [];
  const served = known.filter(({ isServed }) => isServed);
  const { backend, reason } = first;
  return [
    ...served.slice(0, mostParts).map((lack) => `${lack.at} is not served by ${failing(lack)}`),
    ...(served.length > mostParts ? [`${served.length - mostParts} more addresses are not served by all`] : []),
    remedyFor(service, { ...backend, ...(reason !== undefined && { reason }) }, isGateway, outdated.has(backend.name)),
  ];
}

export function startingBackends(backends: readonly JudgedBackend[]): string {
  const first = backends.find(({ reason }) => reason !== undefined) ?? backends[0]!;
  return `${described(first)}${andMore(backends.length - 1)}; wait until their containers are ready and the health check has succeeded`;
}

function described({ name, address, port, reason }: JudgedBackend): string {
  const where = address === '' ? '' : ` (${address.includes(':') ? `[${address}]` : address}:${port})`;
  return `${name}${where}${reason === undefined ? '' : `: ${reason}`}`;
}

const andMore = (count: number): string => (count > 0 ? `, and ${count} more` : '');

/** What a service goes through, for people. */
export const nameOf = (isGateway: boolean): string => (isGateway ? 'the gateway' : 'the plain frp server');

/** Whether a Pod still goes to what its service has left. */
export const isElsewhere = (backend: Backend, isGateway: boolean): boolean =>
  backend.isGateway !== undefined && backend.isGateway !== isGateway;

/** @param moved Pods of a service that now goes another way */
export function movedPods(service: DistributedService, moved: readonly JudgedBackend[], isGateway: boolean): string {
  const pods = moved.length === 1 ? '1 Pod is' : `${moved.length} Pods are`;
  return `${pods} still configured for ${nameOf(!isGateway)}; ${restart(service, moved)}`;
}

/** @param old Pods that go the way of their service, but by what it said before; of none there is nothing to say */
export function olderPods(service: DistributedService, old: readonly JudgedBackend[]): string[] {
  if (old.length === 0) return [];
  return [`${old.length} ${old.length === 1 ? 'runs' : 'run'} an older configuration: ${restart(service, old)}`];
}

/** @param services at least one, of which Pods go another way than the configuration says */
export function unmoved(services: readonly DistributedService[]): string {
  const namespaces = [...new Set(services.map(({ metadata }) => metadata.namespace ?? ''))].sort();
  const named = namespaces.slice(0, 5).join(', ') + andMore(namespaces.length - 5);
  const who = services.length === 1 ? '1 service has' : `${services.length} services have`;
  return (
    `${who} Pods that are still configured for the server that the service has left, a plain frp server or the gateway (namespaces: ${named}); ` +
    "each is served there until its Pods restart, in state Updating, and the service's condition BackendsAvailable and an Event have the command: " +
    'kubectl -n NAMESPACE rollout restart WORKLOAD'
  );
}

/** How to restart the Pods. */
function restart({ metadata: { namespace } }: DistributedService, pods: readonly Backend[]): string {
  const workloads = [...new Set(pods.flatMap(({ workload }) => workload ?? []))].slice(0, 3).join(' ');
  return `restart ${workloads === '' ? 'them by hand' : `its Pods: kubectl -n ${namespace} rollout restart ${workloads}`}`;
}
