/** A service as HAProxy serves it, but for its servers: what the fields of its spec come to, decided once. */
import { milliseconds } from '../../../config/schema.ts';
import { requestTimeouts } from '../../../model/profiles.ts';
import { serviceKey } from '../../../model/store.ts';
import { endsTls } from '../../../model/users-certificate.ts';
import type { DistributedServiceSpec } from '../../../model/types.ts';
import type { Exposure } from '../../../model/exposure.ts';
import type { Access, ServedService } from '../../ir/ir.ts';
import type { Memory } from './memory.ts';
import { validCertificate } from './pem.ts';
import { backendName, entranceName, serviceId } from './names.ts';

export interface ServiceConfig {
  key: string;
  namespace: string;
  name: string;
  id: string;
  /** where it is routed to: for http the section before the one with the servers (failover.ts) */
  backend: string;
  /** the section with the servers */
  pool: string;
  spec: DistributedServiceSpec;
  role: ServedService['role'];
  exposures: readonly Exposure[];
  clusterPort: ServedService['clusterPort'];
  profile: ServedService['profile'];
  challenges: ServedService['challenges'];
  /** of what passes through its backend */
  mode: 'http' | 'tcp';
  /** HTTP/2 to the backends (gRPC) */
  isGrpc: boolean;
  /** certificate chain and key, checked; undefined where TLS does not end here */
  pem: string | undefined;
  access: Access;
}

/** @returns what a service of a view comes to, and what of it is not served as it says */
export function serviceConfigOf(given: Omit<ServedService, 'backends'>, memory: Memory): { service: ServiceConfig; problems: string[] } {
  const { service, access, exposures } = given;
  const { spec, metadata } = service;
  const key = serviceKey(service);
  const mode = modeOf(given);
  const id = serviceId(key);
  const pool = backendName(key);
  const problems: string[] = [];
  const config: ServiceConfig = {
    key,
    namespace: metadata.namespace ?? '',
    name: metadata.name,
    id,
    backend: mode === 'http' ? entranceName(id) : pool,
    pool,
    spec,
    role: given.role,
    exposures,
    clusterPort: given.clusterPort,
    profile: given.profile,
    challenges: given.challenges,
    mode,
    isGrpc: spec.serviceType === 'grpc' && mode === 'http',
    pem: undefined,
    access,
  };
  const problem = (reason: string) => problems.push(`${key}: ${reason}`);
  if (access.kind === 'unavailable') problem(access.reason);
  if (mode === 'tcp' && (access.kind !== 'none' || spec.security?.authorization?.enabled)) {
    config.access = { kind: 'unavailable', reason: 'connections without HTTP cannot be authenticated' };
    problem('authentication and authorization need HTTP; connections are refused');
  }
  if (endsTls(spec)) {
    const checked = memory.recall('certificate', key, [given.certificate], () => validCertificate(given.certificate));
    if ('pem' in checked) config.pem = checked.pem;
    else problem(`spec.expose.tls: ${checked.problem}; it is not served by TLS`);
  }
  return { service: config, problems };
}

function modeOf({ service: { spec }, exposures }: Omit<ServedService, 'backends'>): 'http' | 'tcp' {
  if (spec.serviceType === 'http') return 'http';
  if (spec.serviceType === 'tcp') return 'tcp';
  return exposures.some(({ kind }) => kind === 'sni') && !endsTls(spec) ? 'tcp' : 'http';
}

/** Milliseconds. HAProxy refuses a configuration with a timer beyond 2^31 - 1. */
export const maxTimer = 2_147_483_000;

/** Milliseconds that a connection may be idle before it is looked at. */
export const keepAliveTime = ({ spec }: ServiceConfig): number => Math.max(1000, duration(spec.advanced?.timeout?.keepAlive, '30s'));

/** Whether it is known how long the app may need for an answer: then none that takes as long is asked for again. */
export const hasRequestTime = ({ spec, profile }: ServiceConfig): boolean =>
  spec.advanced?.timeout?.request !== undefined || profile !== undefined;

/** Milliseconds that a request may be without a part of its answer. */
export function idleTime(service: ServiceConfig): number {
  const { profile } = service;
  const asked = service.spec.advanced?.timeout?.request;
  if (asked !== undefined) return Math.max(1000, duration(asked, '30s'));
  return Math.max(keepAliveTime(service), profile === undefined ? 0 : milliseconds(requestTimeouts[profile]));
}

/** Milliseconds of a duration of the spec, or else of the schema's default; at most what HAProxy can count. */
export const duration = (value: string | undefined, otherwise: string): number => Math.min(maxTimer, milliseconds(value ?? otherwise));
