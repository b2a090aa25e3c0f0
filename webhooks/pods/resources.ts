/** Requests and limits of the sidecar. */
import type { Config } from '../../src/config/schema.ts';
import { quantityValue } from '../../src/frp/units.ts';
import { annotation as names } from '../../src/model/names.ts';
import type { PodAnnotations } from './annotations.ts';
import type { CheckedPod } from './pod.ts';

export interface Resources {
  requests: Record<string, string>;
  limits?: Record<string, string>;
}

/**
 * From the annotations, else the configuration. A limit below its request is raised to it, and the other way round
 * where the limit is the one that a person wrote. In a Pod of class Guaranteed the limits equal the requests, because
 * the sidecar would change the Pod's class.
 */
export function resourcesOf(annotations: PodAnnotations, { sidecar }: Config, guaranteed: boolean): Resources {
  const cpu = pair(
    annotations[names.sidecarCpuRequest],
    annotations[names.sidecarCpuLimit],
    sidecar.cpuRequest,
    sidecar.cpuLimit,
    guaranteed,
  );
  const memory = pair(
    annotations[names.sidecarMemoryRequest],
    annotations[names.sidecarMemoryLimit],
    sidecar.memoryRequest,
    sidecar.memoryLimit,
    guaranteed,
  );
  const limits = { ...(cpu.limit !== undefined && { cpu: cpu.limit }), ...(memory.limit !== undefined && { memory: memory.limit }) };
  return { requests: { cpu: cpu.request, memory: memory.request }, ...(Object.keys(limits).length > 0 && { limits }) };
}

function pair(
  ownRequest: string | undefined,
  ownLimit: string | undefined,
  defaultRequest: string,
  defaultLimit: string | undefined,
  guaranteed: boolean,
) {
  const above = (a: string, b: string) => (quantityValue(a) ?? 0) > (quantityValue(b) ?? 0);
  let request = ownRequest ?? defaultRequest;
  let limit = ownLimit ?? defaultLimit;
  if (limit !== undefined && above(request, limit)) {
    if (ownLimit === undefined) limit = request;
    else request = limit;
  }
  if (guaranteed) {
    limit ??= request;
    request = limit;
  }
  return { request, limit };
}

/** Quality of service class Guaranteed: every container has limits for cpu and memory, and equal requests or none. */
export function isGuaranteed({ spec }: CheckedPod): boolean {
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
