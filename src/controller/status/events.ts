/** Events of a service (R2.40 to R2.46), decided from the status that was stored and the one that has replaced it. */
import type { KubeClient } from '../../kube/client.ts';
import type { Log } from '../../log.ts';
import { apiVersion, kind } from '../../model/names.ts';
import type { DistributedService, DistributedServiceStatus } from '../../model/types.ts';
import type { JudgedBackend } from '../backends/health.ts';
import { tellOf, type EventText } from '../../kube/event-recorder.ts';

const controller = 'frp-k8s-controller';
const certificates = 'frp-k8s-certificates';
const health = 'frp-k8s-health';
/** A whole rollout that fails must not flood the namespace. */
const unhealthyLimit = 10;

/** What happened between two statuses. The same two always tell the same, so that a restart tells nothing twice. */
export function eventsBetween(
  before: DistributedServiceStatus | undefined,
  after: DistributedServiceStatus,
  backends: readonly JudgedBackend[],
): EventText[] {
  const normal = (component: string, reason: string, message: string): EventText => ({ type: 'Normal', component, reason, message });
  const told: EventText[] = [];
  if (before?.state === undefined) told.push(normal(controller, 'ServiceCreated', 'DistributedService created'));
  const turned = (type: string) => condition(before, type)?.status !== 'True' && condition(after, type)?.status === 'True';
  if (turned('CertificatesReady')) told.push(normal(certificates, 'CertificateIssued', 'Issued certificate for mTLS'));
  const isValid = condition(after, 'ConfigurationValid')?.status === 'True';
  if (isValid && (turned('ConfigurationValid') || before?.observedGeneration !== after.observedGeneration))
    told.push(normal(controller, 'ConfigurationApplied', 'FRP configuration applied'));
  told.push(...problems(before, after));
  const found = (after.totalBackends ?? 0) - (before?.totalBackends ?? 0);
  if (found > 0) told.push(normal(controller, 'BackendDiscovered', `Discovered ${found} ${found === 1 ? 'backend' : 'backends'}`));
  told.push(...unhealthy(before, after, backends));
  if (hasLostUnhealthy(before, after)) told.push(normal(controller, 'BackendRemoved', 'Removed unhealthy backend'));
  if (after.state === 'Running' && before?.state !== 'Running') told.push(normal(health, 'HealthCheckPassed', 'All backends healthy'));
  return told;
}

function hasLostUnhealthy(before: DistributedServiceStatus | undefined, after: DistributedServiceStatus): boolean {
  const stays = new Set(after.endpoints?.map(addressOf));
  return (before?.endpoints ?? []).some((endpoint) => endpoint.healthy === false && !stays.has(addressOf(endpoint)));
}

/** What keeps a service from being served, with the remedy: when it comes up, and when it becomes another. */
function problems(before: DistributedServiceStatus | undefined, after: DistributedServiceStatus): EventText[] {
  return (['ConfigurationValid', 'CertificatesReady'] as const).flatMap((type): EventText[] => {
    const now = condition(after, type);
    if (now?.status !== 'False') return [];
    const then = condition(before, type);
    if (then?.status === 'False' && then.reason === now.reason) return [];
    const component = type === 'CertificatesReady' ? certificates : controller;
    return [{ type: 'Warning', component, reason: now.reason ?? type, message: (now.message ?? '').slice(0, 1000) }];
  });
}

function unhealthy(
  before: DistributedServiceStatus | undefined,
  after: DistributedServiceStatus,
  backends: readonly JudgedBackend[],
): EventText[] {
  const known = new Map(before?.endpoints?.map((endpoint) => [addressOf(endpoint), endpoint.healthy]));
  const names = new Map(backends.map((backend) => [addressOf(backend), backend.name]));
  return (after.endpoints ?? [])
    .filter((endpoint) => endpoint.healthy === false && known.get(addressOf(endpoint)) !== false)
    .slice(0, unhealthyLimit)
    .map((endpoint) => ({
      type: 'Warning',
      component: health,
      reason: 'BackendUnhealthy',
      message: `Backend ${names.get(addressOf(endpoint)) ?? addressOf(endpoint)} unhealthy`,
    }));
}

const addressOf = ({ address, port }: { address?: string; port?: number }) => `${address}:${port}`;
const condition = (status: DistributedServiceStatus | undefined, type: string) => status?.conditions?.find((found) => found.type === type);

/**
 * Writes Events. One that cannot be written is logged and given up: the status says the same. Its name is made from the
 * version of the object that it tells of, so that it is never there twice.
 */
export const tell = (client: KubeClient, log: Log, { metadata }: DistributedService, texts: readonly EventText[]): Promise<void> =>
  tellOf(client, log, { apiVersion, kind, metadata }, texts);
