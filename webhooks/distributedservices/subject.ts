/** What the rules look at: the parts of one DistributedService, each present, whatever shape the object has. */
import type { Config } from '../../src/config/schema.ts';
import { isObject, listOf, objectAt } from '../../src/model/json.ts';
import type { DistributedServiceSpec } from '../../src/model/types.ts';

type Part<T> = Partial<NonNullable<T>>;
type Spec = DistributedServiceSpec;
type Backends = Part<Spec['backends']>;
type LoadBalancing = Part<Spec['loadBalancing']>;
type Security = Part<Spec['security']>;
type Advanced = Part<Spec['advanced']>;

export interface Subject {
  name: string;
  namespace: string;
  config: Config;
  spec: Spec;
  serviceType: Spec['serviceType'] | undefined;
  backends: Backends;
  /** undefined where the service has none */
  discovery: Part<Backends['discovery']> | undefined;
  /** undefined where the service has none */
  endpoints: Part<NonNullable<Backends['endpoints']>[number]>[] | undefined;
  expose: Part<Spec['expose']>;
  /** undefined where the service has none */
  tls: Part<NonNullable<Part<Spec['expose']>['tls']>> | undefined;
  routes: Part<NonNullable<Spec['routes']>[number]>[];
  loadBalancing: LoadBalancing;
  affinity: Part<LoadBalancing['sessionAffinity']>;
  health: Part<LoadBalancing['healthCheck']>;
  mtls: Part<NonNullable<Security['mtls']>>;
  rotation: Part<NonNullable<NonNullable<Security['mtls']>['certRotation']>>;
  authentication: Part<Security['authentication']>;
  authorization: Part<Security['authorization']>;
  /** undefined where the service has none */
  cors: Part<Security['cors']> | undefined;
  /** undefined where the service has none */
  rateLimit: Part<Security['rateLimit']> | undefined;
  pool: Part<Advanced['connectionPool']>;
  bandwidth: Part<Advanced['bandwidth']>;
  timeout: Part<Advanced['timeout']>;
  compression: unknown;
  /** undefined where the service has none */
  metrics: Part<Spec['metrics']> | undefined;
  /** undefined where the service has none */
  retry: Part<Advanced['retry']> | undefined;
}

/** @param namespace of the request, because the object may not carry it */
export function subjectOf(object: unknown, namespace: string, config: Config): Subject {
  const part = (...path: string[]) => objectAt(object, 'spec', ...path);
  const { name } = objectAt(object, 'metadata') ?? {};
  const { endpoints } = part('backends') ?? {};
  const spec = (part() ?? {}) as Partial<Spec>;
  return {
    name: typeof name === 'string' ? name : '',
    namespace,
    config,
    spec: spec as Spec,
    serviceType: spec.serviceType,
    backends: part('backends') ?? {},
    discovery: part('backends', 'discovery'),
    endpoints: endpoints === undefined || endpoints === null ? undefined : listOf(endpoints).filter(isObject),
    expose: part('expose') ?? {},
    tls: part('expose', 'tls'),
    routes: listOf(spec.routes).filter(isObject),
    loadBalancing: part('loadBalancing') ?? {},
    affinity: part('loadBalancing', 'sessionAffinity') ?? {},
    health: part('loadBalancing', 'healthCheck') ?? {},
    mtls: part('security', 'mtls') ?? {},
    rotation: part('security', 'mtls', 'certRotation') ?? {},
    authentication: part('security', 'authentication') ?? {},
    authorization: part('security', 'authorization') ?? {},
    cors: part('security', 'cors'),
    rateLimit: part('security', 'rateLimit'),
    pool: part('advanced', 'connectionPool') ?? {},
    bandwidth: part('advanced', 'bandwidth') ?? {},
    timeout: part('advanced', 'timeout') ?? {},
    compression: part('advanced')?.compression,
    metrics: part('metrics'),
    retry: part('advanced', 'retry'),
  };
}
