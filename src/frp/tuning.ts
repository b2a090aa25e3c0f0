/** How a tunnel is tuned: by the service's spec, else by a profile, else by the Pod's own size. */
import { seconds } from './units.ts';
import type { ProfileName } from '../model/profiles.ts';
import type { DistributedServiceSpec } from '../model/types.ts';

export interface Tuning {
  poolCount: number;
  dialServerTimeout: number;
  dialServerKeepalive: number;
  heartbeatTimeout?: number;
}

/** CPU in cores and memory in bytes of a Pod's containers together; undefined where no container says it. */
export interface PodSize {
  cpu: number | undefined;
  memory: number | undefined;
}

/** R1.43: language models answer slowly. */
export const profiles = {
  ollama: { poolCount: 5, dialServerTimeout: 30, heartbeatTimeout: 180 },
} as const satisfies Record<ProfileName, Partial<Tuning>>;

const defaults = { dialServerTimeout: 10, dialServerKeepalive: 30 };
const poolCountOfUnknownSize = 5;

/** Seconds and counts for frpc's `transport`; what the spec says goes before the profile, and that before the Pod's size. */
export function tuningOf(spec: DistributedServiceSpec, profile: ProfileName | undefined, size: PodSize): Tuning {
  const { connectionPool, timeout } = spec.advanced ?? {};
  const base: Tuning = { ...defaults, poolCount: poolCountForSize(size), ...(profile && profiles[profile]) };
  if (timeout?.dial !== undefined) base.dialServerTimeout = seconds(timeout.dial);
  if (timeout?.keepAlive !== undefined) base.dialServerKeepalive = seconds(timeout.keepAlive);
  if (connectionPool?.enabled === false) base.poolCount = 0;
  else if (connectionPool?.size !== undefined) base.poolCount = connectionPool.size;
  return base;
}

/**
 * Of a tunnel that one or more groups share: each has what it asks for at least. The pool is not the sum: connections of it
 * are anybody's, and frps asks for another as soon as one is taken.
 */
export function sharedTuning(tunings: readonly Tuning[]): Tuning {
  return {
    ...tunings[0]!,
    poolCount: Math.max(...tunings.map(({ poolCount }) => poolCount)),
    dialServerTimeout: Math.max(...tunings.map(({ dialServerTimeout }) => dialServerTimeout)),
    dialServerKeepalive: Math.min(...tunings.map(({ dialServerKeepalive }) => dialServerKeepalive)),
  };
}

/** R1.42: 2 connections a core, 1 for each 0.5 GB, at most 20. A size that the Pod does not state is left out. */
export function poolCountForSize({ cpu, memory }: PodSize): number {
  if (cpu === undefined && memory === undefined) return poolCountOfUnknownSize;
  const byCpu = cpu === undefined ? Infinity : Math.floor(cpu * 2);
  const byMemory = memory === undefined ? Infinity : Math.floor(memory / 1024 ** 3 / 0.5);
  return Math.max(1, Math.min(byCpu, byMemory, 20));
}
