/** What the controller itself counts, from the leader's metrics. */
import { counter, leader, podOf } from '../cluster/support/controller.ts';

export interface Sample {
  /** requests to the API server, the watches left out */
  calls: number;
  /** of these, all but GET */
  writes: number;
  cpuSeconds: number;
  memoryMiB: number;
  at: number;
}

const sum = (series: Map<string, number>) => [...series.values()].reduce((total, value) => total + value, 0);

export async function sample(): Promise<Sample> {
  const pod = podOf(await leader());
  const [calls, cpu, memory] = await Promise.all(
    ['frp_operator_api_requests_total', 'process_cpu_seconds_total', 'process_resident_memory_bytes'].map((name) => counter(pod, name)),
  );
  return {
    calls: sum(calls!),
    writes: sum(new Map([...calls!].filter(([labels]) => !labels.includes('GET')))),
    cpuSeconds: sum(cpu!),
    memoryMiB: Math.round(sum(memory!) / 2 ** 20),
    at: Date.now(),
  };
}

/** The Lease is renewed every two seconds, by GET and PATCH: these are no service's calls. */
export const leaseRenewals = (from: Sample, to: Sample): number => (to.at - from.at) / 2000;

export const rounded = (value: number): number => Math.round(value * 10) / 10;

/** What each service cost between two samples. */
export const perService = (from: Sample, to: Sample, count: number) => ({
  callsPerService: rounded((to.calls - from.calls - 2 * leaseRenewals(from, to)) / count),
  cpuMsPerService: rounded(((to.cpuSeconds - from.cpuSeconds) * 1000) / count),
  memoryMiB: to.memoryMiB,
});
