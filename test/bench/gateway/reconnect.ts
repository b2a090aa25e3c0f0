/**
 * Thousands of sidecars lose their tunnels at one moment and come back. They are frp's own clients, each with a TLS
 * connection, a token, a session and a proxy of its own; frpc runs many in one process, so that they fit in memory.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { service } from '../../support/services.ts';
import { putPod, putService } from '../../gateway/installation.ts';
import { partsOfGateway } from './compare.ts';
import { appPorts, type Installation } from './installation.ts';
import { podOf, writeSidecar } from './sidecars.ts';

const perService = 5;
/** They join in so many at a time: that all do at once is what is measured afterwards. */
const perProcess = 250;
const joinSeconds = 60;
const pollMs = 250;

export interface Reconnection {
  sidecars: number;
  services: number;
  /** how many of them had a request sent to them again after so many seconds; the last one is when all had, or when nobody waited any longer */
  back: { seconds: number; sidecars: number }[];
  /** milliseconds of CPU for each that came back, by part of the gateway, and of the sidecars themselves */
  cpu: Record<string, number>;
}

/** @param limitSeconds how long to wait for the last one */
export async function reconnect(bench: Installation, count: number, limitSeconds: number): Promise<Reconnection> {
  const { processes } = bench;
  const clients = await join(bench, count);
  const before = await bench.serversUp();
  const cpuBefore = processes.cpuMs();
  const start = performance.now();
  await processes.stop('tunnel');
  bench.startProxy('tunnel');
  const back: Reconnection['back'] = [];
  do {
    await sleep(pollMs);
    // A port rests for a minute, so whoever has another one than before has registered anew.
    const now = [...(await bench.serversUp())].filter(([name, port]) => before.has(name) && before.get(name) !== port);
    back.push({ seconds: (performance.now() - start) / 1000, sidecars: now.length });
  } while (back.at(-1)!.sidecars < before.size && back.at(-1)!.seconds < limitSeconds);

  const cpuAfter = processes.cpuMs();
  const spent = (programs: string[]) => programs.reduce((sum, each) => sum + (cpuAfter.get(each) ?? 0) - (cpuBefore.get(each) ?? 0), 0);
  const { 'frpc ×3': _, ...gateway } = partsOfGateway;
  const parts = Object.entries({ ...gateway, 'the sidecars': clients });
  const cpu = Object.fromEntries(parts.map(([part, programs]) => [part, spent(programs) / Math.max(1, back.at(-1)!.sidecars)]));
  return { sidecars: before.size, services: Math.ceil(count / perService) + 1, back, cpu };
}

/** @returns the names of their processes, once HAProxy sends requests to every one */
async function join(bench: Installation, count: number): Promise<string[]> {
  const { api, config, identity, processes, programs } = bench;
  const names: string[] = [];
  const already = (await bench.serversUp()).size;
  for (let number = 0; number < count; number += perService) putService(api, serviceOf(number));
  for (let first = 0; first < count; first += perProcess) {
    const directory = bench.file(`sidecars-${first}`);
    const end = Math.min(count, first + perProcess);
    for (let number = first; number < end; number++) {
      const pod = podOf('app', 1000 + number);
      putPod(api, pod);
      const port = appPorts[number % appPorts.length]!;
      await writeSidecar({ pod, service: serviceOf(number), port, config, identity, directory, logLevel: 'warn' });
    }
    names.push(`sidecars ${first}`);
    processes.start(names.at(-1)!, programs.frpc, [`--config_dir=${directory}/clients`]);
    const all = async () => (await bench.serversUp()).size === already + end;
    await bench.eventually(`${end} sidecars have joined`, all, joinSeconds, pollMs);
  }
  return names;
}

const serviceOf = (number: number) =>
  service(`app-${Math.floor(number / perService)}`, {
    loadBalancing: { healthCheck: { type: 'http', path: '/', interval: '10s' } },
  });
