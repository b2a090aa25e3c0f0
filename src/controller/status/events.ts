/** Events of a service (R2.40 to R2.46), decided from the status that was stored and the one that has replaced it. */
import type { KubeClient } from '../../kube/client.ts';
import type { Log } from '../../log.ts';
import { apiVersion, kind } from '../../model/names.ts';
import type { DistributedService, DistributedServiceStatus } from '../../model/types.ts';
import type { JudgedBackend } from '../backends/health.ts';
import type { StatusReason } from '../../model/reasons/status.ts';
import { reasonOfOthers } from '../../model/reasons/text.ts';
import type { Condition } from './conditions.ts';
import { endpointKey } from './status.ts';
import { tellOf, type EventText } from '../../kube/event-recorder.ts';

const controller = 'frp-k8s-controller';
const certificates = 'frp-k8s-certificates';
const health = 'frp-k8s-health';
/** A whole rollout that fails must not flood the namespace. */
const unhealthyLimit = 10;
/** names of backends in one Event */
const namesLimit = 5;

/** What happened between two statuses. The same two always tell the same, so that a restart tells nothing twice. */
export function eventsBetween(
  before: DistributedServiceStatus | undefined,
  after: DistributedServiceStatus,
  backends: readonly JudgedBackend[],
): EventText[] {
  const normal = (component: string, reason: StatusReason, message: string): EventText => ({ type: 'Normal', component, reason, message });
  const told: EventText[] = [];
  if (before?.state === undefined) told.push(normal(controller, 'ServiceCreated', 'DistributedService created'));
  const turned = (type: string) => condition(before, type)?.status !== 'True' && condition(after, type)?.status === 'True';
  if (turned('CertificatesReady')) told.push(normal(certificates, 'CertificateIssued', 'Issued certificate for mTLS'));
  const isValid = condition(after, 'ConfigurationValid')?.status === 'True';
  if (isValid && (turned('ConfigurationValid') || before?.observedGeneration !== after.observedGeneration))
    told.push(normal(controller, 'ConfigurationApplied', 'FRP configuration applied'));
  told.push(...problems(before, after));
  const found = (after.totalBackends ?? 0) - (before?.totalBackends ?? 0);
  if (found > 0) {
    const message = `Discovered ${found} ${found === 1 ? 'backend' : 'backends'}${discovered(before, backends, found)}`;
    told.push(normal(controller, 'BackendDiscovered', message));
  }
  told.push(...unhealthy(before, after, new Set(backends.filter(({ isRefused }) => isRefused).map(({ name }) => name))));
  const lost = lostUnhealthy(before, after);
  if (lost.length > 0) told.push(normal(controller, 'BackendRemoved', `Removed unhealthy backend ${listed(lost)}`));
  if (after.state === 'Running' && before?.state !== 'Running') told.push(normal(health, 'HealthCheckPassed', 'All backends healthy'));
  return told;
}

/** Their names, where it is certain which they are: of those that start, the status has the number alone. */
function discovered(before: DistributedServiceStatus | undefined, backends: readonly JudgedBackend[], found: number): string {
  const known = new Set(before?.endpoints?.map(endpointKey));
  const added = backends.filter((backend) => !known.has(endpointKey(backend)));
  return added.length === found ? `: ${listed(added.map(({ name }) => name))}` : '';
}

function lostUnhealthy(before: DistributedServiceStatus | undefined, after: DistributedServiceStatus): string[] {
  const stays = new Set(after.endpoints?.map(({ name }) => name));
  return (before?.endpoints ?? []).flatMap(({ name = '', healthy }) => (healthy === false && !stays.has(name) ? [name] : []));
}

const listed = (names: readonly string[]): string =>
  names.length > namesLimit ? `${names.slice(0, namesLimit).join(', ')} and ${names.length - namesLimit} more` : names.join(', ');

/** What keeps a service from being served, or will, with the remedy: when it comes up, and when it becomes another. */
function problems(before: DistributedServiceStatus | undefined, after: DistributedServiceStatus): EventText[] {
  return (
    ['ConfigurationValid', 'CertificatesReady', 'NetworkReady', 'BackendsAvailable', 'TunnelsRefused', 'ClusterServiceReady'] as const
  ).flatMap((type): EventText[] => {
    const now = condition(after, type);
    if (!isTold(now, after.state)) return [];
    const then = condition(before, type);
    if (then?.status === now.status && then.reason === now.reason) return [];
    const component = type === 'CertificatesReady' ? certificates : controller;
    return [{ type: 'Warning', component, reason: reasonOfOthers(now.reason ?? type), message: (now.message ?? '').slice(0, 1000) }];
  });
}

/** Reasons that are told although their condition is no fault of the service's, or none yet. */
const toldReasons = new Set([
  'CertificateExpiresSoon',
  'PortNotPublished',
  'AddressUnreachable',
  'RestartPods',
  'NameTaken',
  'SeveralPrimaries',
]);

/** The same, of a service that has served: while it starts they pass by themselves. */
const toldOfServing = new Set(['NoPrimary', 'PortWithoutBackend', 'RouteWithoutBackend']);

/** Of NetworkReady and BackendsAvailable other Events tell, or nobody: they change with every start of a Pod. */
function isTold(now: Condition | undefined, state: DistributedServiceStatus['state']): now is Condition {
  if (now === undefined) return false;
  if (toldOfServing.has(now.reason ?? '')) return state !== 'Provisioning';
  if (toldReasons.has(now.reason ?? '') || now.type === 'TunnelsRefused') return true;
  return now.status === 'False' && (now.type === 'ConfigurationValid' || now.type === 'CertificatesReady');
}

/** @param refused names of backends that the gateway turns away: a reason that comes later is told too */
function unhealthy(
  before: DistributedServiceStatus | undefined,
  after: DistributedServiceStatus,
  refused: ReadonlySet<string>,
): EventText[] {
  const known = new Map(before?.endpoints?.map(({ name, ...rest }) => [name, rest]));
  return (after.endpoints ?? [])
    .filter(({ name = '', healthy, reason }) => {
      const then = known.get(name);
      return healthy === false && (then?.healthy !== false || (refused.has(name) && then.reason !== reason));
    })
    .slice(0, unhealthyLimit)
    .map(({ name = '', reason }) => ({
      type: 'Warning',
      component: health,
      reason: refused.has(name) ? 'BackendRefused' : 'BackendUnhealthy',
      message: refused.has(name)
        ? `Backend ${name} ${reason ?? 'refused'}`
        : `Backend ${name} unhealthy${reason === undefined ? '' : `: ${reason}`}`,
    }));
}

const condition = (status: DistributedServiceStatus | undefined, type: string) => status?.conditions?.find((found) => found.type === type);

/**
 * Writes Events. One that cannot be written is logged and given up: the status says the same. Its name is made from the
 * version of the object that it tells of, so that it is never there twice.
 */
export const tell = (client: KubeClient, log: Log, { metadata }: DistributedService, texts: readonly EventText[]): Promise<void> =>
  tellOf(client, log, { apiVersion, kind, metadata }, texts);
