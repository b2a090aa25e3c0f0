/** The same apps by three ways, in turns, so that whatever else the machine does falls on all of them. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { service } from '../../support/services.ts';
import { putPod, putService } from '../../gateway/installation.ts';
import type { DistributedService } from '../../../src/model/types.ts';
import { median } from '../report.ts';
import type { Load } from '../servers.ts';
import { appPorts, ports, type Installation } from './installation.ts';
import { podOf, writeSidecar } from './sidecars.ts';

export type WayName = 'HAProxy' | 'plain frps' | 'gateway' | 'chisel';

export interface Way {
  url: string;
  host: string;
  /** what it runs, and the programs (Processes) that this is */
  parts: Record<string, string[]>;
}

export interface Figures {
  requestsPerSecond: number;
  p50Ms: number;
  p99Ms: number;
  /** microseconds of CPU a request, by part; the apps' and the load generator's are not in it */
  cpu: Record<string, number>;
}

/** Microseconds a request, of all parts. */
export const cpuOf = ({ cpu }: Figures): number => Object.values(cpu).reduce((sum, part) => sum + part, 0);

export interface LoadKind {
  id: 'closed' | 'rate' | 'new';
  name: string;
  /** of the load generator */
  args: string[];
}

/** Requests a second that every way can serve on a busy machine of two cores. */
export const usersRate = 300;
export const loads: LoadKind[] = [
  { id: 'closed', name: '25 connections, as fast as they go', args: ['-c', '25'] },
  { id: 'rate', name: `${usersRate} requests/s`, args: ['-c', '25', '-rate', `${usersRate}`] },
  { id: 'new', name: 'a new connection for each request, 25 at a time', args: ['-c', '25', '-new'] },
];

export const sidecars = (name: string, ports: readonly number[] = appPorts): string[] =>
  ports.map((_, index) => `${name} frpc ${index + 1}`);

export const ways: Record<WayName, Way> = {
  HAProxy: { url: `http://127.0.0.1:${ports.direct}/`, host: 'direct.example.com', parts: { HAProxy: ['direct'] } },
  'plain frps': {
    url: `http://127.0.0.1:${ports.plainHttp}/`,
    host: 'plain.example.com',
    parts: { frps: ['plain frps'], 'frpc ×3': sidecars('plain') },
  },
  gateway: {
    url: `http://127.0.0.1:${ports.http}/`,
    host: 'web.example.com',
    parts: { HAProxy: ['users'], 'HAProxy of the tunnels': ['tunnel'], frps: ['frps'], 'frpc ×3': sidecars('web'), agent: ['agent'] },
  },
  // It does not share among several: one of the apps.
  chisel: {
    url: `http://127.0.0.1:${ports.chiselHttp}/`,
    host: 'chisel.example.com',
    parts: { server: ['chisel server'], client: ['chisel client'] },
  },
};

export const partsOfGateway = ways.gateway.parts;

/** Everything that serves; resolves when each way leads to every app. @param chisel its program */
export async function startWays(bench: Installation, chisel?: string): Promise<void> {
  await bench.startApps();
  bench.startDirect();
  if (chisel !== undefined) bench.startChisel(chisel);
  await bench.startPlainFrps();
  await bench.startGateway();
  for (const [name, gateway] of [['plain', false] as const, ['web', true] as const]) {
    const served = service(name, {
      gateway,
      loadBalancing: { algorithm: 'round-robin', healthCheck: { type: 'http', path: '/', interval: '10s' } },
    });
    putService(bench.api, served);
    await startSidecars(bench, served, gateway ? 1 : 101);
  }
  await bench.eventually('three members are at the gateway', async () => (await bench.serversUp()).size === appPorts.length);
}

/** One for each app. @param first number of their Pods @param ports of the apps */
export async function startSidecars(
  bench: Installation,
  served: DistributedService,
  first: number,
  ports: readonly number[] = appPorts,
): Promise<void> {
  const { name } = served.metadata;
  for (const [index, program] of sidecars(name, ports).entries()) {
    const pod = podOf(name, index + first);
    putPod(bench.api, pod);
    const { config, identity, directory } = bench;
    const file = await writeSidecar({ pod, service: served, port: ports[index]!, config, identity, directory });
    bench.processes.start(program, bench.programs.frpc, ['-c', file]);
  }
}

/** @returns the median of the rounds for each way, in the order of `loads` */
export async function compare<Name extends string>(
  bench: Installation,
  ways: Record<Name, Way>,
  { generator, rounds, seconds, loads }: { generator: string; rounds: number; seconds: number; loads: readonly LoadKind[] },
): Promise<Record<Name, Figures>[]> {
  const names = Object.keys(ways) as Name[];
  const turn = async (load: LoadKind, time: number): Promise<Figures[]> => {
    const figures: Figures[] = [];
    for (const name of names) figures.push(await measure(bench, generator, ways[name], load, time));
    return figures;
  };
  await turn({ id: 'closed', name: 'warm-up', args: [] }, 1);
  const results: Record<Name, Figures>[] = [];
  for (const load of loads) {
    const samples: Figures[][] = [];
    for (let round = 0; round < rounds; round++) samples.push(await turn(load, seconds));
    const entries = names.map((name, at) => [name, medians(samples.map((each) => each[at]!))]);
    results.push(Object.fromEntries(entries) as Record<Name, Figures>);
  }
  return results;
}

/** @throws where an answer was wrong */
async function measure(bench: Installation, generator: string, way: Way, load: LoadKind, seconds: number): Promise<Figures> {
  const { url, host, parts } = way;
  const args = ['-plain', '-url', url, '-host', host, '-expect', bench.file('body'), '-d', `${seconds}s`, ...load.args];
  const before = bench.processes.cpuMs();
  const { stdout } = await promisify(execFile)(generator, args);
  const after = bench.processes.cpuMs();
  const answer = JSON.parse(stdout) as Load & { requests: number };
  if (answer.errors > 0)
    throw new Error(
      `${url}, ${load.name}: ${answer.errors} wrong answers: ${JSON.stringify(answer.error_kinds)}\n${bench.processes.tell()}`,
    );
  const spent = (programs: string[]) => programs.reduce((sum, each) => sum + (after.get(each) ?? 0) - (before.get(each) ?? 0), 0);
  const cpu = Object.fromEntries(Object.entries(parts).map(([part, programs]) => [part, (spent(programs) * 1000) / answer.requests]));
  return { requestsPerSecond: answer.req_s, p50Ms: answer.p50_ms, p99Ms: answer.p99_ms, cpu };
}

function medians(samples: readonly Figures[]): Figures {
  const of = (key: 'requestsPerSecond' | 'p50Ms' | 'p99Ms') => median(samples.map((sample) => sample[key]));
  const parts = Object.keys(samples[0]!.cpu);
  const cpu = Object.fromEntries(parts.map((part) => [part, median(samples.map((sample) => sample.cpu[part]!))]));
  return { requestsPerSecond: of('requestsPerSecond'), p50Ms: of('p50Ms'), p99Ms: of('p99Ms'), cpu };
}
