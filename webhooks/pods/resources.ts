/** Requests and limits of the sidecar. */
import type { Config } from '../../src/config/schema.ts';
import { quantityValue } from '../../src/frp/units.ts';
import { annotation as names } from '../../src/model/names.ts';
import type { PodAnnotations } from './annotations.ts';
import type { CheckedPod } from './pod.ts';

export interface Resources {
  requests?: Record<string, string>;
  limits?: Record<string, string>;
}

/** What a Pod says of its resources that the sidecar's depend on. */
export interface ResourceFacts {
  guaranteed: boolean;
  /** resources that the Pod has a request or a limit for as a whole (`spec.resources`) */
  ofPod: readonly string[];
  /** the limit of CPU for all its containers together */
  cpuLimitOfPod: string | undefined;
}

/** A smaller limit throttles the tunnel: with 10m, 27 KB take 199 ms. Cores. */
const leastCpu = 0.1;

/**
 * From the annotations, else the configuration. A limit below its request is raised to it, and the other way round
 * where the limit is the one that a person wrote. In a Pod of class Guaranteed the limits equal the requests, because
 * the sidecar would change the Pod's class. Of what the Pod has as a whole the sidecar asks for nothing: the API server
 * refuses containers that ask for more together.
 */
export function resourcesOf(
  annotations: PodAnnotations,
  { sidecar }: Config,
  { guaranteed, ofPod, cpuLimitOfPod }: ResourceFacts,
): { resources: Resources; warnings: string[] } {
  const cpu = ofPod.includes('cpu') ? {} : pair(annotations, 'Cpu', [sidecar.cpuRequest, sidecar.cpuLimit], guaranteed);
  const memory = ofPod.includes('memory') ? {} : pair(annotations, 'Memory', [sidecar.memoryRequest, sidecar.memoryLimit], guaranteed);
  const storage = { request: sidecar.ephemeralStorage, limit: sidecar.ephemeralStorage };
  if (guaranteed && !isWritten(annotations, 'Cpu') && isBelow(cpu.limit, leastCpu)) cpu.limit = cpu.request = '100m';
  const pairs = { cpu, memory, 'ephemeral-storage': storage };
  const requests = present(Object.entries(pairs).map(([name, { request }]) => [name, request]));
  const limits = present(Object.entries(pairs).map(([name, { limit }]) => [name, limit]));
  const warnings = (['Cpu', 'Memory'] as const)
    .filter((resource) => ofPod.includes(resource.toLowerCase()) && isWritten(annotations, resource))
    .map(
      (resource) =>
        `annotations frp.io/sidecar-${resource.toLowerCase()}-* have no effect: the Pod has spec.resources for ${resource.toLowerCase()}, which its sidecar shares`,
    );
  if (isBelow(cpuLimitOfPod, leastCpu))
    warnings.push(
      `the Pod's CPU limit of ${cpuLimitOfPod}, which its sidecar shares, throttles the tunnel; set spec.resources.limits.cpu to more than 100m`,
    );
  if (isBelow(cpu.limit, leastCpu)) {
    warnings.push(
      `the sidecar's CPU limit of ${cpu.limit} throttles the tunnel; set ${names.sidecarCpuLimit} to 100m or more${guaranteed ? '' : ', or to none'}`,
    );
  }
  return { resources: { ...(requests && { requests }), ...(limits && { limits }) }, warnings };
}

const present = (entries: [string, string | undefined][]): Record<string, string> | undefined => {
  const found = entries.filter((entry): entry is [string, string] => entry[1] !== undefined);
  return found.length === 0 ? undefined : Object.fromEntries(found);
};

const isBelow = (quantity: string | undefined, least: number): boolean =>
  quantity !== undefined && (quantityValue(quantity) ?? least) < least;

type Resource = 'Cpu' | 'Memory';

const isWritten = (annotations: PodAnnotations, resource: Resource): boolean =>
  [annotations[names[`sidecar${resource}Request`]], annotations[names[`sidecar${resource}Limit`]]].some(
    (value) => value !== undefined && value !== 'none',
  );

function pair(
  annotations: PodAnnotations,
  resource: Resource,
  [defaultRequest, defaultLimit]: [string, string | null],
  guaranteed: boolean,
): { request?: string; limit?: string } {
  const above = (a: string, b: string) => (quantityValue(a) ?? 0) > (quantityValue(b) ?? 0);
  const ownLimit = annotations[names[`sidecar${resource}Limit`]];
  let request = annotations[names[`sidecar${resource}Request`]] ?? defaultRequest;
  let limit = ownLimit === 'none' ? undefined : (ownLimit ?? defaultLimit ?? undefined);
  if (limit !== undefined && above(request, limit)) {
    if (ownLimit === undefined) limit = request;
    else request = limit;
  }
  if (guaranteed) {
    limit ??= request;
    request = limit;
  }
  return { request, ...(limit !== undefined && { limit }) };
}

export function resourceFacts(pod: CheckedPod): ResourceFacts {
  const { requests, limits } = pod.spec.resources ?? {};
  const ofPod = [...new Set([...Object.keys(requests ?? {}), ...Object.keys(limits ?? {})])].sort();
  // Where the Pod says it as a whole, its class depends on that alone.
  const cpuLimit = limits?.cpu;
  return {
    guaranteed: ofPod.length === 0 && isGuaranteed(pod),
    ofPod,
    cpuLimitOfPod: cpuLimit === undefined ? undefined : String(cpuLimit),
  };
}

/** Quality of service class Guaranteed: every container has limits for cpu and memory, and equal requests or none. */
function isGuaranteed({ spec }: CheckedPod): boolean {
  const containers = [...spec.containers, ...(spec.initContainers ?? [])];
  return containers.every(({ resources }) =>
    ['cpu', 'memory'].every((name) => {
      const limit = resources?.limits?.[name];
      const request = resources?.requests?.[name] ?? limit;
      return limit !== undefined && (limit === request || isSameQuantity(limit, request));
    }),
  );
}

function isSameQuantity(a: string, b: string | undefined): boolean {
  const value = quantityValue(a);
  return value !== undefined && value === quantityValue(b);
}
