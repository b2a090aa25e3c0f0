/** The status of a service from facts: honest transition times, one legal step of the state at a time, no write without a change. */
import { isDeepStrictEqual } from 'node:util';
import type { DistributedService, DistributedServiceStatus } from '../../model/types.ts';
import { serving, type JudgedBackend } from '../backends/health.ts';
import { conditionsOf, type Condition, type Fact, type Facts } from './conditions.ts';
import { type Problem } from '../problem.ts';
import { isElsewhere } from './remedies.ts';
import { isLegal, stepTowards, targetState } from './state-machine.ts';

export type ConfigurationCheck = (service: DistributedService) => Problem | undefined;

export interface StatusFacts extends Facts {
  /** where users reach it */
  externalEndpoint: string | undefined;
  /** those that were picked for the service */
  ports?: DistributedServiceStatus['ports'] | undefined;
  /** label selector of the connector's Pods, where there is one */
  selector: string | undefined;
}

/** More would make an object that every watcher has to carry. */
const endpointLimit = 100;

/** Conditions of this writer's that are there only as long as they hold. */
const passing: ReadonlySet<string> = new Set(['LinkReady', 'SpecDiffers', 'TunnelsRefused', 'ClusterServiceReady']);

/**
 * The status to write next; undefined where the stored one says it already. The state moves one legal step, so ask again
 * with what was written. `lastTransitionTime` changes with a condition's status alone, `lastCheck` with an endpoint's
 * health, `lastUpdateTime` with any of it.
 */
export function nextStatus(service: DistributedService, facts: StatusFacts, now: number): DistributedServiceStatus | undefined {
  const time = timestamp(now);
  const { generation = 0 } = service.metadata;
  const old = service.status ?? {};
  const isKnown = facts.server.status === 'reachable';
  const { backends, partial, unhealthy } = facts.judgement;
  const serves = serving(facts.judgement);
  const before = old.state ?? 'Pending';
  const target = targetState(before, {
    isUsable: facts.problem === undefined && facts.certificates.ready,
    wasUnusable: (old.conditions ?? []).some(({ type, status }) => usability.has(type) && status === 'False'),
    isOutdated: (facts.outdated?.size ?? 0) > 0,
    isMoving: backends.some((backend) => isElsewhere(backend, facts.isGateway ?? false)),
    isPartlyClosed: facts.closed !== undefined,
    backends: isKnown && facts.pending === undefined ? { serving: serves, failing: partial + unhealthy } : undefined,
  });
  const wanted: DistributedServiceStatus = {
    state: stepTowards(before, target),
    conditions: conditionsOf(facts, service).map((fact) => conditionFrom(fact, old.conditions, generation, time)),
    ...(isKnown ? { activeBackends: serves } : {}),
    totalBackends: backends.length,
    endpoints: endpointsOf(backends, isKnown, old.endpoints, time),
    ...(facts.externalEndpoint === undefined ? {} : { externalEndpoint: facts.externalEndpoint }),
    ...(facts.ports === undefined ? {} : { ports: facts.ports }),
    ...(facts.clusterService?.status === undefined ? {} : { clusterService: facts.clusterService.status }),
    ...(facts.selector === undefined ? {} : { selector: facts.selector }),
    observedGeneration: generation,
  };
  return changed(old, wanted, time);
}

const usability: ReadonlySet<string | undefined> = new Set(['ConfigurationValid', 'CertificatesReady']);

/** The last status of a service: it is being deleted. */
export function terminatingStatus({ status: old = {} }: DistributedService, now: number): DistributedServiceStatus | undefined {
  if (!isLegal(old.state ?? 'Pending', 'Terminating')) return undefined;
  const time = timestamp(now);
  const { lastUpdateTime: _, ...rest } = old;
  const conditions = (old.conditions ?? []).map((condition): Condition => {
    if (condition.type !== 'Ready') return condition;
    const since = condition.status === 'False' ? condition.lastTransitionTime : time;
    return {
      ...condition,
      status: 'False',
      reason: 'Terminating',
      message: 'The service is being deleted',
      ...(since ? { lastTransitionTime: since } : {}),
    };
  });
  return { ...rest, state: 'Terminating', conditions, lastUpdateTime: time };
}

function changed(old: DistributedServiceStatus, wanted: DistributedServiceStatus, time: string): DistributedServiceStatus | undefined {
  const { lastUpdateTime: _, ...stored } = old;
  const types = new Set(wanted.conditions?.map(({ type }) => type));
  // In the order of the wanted ones; conditions of other types are not this writer's.
  const conditions = (wanted.conditions ?? []).flatMap(({ type }) => stored.conditions?.find((condition) => condition.type === type) ?? []);
  const same = isDeepStrictEqual({ ...stored, conditions, endpoints: stored.endpoints ?? [] }, wanted);
  const isOver = stored.conditions?.some(({ type }) => passing.has(type) && !types.has(type)) ?? false;
  return same && types.size === conditions.length && !isOver ? undefined : { ...wanted, lastUpdateTime: time };
}

function conditionFrom(fact: Fact, stored: Condition[] = [], observedGeneration: number, time: string): Condition {
  const before = stored.find(({ type }) => type === fact.type);
  const since = before?.status === fact.status ? (before.lastTransitionTime ?? time) : time;
  const isLost = fact.type === 'BackendsAvailable' && fact.status === 'Unknown' && ['ServerUnreachable', 'LinkDown'].includes(fact.reason);
  const last = isLost ? lastKnown(before) : undefined;
  const message = isLost ? `${fact.message} since ${since}${last === undefined ? '' : `; ${lastWord}${last}`}` : fact.message;
  return { ...fact, message, lastTransitionTime: since, observedGeneration };
}

const lastWord = 'last known: ';

/** What a condition said before nothing was known any more. */
function lastKnown(before: Condition | undefined): string | undefined {
  if (before?.message === undefined || before.status !== 'Unknown') return before?.message;
  const at = before.message.indexOf(lastWord);
  return at === -1 ? undefined : before.message.slice(at + lastWord.length);
}

type Endpoints = NonNullable<DistributedServiceStatus['endpoints']>;

/** What is starting or waits its turn is not listed: nothing is known of its health. */
function endpointsOf(backends: JudgedBackend[], isKnown: boolean, stored: Endpoints = [], time: string): Endpoints {
  const before = new Map(stored.map((endpoint) => [endpointKey(endpoint), endpoint]));
  return backends
    .filter(
      ({ health, address, reason }) =>
        (address !== '' || reason !== undefined) && (health === 'healthy' || health === 'partial' || health === 'unhealthy' || !isKnown),
    )
    .slice(0, endpointLimit)
    .map(({ name, address, port, health, reason }) => {
      const endpoint = { name, ...(address !== '' && { address }), port };
      if (!isKnown) return endpoint;
      const healthy = health === 'healthy';
      const last = before.get(endpointKey(endpoint));
      const lastCheck = last?.healthy === healthy ? (last.lastCheck ?? time) : time;
      return { ...endpoint, healthy, ...(reason !== undefined && { reason }), lastCheck };
    });
}

/** Of a name that resolves to several addresses there are several endpoints. */
export const endpointKey = ({ name, address, port }: Endpoints[number]): string => `${name} ${address ?? ''} ${port}`;

const timestamp = (now: number): string => new Date(now).toISOString().replace(/\.\d+Z$/, 'Z');
